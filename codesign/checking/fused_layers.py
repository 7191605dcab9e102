"""The figures of layers that are fused: one need, one roof, and of each its own part.

A run takes as long as all its cycles or all its DRAM bits, whichever is longer, and what of the
other does not overlap. Its layers' rows
hold their own cycles, bits and times; their latencies are those of the run's roof, and so add up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from codesign.checking.fusion import FusedRun, moves_nothing, run_need
from codesign.checking.layer_rows import LayerRow, Totals

ORDER = "pkc"  # an output row at a time, with all its channels


def check_fused(run: FusedRun, every: Sequence[LayerRow]) -> Totals:
    """Compare the figures of the layers of a run, among the rows of all; what they add up to."""
    rows = {n: every[n] for n in run.layers}
    network, any_row = rows[run.layers.start].network, rows[run.layers.start]
    weight_bits = {n: row.check_operands() for n, row in rows.items()}
    psum_bits = {n: row.psum_bits(weight_bits[n]) for n, row in rows.items()}
    bits = (weight_bits, psum_bits, any_row.tensor_bits)
    need = run_need(network, run, *bits, any_row.resident)
    own = []
    for n, row in rows.items():
        _check_tile(row)
        row.check_need(need)
        moved = _moved(run, n, row, weight_bits[n])
        row.check_traffic(moved)
        own.append((row.check_cycles(weight_bits[n]), sum(moved.values())))
    dram_bits = sum(bits for _, bits in own)
    together = any_row.times(sum((x for x, _ in own), Fraction(0)), dram_bits)
    for row, (compute_s, bits_moved) in zip(rows.values(), own, strict=True):
        mine = row.times(compute_s, bits_moved)
        row.check_times(mine, mine.under(together.roof), together.roof)
    return Totals(together.latency_s, dram_bits, tuple(weight_bits.values()))


def _check_tile(row: LayerRow) -> None:
    """An output row of one image, with all that it takes; older files leave out its columns."""
    layer, entry = row.layer, row.entry
    right = {"g": layer.G, "k": layer.K, "c": layer.C, "p": 1, "q": layer.Q, "images": 1}
    given = entry["tile"]
    if given.get("q", None).value is None:
        del right["q"]
    given.known_keys(right)
    for part, size in right.items():
        entry.ledger.same(f"{given.where}.{part}", given[part].value, size)
    entry.ledger.same(f"{entry.where}.order", entry["order"].value, ORDER)


def _moved(run: FusedRun, n: int, row: LayerRow, weight_bits: int) -> Mapping[str, int]:
    """DRAM bits of each kind that a layer of a run moves."""
    layer, network = row.layer, row.network

    def moved(name: str) -> int:
        there = moves_nothing(network, run, n, name)
        return 0 if there else network.touched(layer, name) * row.moved_bits(name)

    is_head = n == run.layers.start
    return {
        "weights": layer.weights * weight_bits,
        "ifmap": layer.ifmap * row.moved_bits(layer.input) if is_head else 0,
        "output": moved(layer.output),
        "psum": 0,
        "residual": sum(map(moved, layer.residuals)),
    }
