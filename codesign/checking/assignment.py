"""An assignment file: its widths, layers, totals and proof against its own problem."""

from __future__ import annotations

from fractions import Fraction

from codesign.checking.cost_model import bops
from codesign.checking.digest import TIMES, check_digest
from codesign.checking.entries import Entry
from codesign.checking.network import Layer, read_network
from codesign.checking.proof import check_proof, check_solver
from codesign.checking.width_problem import (
    WIDTH_CHOICES,
    WidthChoices,
    WidthProblem,
    check_width_problem,
    read_budgets,
    read_sensitivity,
    read_width_choices,
)
from codesign.checking.widths import (
    check_metrics,
    check_operand_bits,
    check_shared_weights,
    check_tensor_bits,
    check_weight_bits,
    read_rows,
    width_metrics,
)

FORMAT = "codesign-assignment/1"
KEYS = (
    *("format", "problem", "latency_table", "tensor_bits", "layers", "metrics", "proof", "solver"),
    *("costs", "sha256"),
)
PROBLEM = ("network", "choices", "sensitivity", "quality", "objective", "budgets")
ROW = ("name", "weight_bits", "input_bits", "output_bits", "bops", "latency_s", "costs")
OF_WIDTHS = ("noise", "model_bits", "bops")  # metrics of widths alone; all others are of tables
COST = "cost:"  # before the name of a user-defined cost

Table = dict[str, dict[str, Fraction]]  # a value by layer and "weight_bits,input_bits"


def check_assignment(file: Entry) -> None:
    """Compare every figure of an assignment file."""
    file.known_keys(KEYS)
    costs = file.get("costs", {}).table()
    given = {"latency_s": file["latency_table"]} | {COST + name: x for name, x in costs.items()}
    given = {name: entry for name, entry in given.items() if entry.value is not None}
    problem = _read_problem(file["problem"], (*OF_WIDTHS, *given))
    tables = {name: _read_table(entry, problem) for name, entry in given.items()}
    check_proof(file["proof"], file["metrics"], problem.objective, file["solver"])
    check_solver(file["solver"], TIMES, ("programmes",))
    tensor_bits = check_tensor_bits(file["tensor_bits"], problem)
    rows = read_rows(file["layers"], problem.network)
    operand_bits = [_check_widths(entry, layer, tensor_bits) for layer, entry in rows]
    totals = dict.fromkeys(tables, Fraction(0))
    for (layer, entry), bw in zip(rows, operand_bits, strict=True):
        costs_of = entry.get("costs", {})
        costs_of.known_keys(costs)
        if "latency_s" not in tables:
            file.ledger.same(f"{entry.where}.latency_s", entry["latency_s"].value, None)
        pair = f"{bw or ''},{tensor_bits[layer.input]}"
        for name, table in tables.items():
            own = costs_of[name.removeprefix(COST)] if name != "latency_s" else entry[name]
            value, found = table.get(layer.name, {}).get(pair, Fraction(0)), own.figure()
            file.ledger.holds(own.where, found == value, found, f"the table's at {pair} bit")
            totals[name] += value
    check_shared_weights(file["layers"], problem.network, operand_bits)
    check_weight_bits(file["layers"], problem, operand_bits, tensor_bits)
    expected = width_metrics(problem.network, operand_bits, tensor_bits, problem.noise_of)
    check_metrics(file["metrics"], expected | totals, problem)
    check_digest(file)


def _read_problem(entry: Entry, metrics: tuple[str, ...]) -> WidthProblem:
    entry.known_keys(PROBLEM)
    network, choices = read_network(entry["network"]), entry["choices"]
    choices.known_keys(WIDTH_CHOICES)
    problem = WidthProblem(
        network=network,
        choices=WidthChoices(**read_width_choices(choices, network)),
        sensitivity=read_sensitivity(entry["sensitivity"]),
        objective=entry["objective"].text(metrics),
        budgets=read_budgets(entry["budgets"], metrics),
    )
    check_width_problem(problem, entry)
    return problem


def _read_table(entry: Entry, problem: WidthProblem) -> Table:
    """A table of latency or of a cost, which has what every layer may take."""
    entry.known_keys([layer.name for layer in problem.network.layers])
    table: Table = {
        name: {pair: value.number(least=0) for pair, value in row.table().items()}
        for name, row in entry.table().items()
    }
    for layer in problem.network.layers:
        if layer.moves and layer.name not in table:
            continue  # takes no time
        row = table.get(layer.name, {})
        for pair in _pairs(layer, problem):
            if pair not in row:
                entry.ledger.wrong(f"{entry.where}.{layer.name}", None, f"a value at {pair} bit")
    return table


def _pairs(layer: Layer, problem: WidthProblem) -> list[str]:
    """Widths that a layer may run at, as the table of latency has them."""
    source = f"tensor:{layer.input}"
    inputs = problem.allowed(source)
    if layer.moves:
        return [f",{ba}" for ba in inputs]
    weight = layer.weight_source
    assert weight is not None
    common = any({source, weight} <= {*members} for members in problem.classes)
    return [
        f"{bw},{ba}" for bw in problem.allowed(weight) for ba in inputs if bw == ba or not common
    ]


def _check_widths(entry: Entry, layer: Layer, tensor_bits: dict[str, int]) -> int:
    """Compare what the widths of a layer decide; that of its weight operand, 0 for none."""
    ledger, where = entry.ledger, entry.where
    entry.known_keys(ROW)
    bw, ba = check_operand_bits(entry, layer, tensor_bits), tensor_bits[layer.input]
    ledger.same(f"{where}.input_bits", entry["input_bits"].value, ba)
    output_bits = tensor_bits[layer.output]
    ledger.same(f"{where}.output_bits", entry["output_bits"].value, output_bits)
    ledger.close(f"{where}.bops", entry["bops"].figure(), bops(layer, bw, ba))
    return bw
