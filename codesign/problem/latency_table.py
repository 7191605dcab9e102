"""Tables of latency, or of any cost that adds up: what each layer takes at each pair of widths.

As CSV, one row for each layer and pair of widths, the columns in any order, lines that start with
``#`` left out::

    layer,weight_bits,activation_bits,latency_s
    conv1,8,8,0.000113
    conv1,4,8,0.000061

``activation_bits`` is the width of the layer's input tensor. Of a product of two activations
``weight_bits`` is the width of the tensor that stands in for the weights. A layer that only moves
data has no weights: its ``weight_bits`` stay empty; without any row it takes no time.

A table of a user-defined cost, an energy, a size, another count of operations, is the same with a
column ``value`` for ``latency_s``, in whatever unit.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import product
from pathlib import Path

from codesign.errors import SpecError, first_few
from codesign.files import expecting
from codesign.problem.problem import Problem
from codesign.specs.csv_tables import read_amount, read_rows, read_width
from codesign.specs.network import Layer
from codesign.specs.schema import nearest

WidthPair = tuple[int | None, int]  # widths of the weight operand and of the input
CostTable = Mapping[str, Mapping[WidthPair, float]]  # by layer
LatencyTable = CostTable  # seconds, for the whole batch

KEYS = ("layer", "weight_bits", "activation_bits")
MOST_SECONDS = 1e9
MOST_COST = 1e15
LATENCY = "latency table"


def most_of(what: str) -> tuple[str, float]:
    """The column of values of a table, and their most; ``what`` it is called in messages."""
    return ("latency_s", MOST_SECONDS) if what == LATENCY else ("value", MOST_COST)


def cost_title(name: str) -> str:
    """What the table of a cost is called in messages."""
    return f"table of cost {name!r}"


def read_cost(path: str | Path, what: str = LATENCY) -> dict[str, dict[WidthPair, float]]:
    """A table of latency, or of the cost ``what`` says, from a CSV file; see the module's text.

    Whether it has every entry depends on the problem: `check_cost`.

    Raises
    ------
    SpecError
        Unreadable, unknown columns, no width or no value where one should be, or an entry given
        twice.
    """
    with expecting(Path(path), "latency"):
        return _read(Path(path), what)


def _read(path: Path, what: str) -> dict[str, dict[WidthPair, float]]:
    if path.suffix.lower() != ".csv":
        raise SpecError(f"{path}: a {what} ends in .csv")
    column, most = most_of(what)
    table: dict[str, dict[WidthPair, float]] = {}
    for where, cells in read_rows(path, (*KEYS, column), "layer"):
        if not cells["layer"]:
            raise SpecError(f"{where}: layer is empty")
        pair = read_pair(cells["weight_bits"], cells["activation_bits"], where)
        row = table.setdefault(cells["layer"], {})
        if pair in row:
            raise SpecError(f"{where}: {_entry(cells['layer'], pair)} is given twice")
        row[pair] = read_amount(column, cells[column], most, where)
    if not table:
        raise SpecError(f"{path}: a table without entries")
    return table


def read_pair(weight_bits: str, activation_bits: str, where: str) -> WidthPair:
    """Two widths as they are written, the first one empty where there is no weight operand.

    Raises
    ------
    SpecError
        Naming ``where``.
    """
    weight = None if weight_bits == "" else read_width("weight_bits", weight_bits, where)
    return weight, read_width("activation_bits", activation_bits, where)


def write_pair(pair: WidthPair) -> str:
    """``4,8``: the two widths as `read_pair` reads them, with a comma between."""
    weight_bits, activation_bits = pair
    return f"{'' if weight_bits is None else weight_bits},{activation_bits}"


def needed_pairs(problem: Problem, layer: Layer) -> tuple[WidthPair, ...]:
    """Pairs of widths that a layer of a problem may run at."""
    source = f"tensor:{layer.input}"
    ifmap = problem.allowed_bits(source)
    if layer.moves:
        return tuple((None, bits) for bits in ifmap)
    if problem.share_width(source, layer.weight_source):
        return tuple((bits, bits) for bits in ifmap)
    return tuple(product(problem.allowed_bits(layer.weight_source), ifmap))


def check_cost(problem: Problem, table: CostTable, what: str = LATENCY) -> None:
    """Refuse a table that lacks entries, or has wrong ones or some for what is no layer.

    Entries at widths that the problem does not offer are ignored.

    Raises
    ------
    SpecError
        Naming what is unknown or wrong, or the first missing entries and how many there are.
    """
    column, most = most_of(what)
    layers = {layer.name: layer for layer in problem.network.layers}
    for name, row in table.items():
        if name not in layers:
            raise SpecError(f"{what}: unknown layer {name!r}{nearest(name, (*layers,))}")
        for pair, value in row.items():
            if (pair[0] is None) != layers[name].moves:
                fault = "moves data only, so it has no" if layers[name].moves else "needs"
                raise SpecError(f"{what}: layer {name!r} {fault} weight_bits")
            read_amount(column, value, most, f"{what}: {_entry(name, pair)}")
    missing = [
        _entry(layer.name, pair)
        for layer in problem.network.layers
        if layer.name in table or not layer.moves
        for pair in needed_pairs(problem, layer)
        if pair not in table.get(layer.name, {})
    ]
    if missing:
        raise SpecError(f"{what}: no value for {first_few(missing)}")


def without_fixed(
    problem: Problem, table: CostTable, fixed: Collection[str]
) -> dict[str, Mapping[WidthPair, float]]:
    """A table in which layers that it leaves out, because their weights are fixed, cost 0.

    Parameters
    ----------
    fixed : collection of str
        Weights and tensors of a fixed width; of a tensor those layers count that have it in place
        of their weights.
    """
    found = dict(table)
    for layer in problem.network.layers:
        if layer.weight_source in fixed and not layer.moves and layer.name not in table:
            found[layer.name] = dict.fromkeys(needed_pairs(problem, layer), 0.0)
    return found


def value_of(table: CostTable, layer: Layer, pair: WidthPair) -> float:
    """What a layer takes at a pair of widths; 0 of a movement that the table leaves out."""
    if layer.moves and layer.name not in table:
        return 0.0
    return float(table[layer.name][pair])


def _entry(name: str, pair: WidthPair) -> str:
    weight_bits, activation_bits = pair
    if weight_bits is None:
        return f"{name!r} at {activation_bits} bit"
    return f"{name!r} at {weight_bits} × {activation_bits} bit"
