"""The explanation file: JSON, format ``codesign-explanation/1``.

Every figure in the unit its name ends with; a rate in units of the objective per unit of the
budget or of the rate it belongs to.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from codesign.explanation import Explanation

FORMAT = "codesign-explanation/1"


def to_dict(explanation: Explanation) -> dict[str, Any]:
    """The explanation file's content."""
    design = explanation.design
    objective = str(design.problem.objective)
    return {
        "format": FORMAT,
        "network": design.network.name,
        "objective": objective,
        "optimum": design.metrics[objective],
        "hardware": asdict(design.hardware),
        "step": explanation.step,
        "budgets": {
            name: {"limit": design.problem.budgets[name], "used": share}
            for name, share in explanation.used.items()
        },
        "roofs": explanation.roof_share,
        "layers": [
            {
                "name": row.name,
                "bound_by": row.bound_by,
                "latency_share": explanation.latency_share[row.name],
                "compute_s": row.compute_s,
                "memory_s": row.memory_s,
            }
            for row in design.layer_designs
        ],
        "sensitivities": [asdict(each) for each in explanation.sensitivities],
        "runner_ups": [asdict(each) for each in explanation.runner_ups],
        "seconds": explanation.seconds,
    }
