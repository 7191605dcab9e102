"""The assignment file: JSON, self-contained, format ``codesign-assignment/1``.

Its ``tensor_bits`` and ``proof`` are those of a design file; ``problem`` holds what widths depend
on, ``latency_table`` the seconds of each layer under ``"weight_bits,input_bits"``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from codesign.assignment import Assignment
from codesign.csv_table import read_amount
from codesign.design_file import problem_to_dict, renamed, sensitivity_from_json
from codesign.errors import SpecError
from codesign.latency_table import MOST_SECONDS, Pair, read_pair, write_pair
from codesign.problem import Problem
from codesign.schema import parse
from codesign.text_files import read_json, write_whole

FORMAT = "codesign-assignment/1"
PROBLEM_KEYS = ("network", "choices", "sensitivity", "quality", "objective", "budgets")
CHOICES_KEYS = ("weight_bits", "activation_bits", "pinned", "output_bits", "shared", "tied")


def to_dict(assignment: Assignment) -> dict[str, Any]:
    """The assignment file's content."""
    problem = problem_to_dict(assignment.problem)
    kept = {key: problem[key] for key in PROBLEM_KEYS}
    kept["choices"] = {key: problem["choices"][key] for key in CHOICES_KEYS}
    table = assignment.latency_table
    return {
        "format": FORMAT,
        "problem": kept,
        "latency_table": None
        if table is None
        else {name: {write_pair(p): s for p, s in row.items()} for name, row in table.items()},
        "tensor_bits": dict(assignment.tensor_bits),
        "layers": [asdict(row) for row in assignment.layer_widths],
        "metrics": dict(assignment.metrics),
        "proof": asdict(assignment.proof),
        "solver": asdict(assignment.solver),
    }


def from_dict(data: Any, where: str) -> Assignment:
    """An assignment from an assignment file's content.

    Raises
    ------
    SpecError
        Naming ``where`` and what is wrong.
    """
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        found = data.get("format") if isinstance(data, dict) else None
        raise SpecError(f"{where}: not an assignment file (format {found!r}, expected {FORMAT!r})")
    content = {key: value for key, value in data.items() if key != "format"}
    content["layer_widths"] = renamed(content, "layers", "layer_widths", where)
    content["problem"] = _problem(content.get("problem"), f"{where}: problem")
    content["latency_table"] = _table(content.get("latency_table"), f"{where}: latency_table")
    try:
        return parse(Assignment, content, where)
    except SpecError as error:
        raise SpecError(str(error).replace("layer_widths", "layers")) from None


def save(assignment: Assignment, path: Path) -> None:
    """Write the assignment file, whole or not at all."""
    write_whole(path, json.dumps(to_dict(assignment), indent=1, ensure_ascii=False) + "\n")


def save_csv(assignment: Assignment, path: Path) -> None:
    """Write one row per layer as CSV, whole or not at all."""
    write_whole(path, assignment.layers.to_csv(lineterminator="\n"))


def load(path: Path) -> Assignment:
    """Read an assignment file."""
    return from_dict(read_json(path), str(path))


def _problem(data: Any, where: str) -> Problem:
    _check_keys(data, PROBLEM_KEYS, where)
    _check_keys(data["choices"], CHOICES_KEYS, f"{where}.choices")
    sensitivity = sensitivity_from_json(data["sensitivity"])
    return parse(Problem, {**data, "sensitivity": sensitivity}, where)


def _check_keys(data: Any, keys: tuple[str, ...], where: str) -> None:
    """Refuse a section that lacks a key, for none has a default in a file, or has others."""
    if not isinstance(data, Mapping):
        raise SpecError(f"{where}: missing")
    for key in keys:
        if key not in data:
            raise SpecError(f"{where}.{key}: missing")
    for key in data:
        if key not in keys:
            raise SpecError(f"{where}.{key}: unknown key (known: {', '.join(keys)})")


def _table(data: Any, where: str) -> dict[str, dict[Pair, float]] | None:
    if data is None:
        return None
    if not isinstance(data, Mapping):
        raise SpecError(f"{where}: must be a table for each layer, or null")
    table: dict[str, dict[Pair, float]] = {}
    for name, row in data.items():
        place = f"{where}.{name}"
        if not isinstance(row, Mapping):
            raise SpecError(f"{place}: must be a table of seconds by widths")
        table[name] = {}
        for widths, latency_s in row.items():
            weight_bits, _, input_bits = widths.partition(",")
            pair = read_pair(weight_bits, input_bits, f"{place}.{widths}")
            table[name][pair] = read_amount("latency_s", latency_s, MOST_SECONDS, place)
    return table
