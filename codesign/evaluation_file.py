"""The evaluation file: JSON, self-contained, format ``codesign-evaluation/1``.

Its ``tensor_bits``, ``layers`` and ``metrics`` are those of a design file; in place of the problem
stand the network and the accelerator.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from codesign.errors import SpecError
from codesign.evaluation import Evaluation
from codesign.hardware import Accelerator
from codesign.schema import parse
from codesign.text_files import read_json, write_whole

FORMAT = "codesign-evaluation/1"


def to_dict(evaluation: Evaluation) -> dict[str, Any]:
    """The evaluation file's content."""
    content = asdict(evaluation)
    content["layers"] = content.pop("layer_designs")
    return {"format": FORMAT, **content}


def from_dict(data: Any, where: str) -> Evaluation:
    """An evaluation from an evaluation file's content.

    Raises
    ------
    SpecError
        Naming ``where`` and what is wrong.
    """
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        found = data.get("format") if isinstance(data, dict) else None
        raise SpecError(f"{where}: not an evaluation file (format {found!r}, expected {FORMAT!r})")
    if "layer_designs" in data:
        raise SpecError(f"{where}: layer_designs: unknown key")
    if "layers" not in data:
        raise SpecError(f"{where}: layers: missing")
    accelerator = data.get("accelerator")
    for name in (field.name for field in fields(Accelerator)):  # none has a default in a file
        if isinstance(accelerator, Mapping) and name not in accelerator:
            raise SpecError(f"{where}: accelerator.{name}: missing")
    content = {key: value for key, value in data.items() if key not in ("format", "layers")}
    try:
        return parse(Evaluation, {**content, "layer_designs": data["layers"]}, where)
    except SpecError as error:
        raise SpecError(str(error).replace("layer_designs", "layers")) from None


def save(evaluation: Evaluation, path: Path) -> None:
    """Write the evaluation file, whole or not at all."""
    write_whole(path, json.dumps(to_dict(evaluation), indent=1, ensure_ascii=False) + "\n")


def load(path: Path) -> Evaluation:
    """Read an evaluation file."""
    return from_dict(read_json(path), str(path))
