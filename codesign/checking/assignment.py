"""An assignment file: its widths, layers, totals and proof against its own question."""

from __future__ import annotations

from fractions import Fraction

from codesign.checking.cost_model import bops
from codesign.checking.digest import check_digest
from codesign.checking.entries import Entry
from codesign.checking.layers import total_noise
from codesign.checking.network import Layer, Network, read_network
from codesign.checking.width_problem import (
    WIDTH_CHOICES,
    Question,
    WidthChoices,
    check_question,
    read_budgets,
    read_sensitivity,
    read_width_choices,
)
from codesign.checking.widths import (
    check_metrics,
    check_proof,
    check_tensor_bits,
    check_weight_bits,
)

FORMAT = "codesign-assignment/1"
KEYS = (
    *("format", "problem", "latency_table", "tensor_bits", "layers", "metrics", "proof", "solver"),
    *("costs", "sha256"),
)
QUESTION = ("network", "choices", "sensitivity", "quality", "objective", "budgets")
ROW = ("name", "weight_bits", "input_bits", "output_bits", "bops", "latency_s", "costs")
TIMES = ("seconds", "solver_s")
KNOWN = ("noise", "model_bits", "bops")  # metrics of widths alone; a latency stands in a table

COST = "cost:"  # before the name of a cost of one's own

Table = dict[str, dict[str, Fraction]]  # a value by layer and "weight_bits,input_bits"


def check_assignment(file: Entry) -> None:
    """Compare every figure of an assignment file.

    Raises
    ------
    Unreadable
        Something is so wrong that the rest cannot be compared; the findings say what.
    """
    file.known_keys(KEYS)
    timed = file["latency_table"].value is not None
    given = file.get("costs", {}).table()
    metrics = (*KNOWN, *(["latency_s"] if timed else []), *(COST + name for name in given))
    question = _read_question(file["problem"], metrics)
    latencies = _read_table(file["latency_table"], question) if timed else None
    costs = {name: _read_table(entry, question) for name, entry in given.items()}
    check_proof(file["proof"], file["metrics"], question.objective, file["solver"])
    _check_solver(file["solver"])
    tensor_bits = check_tensor_bits(file["tensor_bits"], question)
    entries = file["layers"].items()
    layers = question.network.layers
    if [entry["name"].text() for entry in entries] != [layer.name for layer in layers]:
        file["layers"].fault("one row for each layer of the network, in its order")
    rows = [
        _check_row(entry, layer, tensor_bits, latencies)
        for entry, layer in zip(entries, layers, strict=True)
    ]
    weight_bits = {
        f"weight:{layer.name}": bits
        for layer, (bits, _, _) in zip(layers, rows, strict=True)
        if layer.owns_weights
    }
    check_weight_bits(file["layers"], question, weight_bits, tensor_bits)
    expected = {
        "noise": total_noise(question.network, weight_bits, tensor_bits, question.noise_of),
        "model_bits": _model_bits(question.network, weight_bits),
        "bops": sum((each for _, each, _ in rows), Fraction(0)),
    }
    if timed:
        expected["latency_s"] = sum((each for _, _, each in rows), Fraction(0))
    for entry in entries:
        entry.get("costs", {}).known_keys(costs)
    for name, table in costs.items():
        values = [
            _check_value(entry.get("costs", {})[name], table, layer, row[0], tensor_bits)
            for entry, layer, row in zip(entries, layers, rows, strict=True)
        ]
        expected[COST + name] = sum(values, Fraction(0))
    check_metrics(file["metrics"], expected, question)
    check_digest(file)


def _read_question(entry: Entry, metrics: tuple[str, ...]) -> Question:
    entry.known_keys(QUESTION)
    network, choices = read_network(entry["network"]), entry["choices"]
    choices.known_keys(WIDTH_CHOICES)
    question = Question(
        network=network,
        choices=WidthChoices(**read_width_choices(choices, network)),
        sensitivity=read_sensitivity(entry["sensitivity"]),
        objective=entry["objective"].text(metrics),
        budgets=read_budgets(entry["budgets"], metrics),
    )
    check_question(question, entry)
    return question


def _read_table(entry: Entry, question: Question) -> Table:
    """A table of latency or of a cost, which has what every layer may take."""
    entry.known_keys([layer.name for layer in question.network.layers])
    table: Table = {
        name: {pair: value.number(least=0) for pair, value in row.table().items()}
        for name, row in entry.table().items()
    }
    for layer in question.network.layers:
        if layer.moves and layer.name not in table:
            continue  # takes no time
        row = table.get(layer.name, {})
        for pair in _pairs(layer, question):
            if pair not in row:
                entry.ledger.wrong(f"{entry.where}.{layer.name}", None, f"a value at {pair} bit")
    return table


def _pairs(layer: Layer, question: Question) -> list[str]:
    """Widths that a layer may run at, as the table of latency has them."""
    source = f"tensor:{layer.input}"
    inputs = question.allowed(source)
    if layer.moves:
        return [f",{ba}" for ba in inputs]
    operand = layer.weight_tensor
    weight = f"weight:{layer.name}" if operand is None else f"tensor:{operand}"
    common = any({source, weight} <= {*members} for members in question.classes)
    return [
        f"{bw},{ba}" for bw in question.allowed(weight) for ba in inputs if bw == ba or not common
    ]


def _check_row(
    entry: Entry, layer: Layer, tensor_bits: dict[str, int], latencies: Table | None
) -> tuple[int, Fraction, Fraction]:
    """Compare the figures of a layer; its weights' width (0: none), bit operations, latency."""
    ledger, where, given = entry.ledger, entry.where, entry["weight_bits"]
    entry.known_keys(ROW)
    if layer.moves:
        ledger.same(given.where, given.value, None)
    bw = 0 if layer.moves else given.whole(1, 1024)
    if layer.weight_tensor is not None:
        ledger.same(given.where, bw, tensor_bits[layer.weight_tensor])
    ba = tensor_bits[layer.input]
    ledger.same(f"{where}.input_bits", entry["input_bits"].value, ba)
    output_bits = tensor_bits[layer.output]
    ledger.same(f"{where}.output_bits", entry["output_bits"].value, output_bits)
    done = bops(layer, bw, ba)
    ledger.close(f"{where}.bops", entry["bops"].figure(), done)
    latency_s = Fraction(0)
    if latencies is None:
        ledger.same(f"{where}.latency_s", entry["latency_s"].value, None)
    else:
        latency_s = _check_value(entry["latency_s"], latencies, layer, bw, tensor_bits)
    return bw, done, latency_s


def _check_value(
    entry: Entry, table: Table, layer: Layer, bw: int, tensor_bits: dict[str, int]
) -> Fraction:
    """Compare a layer's latency or cost; what its table says at the layer's widths."""
    pair = f"{bw or ''},{tensor_bits[layer.input]}"
    value, found = table.get(layer.name, {}).get(pair, Fraction(0)), entry.figure()
    entry.ledger.holds(entry.where, found == value, found, f"the table's at {pair} bit")
    return value


def _model_bits(network: Network, weight_bits: dict[str, int]) -> Fraction:
    owned = (layer for layer in network.layers if layer.owns_weights)
    return Fraction(sum(x.weights * weight_bits[f"weight:{x.name}"] for x in owned))


def _check_solver(entry: Entry) -> None:
    entry.known_keys(("name", "version", *TIMES, "programmes", "interrupted"))
    entry["name"].text(), entry["version"].text()
    for time in TIMES:
        entry[time].figure()
    entry["programmes"].whole(0)
    entry.get("interrupted", False).flag()
