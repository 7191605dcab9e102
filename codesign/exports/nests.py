"""Tile loops of a layer as a nest of statements, and as pseudo-code.

A nest is a list of statements, each a mapping of one kind:

    {"for": loop, "of": size, "step": tile, "trips": n, "do": [...]}   the last trip may be smaller
    {"fetch": "weights" or "ifmap"}          the tile at hand, from DRAM
    {"reload": "psum", "unless first": loops}   partial sums that were spilled
    {"compute": true}                        the tile at hand, all its cycles
    {"spill": "psum", "unless last": loops}  partial sums to DRAM
    {"add": names, "when last": loops}       residuals to finished outputs
    {"store": "output", "to": "dram" or "chip", "when last": loops}
    {"take": "ifmap", "rows": n}             of a stage of a pipeline: rows that arrive
    {"stream": "weights"}                    likewise: all of them, from DRAM
    {"pass": "output"}                       likewise: to its readers

Outputs are stored at the width of their tensor, after a pooling that is fused. Loops are those of
the tile: groups ``g``, output channels ``k``, input channels ``c``, images ``n``, output rows ``p``
and columns ``q``. Groups are outermost; the other three run in the layer's order, in which ``p`` of
the order stands for images, rows and columns. An operand is fetched inside the innermost loop that
it depends on and that has more than one trip: in loops further in it stays.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from codesign.costs.compute import ceil_div
from codesign.costs.layer_row import LayerDesign
from codesign.results.text.layout import counted
from codesign.specs.layer import Layer

Statement = dict[str, Any]
DEPENDS = {"weights": "gkc", "ifmap": "gcnpq", "psum": "gknpq"}
LOOPS = {"g": ("g", "G"), "k": ("k", "K"), "c": ("c", "C")}
PIXELS = {"n": ("images", "N"), "p": ("p", "P"), "q": ("q", "Q")}


def loops_of(layer: Layer, row: LayerDesign) -> list[Statement]:
    """The tile loops, outermost first, those of one trip too; without what they do."""
    assert row.tile is not None
    assert row.order is not None
    sizes = row.tile.sizes(layer)
    names = ["g"]
    for letter in row.order:
        names += [*PIXELS] if letter == "p" else [letter]
    found = []
    for name in names:
        part, size = (LOOPS | PIXELS)[name]
        step, of = sizes[part], getattr(layer, size)
        found.append({"for": name, "of": of, "step": step, "trips": ceil_div(of, step)})
    return found


def nest_of(layer: Layer, row: LayerDesign, in_dram: Sequence[str]) -> list[Statement]:
    """The statements of a layer.

    Parameters
    ----------
    in_dram : sequence of str
        Of "weights", "ifmap" and "output" those that are fetched from DRAM, or stored there; the
        others are on chip.
    """
    loops = [loop for loop in loops_of(layer, row) if loop["trips"] > 1]
    depth = {
        operand: max((n for n, loop in enumerate(loops, 1) if loop["for"] in which), default=0)
        for operand, which in DEPENDS.items()
    }
    again = [loop["for"] for loop in loops[: depth["psum"]] if loop["for"] == "c"]
    finish: list[Statement] = []
    if layer.residuals:
        finish.append({"add": list(layer.residuals), "when last": again})
    to = "dram" if "output" in in_dram else "chip"
    finish.append({"store": "output", "to": to, "when last": again})
    body: list[Statement] = [{"compute": True}]
    for n in reversed(range(len(loops) + 1)):
        body = _at(n, depth, in_dram, again, body, finish)
        body = [{**loops[n - 1], "do": body}] if n else body
    return body


def _at(
    level: int,
    depth: dict[str, int],
    in_dram: Sequence[str],
    again: list[str],
    inner: list[Statement],
    finish: list[Statement],
) -> list[Statement]:
    """What is done at a level, around what is done further in.

    Parameters
    ----------
    again : list of str
        Loops that come back to partial sums which were spilled.
    finish : list of statements
        Of outputs that are whole.
    """
    before: list[Statement] = [
        {"fetch": operand}
        for operand in ("weights", "ifmap")
        if depth[operand] == level and operand in in_dram
    ]
    after: list[Statement] = []
    if depth["psum"] == level:
        if again:
            before.append({"reload": "psum", "unless first": again})
            after.append({"spill": "psum", "unless last": again})
        after += finish
    return [*before, *inner, *after]


def nest_text(nest: Sequence[Statement], cycles: int, tile: str = "tile") -> list[str]:
    """The statements as lines of pseudo-code; ``cycles`` of all tiles (bands, say) together."""
    return [*_lines(nest, 0, cycles, _tiles(nest), tile)]


def _tiles(nest: Sequence[Statement]) -> int:
    """How many tiles are computed."""
    counts = [each["trips"] * _tiles(each["do"]) for each in nest if "for" in each]
    return math.prod(counts)


def _lines(
    nest: Sequence[Statement], depth: int, cycles: int, tiles: int, tile: str
) -> Iterator[str]:
    indent = "  " * depth
    for each in nest:
        if "for" in each:
            name, of, step = each["for"], each["of"], each["step"]
            yield f"{indent}for {name} in 0 to {of - 1} step {step}:  # {each['trips']} trips"
            yield from _lines(each["do"], depth + 1, cycles, tiles, tile)
        elif "fetch" in each:
            yield f"{indent}fetch the tile of {each['fetch']} from DRAM"
        elif "reload" in each:
            first = " or ".join(f"{x} > 0" for x in each["unless first"])
            yield f"{indent}if {first}: reload partial sums from DRAM"
        elif "compute" in each:
            what = f"{cycles:,} cycles" if tiles == 1 else f"{cycles:,} cycles in {tiles:,} {tile}s"
            yield f"{indent}compute the {tile}  # {what}"
        elif "take" in each:
            yield f"{indent}take in {counted(each['rows'], 'row')} of the {each['take']}"
        elif "stream" in each:
            yield f"{indent}stream all {each['stream']} from DRAM"
        elif "pass" in each:
            yield f"{indent}pass the {tile} of outputs on"
        elif "spill" in each:
            last = " or ".join(f"not the last {x}" for x in each["unless last"])
            yield f"{indent}if {last}: spill partial sums to DRAM"
        else:
            last = " and ".join(f"the last {x}" for x in each["when last"])
            what = "store the tile of outputs to DRAM"
            if "add" in each:
                what = f"add {counted(len(each['add']), 'residual')} to the {tile} of outputs"
            elif each["to"] == "chip":
                what = "keep the tile of outputs on chip"
            yield f"{indent}{f'if {last}: ' if last else ''}{what}"
