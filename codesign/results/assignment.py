"""The answer where no hardware is chosen: a width for every weight and tensor, and the proof."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from codesign.costs.widths import all_widths
from codesign.errors import SpecError
from codesign.files import write_atomically
from codesign.problem.file import problem_to_dict, sensitivity_from_json
from codesign.problem.latency_table import (
    LATENCY,
    CostTable,
    LatencyTable,
    WidthPair,
    check_cost,
    cost_title,
    most_of,
    read_pair,
    write_pair,
)
from codesign.problem.metrics import COST
from codesign.problem.problem import Problem
from codesign.results.consistency import MOVES_ONLY, check_known, check_layers, check_names
from codesign.results.records import AssignmentRecord, ProofRecord
from codesign.results.result_file import ResultFile, parse_content, read_content, with_digest
from codesign.specs.accelerator import Bits
from codesign.specs.csv_tables import read_amount
from codesign.specs.layer import Layer, Name
from codesign.specs.network import Network
from codesign.specs.schema import parse, require_keys, spec_dataclass
from codesign.specs.seam import done_by
from codesign.specs.technology import Amount

if TYPE_CHECKING:
    import pandas as pd

ROWS = "layer_widths"  # what the result calls the file's layers
PROBLEM_KEYS = ("network", "choices", "sensitivity", "quality", "objective", "budgets")
CHOICES_KEYS = ("weight_bits", "activation_bits", "pinned", "output_bits", "shared", "tied")
WIDTH_METRICS = (
    "noise",
    "model_bits",
    "bops",
)  # metrics of widths alone; a latency stands in a table


@spec_dataclass
class LayerWidths:
    """One layer at the widths it was assigned.

    Attributes
    ----------
    weight_bits : int or None
        Width of the weight operand (of the weight tensor, where that stands in); None where data
        only moves.
    input_bits, output_bits : int
    bops : float
    latency_s : float or None
        None without a latency table.
    costs : mapping of str to float
        Of one's own, by name.
    """

    name: Name
    weight_bits: Bits | None
    input_bits: Bits
    output_bits: Bits
    bops: Amount
    latency_s: Amount | None
    costs: Mapping[Name, Amount] = field(default_factory=dict)


@spec_dataclass
class Assignment(ResultFile):
    """Widths for a network, with their metrics and their proof.

    Attributes
    ----------
    problem : Problem
        Its platform is of no account.
    latency_table : mapping or None
        By layer, ``{(weight_bits, input_bits): seconds}``; see `codesign.problem.latency_table`.
    costs : mapping
        By name, tables of costs of one's own, of the same form.
    tensor_bits : mapping of str to int
        Width of every activation tensor, the network's results included.
    layer_widths : tuple of LayerWidths
    metrics : mapping of str to float
        ``noise``, ``model_bits``, ``bops``; with a latency table ``latency_s``, and
        ``cost:NAME`` of each cost.
    proof : ProofRecord
    solver : AssignmentRecord
    """

    problem: Problem
    latency_table: LatencyTable | None
    tensor_bits: Mapping[Name, Bits]
    layer_widths: tuple[LayerWidths, ...]
    metrics: Mapping[Name, Amount]
    proof: ProofRecord
    solver: AssignmentRecord
    costs: Mapping[Name, CostTable] = field(default_factory=dict)

    FORMAT = "codesign-assignment/1"

    def __post_init__(self) -> None:
        if self.latency_table is not None:
            check_cost(self.problem, self.latency_table)
        for name, table in self.costs.items():
            check_cost(self.problem, table, cost_title(name))
        check_names("tensor_bits", self.network.tensors, self.tensor_bits)
        check_layers(self.network, [row.name for row in self.layer_widths])
        timed = self.latency_table is not None
        expected = {*WIDTH_METRICS, *(("latency_s",) if timed else ())}
        expected |= {COST + name for name in self.costs}
        if set(self.metrics) != expected:
            raise SpecError(f"metrics: must be {', '.join(sorted(expected))}")
        for layer, row in zip(self.network.layers, self.layer_widths, strict=True):
            self._check_row(layer, row, timed)

    def _check_row(self, layer: Layer, row: LayerWidths, timed: bool) -> None:
        where = f"layers ({row.name!r})"
        check_known(row.name, "weight_bits", row.weight_bits, not layer.moves, MOVES_ONLY)
        why_not = "not known without a latency table"
        check_known(row.name, "latency_s", row.latency_s, timed, why_not)
        if {*row.costs} != {*self.costs}:
            raise SpecError(f"{where}.costs: must be {', '.join(self.costs) or 'none'}")
        stored = self.tensor_bits[layer.input], self.tensor_bits[layer.output]
        if stored != (row.input_bits, row.output_bits):
            raise SpecError(f"{where}: its widths are not those of tensor_bits")

    @property
    def network(self) -> Network:
        """The network of the problem."""
        return self.problem.network

    @cached_property
    def widths(self) -> dict[str, int]:
        """Every width, by ``"weight:<layer>"`` or ``"tensor:<tensor>"``, as `evaluate` takes it."""
        return all_widths(self.network, self.layer_widths, self.tensor_bits)

    @property
    @done_by("results.tables:widths_frame")
    def layers(self) -> pd.DataFrame:
        """One row per layer: widths, MACs, weights, bit operations, latency (s) if known, costs."""

    def save_csv(self, path: str | Path) -> None:
        """Write `layers` as CSV, whole or not at all.

        Raises
        ------
        SpecError
            The file cannot be written.
        """
        write_atomically(Path(path), self.layers.to_csv(lineterminator="\n"))

    def to_dict(self) -> dict[str, Any]:
        """The content of the assignment's file."""
        problem = problem_to_dict(self.problem)
        kept = {key: problem[key] for key in PROBLEM_KEYS}
        kept["choices"] = {key: problem["choices"][key] for key in CHOICES_KEYS}
        table, costs = self.latency_table, self.costs
        content = {
            "format": self.FORMAT,
            "problem": kept,
            "latency_table": None if table is None else _table_content(table),
            **(
                {"costs": {name: _table_content(each) for name, each in costs.items()}}
                if costs
                else {}
            ),
            "tensor_bits": dict(self.tensor_bits),
            "layers": [
                {key: value for key, value in asdict(row).items() if key != "costs" or value}
                for row in self.layer_widths
            ],
            "metrics": dict(self.metrics),
            "proof": asdict(self.proof),
            "solver": asdict(self.solver),
        }
        return with_digest(content)

    @classmethod
    def from_dict(cls, data: Any, where: str) -> Self:
        """An assignment from the content of its file; errors as of `ResultFile.from_dict`."""
        content = read_content(cls, ROWS, data, where)
        content["problem"] = _problem(content.get("problem"), f"{where}: problem")
        content["latency_table"] = _read_table(
            content.get("latency_table"), f"{where}: latency_table"
        )
        costs = content.get("costs", {})
        if not isinstance(costs, Mapping):
            raise SpecError(f"{where}: costs: must be a table for each cost")
        content["costs"] = {
            name: _read_table(
                {} if table is None else table, f"{where}: costs.{name}", cost_title(name)
            )
            for name, table in costs.items()
        }
        return parse_content(cls, ROWS, content, where)


def _problem(data: Any, where: str) -> Problem:
    _check_keys(data, PROBLEM_KEYS, where)
    _check_keys(data["choices"], CHOICES_KEYS, f"{where}.choices")
    sensitivity = sensitivity_from_json(data["sensitivity"])
    return parse(Problem, {**data, "sensitivity": sensitivity}, where)


def _check_keys(data: Any, keys: tuple[str, ...], where: str) -> None:
    """Refuse a section that has not exactly these keys."""
    if not isinstance(data, Mapping):
        raise SpecError(f"{where}: missing")
    require_keys(data, keys, where)
    for key in data:
        if key not in keys:
            raise SpecError(f"{where}.{key}: unknown key (known: {', '.join(keys)})")


def _table_content(table: CostTable) -> dict[str, dict[str, float]]:
    return {name: {write_pair(p): x for p, x in row.items()} for name, row in table.items()}


def _read_table(
    data: Any, where: str, what: str = LATENCY
) -> dict[str, dict[WidthPair, float]] | None:
    if data is None:
        return None
    if not isinstance(data, Mapping):
        raise SpecError(f"{where}: must be a table for each layer, or null")
    column, most = most_of(what)
    table: dict[str, dict[WidthPair, float]] = {}
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
