"""The evaluation file: JSON, self-contained, format ``codesign-evaluation/1``.

Its ``tensor_bits``, ``layers`` and ``metrics`` are those of a design file; in place of the problem
stand the network and the accelerator.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from codesign.errors import SpecError
from codesign.evaluation import Evaluation
from codesign.figures import throughput
from codesign.hardware import Accelerator
from codesign.stored import THROUGHPUT, content_of, parse_result, sealed

FORMAT = "codesign-evaluation/1"
ROWS = "layer_designs"  # what the result calls the file's layers


def to_dict(evaluation: Evaluation) -> dict[str, Any]:
    """The evaluation file's content."""
    content = asdict(evaluation)
    content["layers"] = content.pop("layer_designs")
    content[THROUGHPUT] = throughput(evaluation)
    return sealed({"format": FORMAT, **content})


def from_dict(data: Any, where: str) -> Evaluation:
    """An evaluation from an evaluation file's content.

    Raises
    ------
    SpecError
        Naming ``where`` and what is wrong.
    """
    content = content_of(data, FORMAT, "an evaluation", ROWS, where)
    accelerator = content.get("accelerator")
    for name in (field.name for field in fields(Accelerator)):  # none has a default in a file
        if isinstance(accelerator, Mapping) and name not in accelerator:
            raise SpecError(f"{where}: accelerator.{name}: missing")
    return parse_result(Evaluation, content, ROWS, where)
