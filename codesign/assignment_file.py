"""The assignment file: JSON, self-contained, format ``codesign-assignment/1``.

Its ``tensor_bits`` and ``proof`` are those of a design file; ``problem`` holds what widths depend
on, ``latency_table`` the seconds of each layer under ``"weight_bits,input_bits"``, ``costs`` by
name the same of costs of one's own, absent where there are none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from codesign.assignment import Assignment, LayerWidths
from codesign.csv_table import read_amount
from codesign.design_file import problem_to_dict, sensitivity_from_json
from codesign.errors import SpecError
from codesign.latency_table import (
    LATENCY,
    CostTable,
    Pair,
    cost_title,
    most_of,
    read_pair,
    write_pair,
)
from codesign.problem import Problem
from codesign.schema import parse
from codesign.stored import content_of, parse_result, sealed

FORMAT = "codesign-assignment/1"
ROWS = "layer_widths"  # what the result calls the file's layers
PROBLEM_KEYS = ("network", "choices", "sensitivity", "quality", "objective", "budgets")
CHOICES_KEYS = ("weight_bits", "activation_bits", "pinned", "output_bits", "shared", "tied")


def to_dict(assignment: Assignment) -> dict[str, Any]:
    """The assignment file's content."""
    problem = problem_to_dict(assignment.problem)
    kept = {key: problem[key] for key in PROBLEM_KEYS}
    kept["choices"] = {key: problem["choices"][key] for key in CHOICES_KEYS}
    table, costs = assignment.latency_table, assignment.costs
    content = {
        "format": FORMAT,
        "problem": kept,
        "latency_table": None if table is None else _written(table),
        **({"costs": {name: _written(each) for name, each in costs.items()}} if costs else {}),
        "tensor_bits": dict(assignment.tensor_bits),
        "layers": [_row(row) for row in assignment.layer_widths],
        "metrics": dict(assignment.metrics),
        "proof": asdict(assignment.proof),
        "solver": asdict(assignment.solver),
    }
    return sealed(content)


def from_dict(data: Any, where: str) -> Assignment:
    """An assignment from an assignment file's content.

    Raises
    ------
    SpecError
        Naming ``where`` and what is wrong.
    """
    content = content_of(data, FORMAT, "an assignment", ROWS, where)
    content["problem"] = _problem(content.get("problem"), f"{where}: problem")
    content["latency_table"] = _table(content.get("latency_table"), f"{where}: latency_table")
    costs = content.get("costs", {})
    if not isinstance(costs, Mapping):
        raise SpecError(f"{where}: costs: must be a table for each cost")
    content["costs"] = {
        name: _table({} if table is None else table, f"{where}: costs.{name}", cost_title(name))
        for name, table in costs.items()
    }
    return parse_result(Assignment, content, ROWS, where)


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


def _row(row: LayerWidths) -> dict[str, Any]:
    """A layer; costs only where there are any."""
    return {key: value for key, value in asdict(row).items() if key != "costs" or value}


def _written(table: CostTable) -> dict[str, dict[str, float]]:
    return {name: {write_pair(p): x for p, x in row.items()} for name, row in table.items()}


def _table(data: Any, where: str, what: str = LATENCY) -> dict[str, dict[Pair, float]] | None:
    if data is None:
        return None
    if not isinstance(data, Mapping):
        raise SpecError(f"{where}: must be a table for each layer, or null")
    column, most = most_of(what)
    table: dict[str, dict[Pair, float]] = {}
    for name, row in data.items():
        place = f"{where}.{name}"
        if not isinstance(row, Mapping):
            raise SpecError(f"{place}: must be a table of values by widths")
        table[name] = {}
        for widths, value in row.items():
            weight_bits, _, input_bits = widths.partition(",")
            pair = read_pair(weight_bits, input_bits, f"{place}.{widths}")
            table[name][pair] = read_amount(column, value, most, place)
    return table
