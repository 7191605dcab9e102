"""Pieces of a layer for mappers: alike tiles that add up to the layer and to its traffic."""

from __future__ import annotations

import math
from itertools import product

import pytest
import yaml
from mapped_designs import NETWORKS, evaluation, random_evaluations

from codesign.costs.layer_row import LayerDesign, Tile, Traffic
from codesign.exports.mapped import Mapped
from codesign.exports.pieces import IRRELEVANT, OPERANDS, PIXELS, Piece, pieces
from codesign.exports.yaml_text import Tagged, yaml_text
from codesign.results.evaluation import Evaluation
from codesign.specs.layer import Layer

RANDOM = random_evaluations(0, 100)
DEPENDS = {"weights": "GKC", "ifmap": "GCNPQ", "output": "GKNPQ"}


def fetches(piece: Piece, operand: str) -> int:
    """Times that a tile of an operand comes: with every trip of a loop that it depends on, and of
    one it does not where a loop that it depends on runs inside."""
    count = 1
    for n, name in enumerate(piece.loops):
        if any(inner in DEPENDS[operand] for inner in piece.loops[n:]):
            count *= piece.trips[name]
    return count


def elements(piece: Piece) -> dict[str, int]:
    tile = piece.tile
    return {
        "weights": math.prod(tile[x] for x in "GKCRS"),
        "ifmap": math.prod(tile[x] for x in "NGC") * math.prod(piece.held),
        "output": math.prod(tile[x] for x in "NGKPQ"),
    }


def moved(found: list[Piece], operand: str) -> int:
    return sum(fetches(x, operand) * elements(x)[operand] for x in found if x.charged[operand])


@pytest.mark.parametrize(
    "result", [*RANDOM, *map(evaluation, NETWORKS), evaluation("vgg16", 200_000)]
)
def test_pieces_add_up(result: Evaluation) -> None:
    mapped = Mapped(result, "a test")
    for layer, row in mapped.layers:
        if layer.moves:
            continue
        found = pieces(layer, row)
        assert sum(math.prod(x.sizes.values()) for x in found) == layer.macs
        weights, ifmap, psum = mapped.widths(layer, row)
        assert moved(found, "weights") * weights == row.dram_bits.weights
        assert moved(found, "ifmap") * ifmap == row.dram_bits.ifmap
        assert 2 * (moved(found, "output") - layer.computed_outputs) * psum == row.dram_bits.psum


def test_tiles_of_pieces_are_those_of_the_layer() -> None:
    # 7 rows in tiles of 3: 3, 3, 1; of 9 rows with a halo of 2, the padding of 1 above and below
    layer = Layer(name="x", input="i", output="o", K=5, C=4, P=7, Q=7, R=3, S=3, H=7, W=7)
    tile = Tile(g=1, k=2, c=4, p=3, q=7, images=1)
    none = Traffic(weights=0, ifmap=0, output=0, psum=0, residual=0)
    unknown = dict.fromkeys(("cycles", "sram_bits", "memory_s", "latency_s", "bound_by"))
    given = {"name": "x", "weight_bits": 8, "tile": tile, "order": "kcp", "dram_bits": none}
    row = LayerDesign(**given, compute_s=1.0, **unknown)  # type: ignore[arg-type]
    found = pieces(layer, row)
    assert [(x.tile["K"], x.trips["K"], x.tile["P"], x.held) for x in found] == [
        *((2, 2, 3, (4, 7)), (2, 2, 3, (5, 7)), (2, 2, 1, (2, 7))),
        *((1, 1, 3, (4, 7)), (1, 1, 3, (5, 7)), (1, 1, 1, (2, 7))),
    ]
    # weights stay while rows pass; a loop of one trip over rows keeps the ifmap from staying
    assert [x.charged["weights"] for x in found] == [True, False, False] * 2
    assert {x.loops for x in found} == {("K", "Q")}


def test_a_walk_over_tiles_meets_each_operand_as_often() -> None:
    """Tile by tile in the order of the loops, an operand comes when its tile is another one."""
    for result in RANDOM[:40]:
        for layer, row in Mapped(result, "a test").layers:
            if layer.moves:
                continue
            whole = [x for x in pieces(layer, row) if min(x.trips[y] for y in x.loops or "R") > 1]
            for piece in whole:
                for operand in OPERANDS:
                    assert walked(piece, operand) == fetches(piece, operand)


def walked(piece: Piece, operand: str) -> int:
    count, last = 0, None
    for at in product(*(range(piece.trips[name]) for name in piece.loops)):
        tile = [n for n, name in zip(at, piece.loops, strict=True) if name in DEPENDS[operand]]
        count, last = count + (tile != last), tile
    return count


def test_an_operand_does_not_depend_on_one_loop() -> None:
    letters = {"k": "K", "c": "C", "p": PIXELS}
    for operand, loop in IRRELEVANT.items():
        assert not {*letters[loop]} & {*DEPENDS[operand]}


def test_yaml_is_read_back() -> None:
    content = {
        "plain": "C, 16",
        "no": ["no", "true", "1e3", "", "é: #", "a b ", "null", "N"],
        "numbers": [1, 1.5e-9, 1e20, 10**18, -0.0, True, None],
        "nested": [{"a": [[1, "x"], []], "b": {}}, [["K", 3], ["C", 4]], {"c": {"d": ["e" * 90]}}],
    }
    assert yaml.safe_load(yaml_text(content)) == content
    assert yaml_text([Tagged("Memory", {"name": "sram"})]) == "- !Memory\n  name: sram\n"
