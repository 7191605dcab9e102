"""The explanation file: JSON, format ``codesign-explanation/1``.

Every figure in the unit its name ends with; a rate in units of the objective per unit of the
budget or of the rate it belongs to. ``technology``, ``quality``, ``metrics`` and ``proof`` are
absent from older files.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, field
from typing import Any, Literal

from codesign.amounts import METRICS_SHOWN, RATES_SHOWN
from codesign.design import ProofRecord
from codesign.errors import SpecError
from codesign.explanation import Explanation, RunnerUp, Sensitivity
from codesign.figures import Amount
from codesign.hardware import Hardware
from codesign.outline import Named, Outline, Question, Row, Taken
from codesign.problem import Metric
from codesign.schema import described, parse

FORMAT = "codesign-explanation/1"


@described
class Used:
    """A budget, and the share of it that is used."""

    limit: Amount
    used: Amount


@described
class Share:
    """A layer, its roof and times, and its share of the latency."""

    name: str
    bound_by: str | None
    latency_share: Amount
    compute_s: Amount | None
    memory_s: Amount | None


@described
class Content:
    """What the file holds."""

    format: Literal["codesign-explanation/1"]
    network: str
    objective: Metric
    optimum: Amount
    hardware: Hardware
    step: Amount
    budgets: Mapping[Metric, Used]
    roofs: Mapping[str, Amount]
    layers: tuple[Share, ...]
    sensitivities: tuple[Sensitivity, ...]
    runner_ups: tuple[RunnerUp, ...]
    seconds: Amount
    technology: str = ""
    quality: str | None = None
    metrics: Mapping[Metric, Amount] = field(default_factory=dict)
    proof: ProofRecord | None = None


def to_dict(explanation: Explanation) -> dict[str, Any]:
    """The explanation file's content."""
    design = explanation.design
    objective = str(design.problem.objective)
    return {
        "format": FORMAT,
        "network": design.network.name,
        "technology": design.problem.technology.name,
        "objective": objective,
        "quality": design.problem.quality,
        "optimum": design.metrics[objective],
        "metrics": dict(design.metrics),
        "proof": asdict(design.proof),
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


def from_dict(data: Any, where: str) -> Explanation:
    """An explanation from its file's content; its design is an outline.

    Raises
    ------
    SpecError
        Naming ``where`` and what is wrong.
    """
    found = data.get("format") if isinstance(data, Mapping) else None
    if found != FORMAT:
        raise SpecError(f"{where}: not an explanation file (format {found!r}, expected {FORMAT!r})")
    told = parse(Content, data, where)
    for each in told.sensitivities:
        if each.name not in METRICS_SHOWN | RATES_SHOWN:
            raise SpecError(f"{where}: sensitivities: {each.name!r} is neither metric nor rate")
    for runner_up in told.runner_ups:
        if runner_up.hardware is not None and {told.objective, "area_mm2"} - {*runner_up.metrics}:
            raise SpecError(f"{where}: runner_ups: metrics of {runner_up.change!r} are missing")
    return Explanation(
        design=_outline(told),
        step=told.step,
        sensitivities=told.sensitivities,
        runner_ups=told.runner_ups,
        seconds=told.seconds,
    )


def _outline(told: Content) -> Outline:
    """The design explained, as far as the file tells it."""
    rows = tuple(_row(share) for share in told.layers)
    used = {name: each.limit * each.used for name, each in told.budgets.items()}
    latency_s = math.fsum(row.latency_s or 0.0 for row in rows)
    metrics = {**used, "latency_s": latency_s, **told.metrics, told.objective: told.optimum}
    proven = ProofRecord.of(told.optimum, told.optimum, "not proven")
    return Outline(
        problem=Question(
            network=Named(name=told.network),
            technology=Named(name=told.technology),
            objective=told.objective,
            budgets={name: each.limit for name, each in told.budgets.items()},
            quality=told.quality,
        ),
        hardware=told.hardware,
        metrics=metrics,
        memory_bound_share=told.roofs.get("memory", 0.0),
        layer_designs=rows,
        proof=told.proof or proven,
        solver=Taken(seconds=told.seconds),
    )


def _row(share: Share) -> Row:
    times = [x for x in (share.compute_s, share.memory_s) if x is not None]
    return Row(
        name=share.name,
        bound_by=share.bound_by,
        compute_s=share.compute_s,
        memory_s=share.memory_s,
        latency_s=max(times, default=None),
    )
