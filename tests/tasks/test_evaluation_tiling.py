"""Given tilings: those chosen give what was chosen, and what is no tiling of a layer is refused."""

from __future__ import annotations

import json
import random
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from random_problems import random_network

from codesign import Accelerator, Evaluation, SpecError, check, evaluate, load_technology
from codesign.specs.network import Layer, Network
from codesign.tasks.given_tilings import FIGURES, NEEDED

CONV = Layer(name="conv", K=8, C=4, P=6, Q=6, H=6, W=6, R=3, S=3, input="image", output="a")
POOL = Layer(
    name="pool", K=8, C=8, P=3, Q=3, H=6, W=6, input="a", output="b", moves=True
)  # fmt: skip
FC = Layer(name="fc", K=10, C=72, N=1, input="b", output="out")
NETWORK = Network(
    name="tiny",
    layers=(CONV, POOL, FC),
    tensors={"image": 144, "a": 288, "b": 72, "out": 10},
)
CHAIN = {"image": 144, "a": 288, "out": 288}
CHIP = Accelerator(
    name="chip",
    rows=2,
    cols=3,
    engine=9,
    pe_weight_bits=8,
    pe_activation_bits=8,
    clock_hz=1e8,
    sram_bits=40_000,
    dram_bits_per_s=1e9,
)
BEST = evaluate(NETWORK, CHIP, on_chip="none")


def rows_of(result: Evaluation) -> dict[str, dict[str, Any]]:
    """The tilings of a result as its file has them."""
    return {
        row.name: {"tile": asdict(row.tile), "order": row.order}
        for row in result.layer_designs
        if row.tile is not None
    }


def tiling(layer: str = "conv", order: str = "kcp", **parts: int) -> dict[str, Any]:
    """A given tiling of one layer: all output columns, other parts of its tile as they are best."""
    tile = rows_of(BEST)[layer]["tile"]
    whole = {"q": next(x.Q for x in NETWORK.layers if x.name == layer)} if "q" in tile else {}
    return {layer: {"tile": tile | whole | parts, "order": order}}


def random_question(seed: int) -> tuple[Network, Accelerator]:
    rng = random.Random(f"given tilings {seed}")
    network = random_network(rng, layers=rng.choice((1, 2, 3)))
    mapping = rng.choice((("window",), ("im2col",), ("output",)))
    accelerator = Accelerator(
        name="random",
        rows=rng.choice((1, 2, 3, 4)),
        cols=rng.choice((1, 2, 3, 4)),
        engine=rng.choice((9, 4, 1)),
        pe_weight_bits=8,
        pe_activation_bits=8,
        clock_hz=10 ** rng.uniform(6, 9),
        dram_bits_per_s=rng.choice((None, 10 ** rng.uniform(8, 10))),
        sram_bits=10**6,
        mapping=mapping,
        fill_cycles=rng.random() < 0.3,
        weight_load=rng.random() < 0.3,
    )
    for sram_bits in (500, 1000, 2000, 4000, 8000, 16_000, 64_000):
        tight = replace(accelerator, sram_bits=sram_bits)
        try:
            evaluate(network, tight, on_chip="none")
        except SpecError:
            continue
        return network, tight
    return network, accelerator


# --- what was chosen, given ---------------------------------------------------------------------


@pytest.mark.parametrize("on_chip", ["none", "tensors"])
@pytest.mark.parametrize("seed", range(20))
def test_tiles_that_are_best_give_the_same_figures(on_chip: Any, seed: int) -> None:
    network, accelerator = random_question(seed)
    best = evaluate(network, accelerator, on_chip=on_chip)
    given = evaluate(network, accelerator, on_chip=on_chip, tiling=best)
    assert given.metrics == best.metrics
    if on_chip == "none":
        assert given.layer_designs == best.layer_designs
    assert given == evaluate(network, accelerator, on_chip=on_chip, tiling=rows_of(best))


def test_tiles_are_read_from_files_of_results(tmp_path: Path) -> None:
    given = evaluate(NETWORK, CHIP, on_chip="none", tiling=BEST)
    assert given.layer_designs == BEST.layer_designs
    BEST.save(tmp_path / "best.json")
    BEST.layers.to_csv(tmp_path / "best.csv")
    for name in ("best.json", "best.csv"):
        assert evaluate(NETWORK, CHIP, on_chip="none", tiling=tmp_path / name) == given


def test_every_column_of_a_table_of_layers_is_known(tmp_path: Path) -> None:
    """Of a result with all that a table can tell, and of one with fused layers."""
    up = replace(CONV, name="up", C=8, P=12, Q=12, H=6, W=6, input_dilation=2, input="a")
    up = replace(up, output="out")
    network = Network(
        name="up", layers=(CONV, up), tensors={"image": 144, "a": 288, "out": 8 * 144}
    )
    machine = {"mapping": ("im2col",), "sram_bits_per_cycle": 64, "dram_energy_j_per_bit": 2e-11}
    chip = replace(CHIP, **machine, technology=load_technology("tsmc28"))
    best = evaluate(network, chip)
    best.layers.to_csv(tmp_path / "tiles.csv")
    again = evaluate(network, chip, places=best.on_chip, tiling=tmp_path / "tiles.csv")
    assert again.metrics == pytest.approx(best.metrics, rel=1e-12)
    two = Network(name="two", layers=(CONV, replace(up, P=6, Q=6, input_dilation=1)), tensors=CHAIN)
    fused = evaluate(two, replace(CHIP, sram_bits=12_000), on_chip="bands", places={"a": "band"})
    assert fused.fused_runs
    told = {*best.layers.columns, *fused.layers.columns, *best.layers.index.names}
    assert told == {*NEEDED, *FIGURES}


def test_another_order_and_tile_are_those_of_the_arithmetic() -> None:
    # conv: 4 of 8 output channels a tile, 2 + 1 folds of 3; 2 of 4 input channels, 6 rows whole.
    found = evaluate(
        NETWORK, CHIP, on_chip="none", tiling=tiling(order="ckp", k=4, c=2, p=6)
    ).layer_designs[0]
    assert found.cycles == 36 * 2 * (2 + 2)  # pixels · trips of c · folds of both tiles of k
    assert BEST.layer_designs[0].cycles == 36 * 2 * 3
    assert found.dram_bits.weights == 8 * 8 * 4 * 9  # once: no loop of p
    assert found.dram_bits.ifmap == 8 * 144  # c outside k: each part once
    accumulated = 8 + 8 + 6  # ⌈log₂(4·9)⌉ = 6
    assert found.dram_bits.psum == 2 * 288 * accumulated  # spilled once, in two trips of c
    assert found.sram_bits == 2 * (8 * 4 * 2 * 9 + 8 * 2 * 36 + accumulated * 4 * 36)


def test_other_layers_keep_their_best_tiling() -> None:
    found = evaluate(NETWORK, CHIP, on_chip="none", tiling=tiling("fc", k=10, c=72, order="kcp"))
    assert found.layer_designs[0] == BEST.layer_designs[0]
    assert found.given_tiles == ("fc",)
    assert any("given, not chosen, of 1 of 2 layers" in note for note in found.notes)
    all_given = evaluate(NETWORK, CHIP, on_chip="none", tiling=BEST)
    assert any(note.endswith("not chosen, of all layers") for note in all_given.notes)
    assert not any("tiles" in note for note in BEST.notes)


def test_residents_are_chosen_beside_given_tiles() -> None:
    all_best = evaluate(NETWORK, CHIP)
    small = evaluate(NETWORK, CHIP, tiling=tiling(k=3, c=2, p=1, order="pkc"))
    assert set(all_best.on_chip.values()) == set(small.on_chip.values()) == {"dram", "chip"}
    assert small.metrics["latency_s"] >= all_best.metrics["latency_s"]
    assert small.layer_designs[0].tile.p == 1


def test_mapping_is_the_one_given_or_that_of_least_cycles() -> None:
    both = replace(CHIP, mapping=("window", "im2col"), reconfigurable=True)
    given = tiling(k=8, c=4, p=6)
    counts = {}
    for mapping in ("window", "im2col"):
        rows = {"conv": given["conv"] | {"mapping": mapping}}
        row = evaluate(NETWORK, both, on_chip="none", tiling=rows).layer_designs[0]
        assert row.mapping == mapping
        counts[mapping] = row.cycles
    row = evaluate(NETWORK, both, on_chip="none", tiling=given).layer_designs[0]
    assert row.cycles == min(counts.values())


# --- what is written ----------------------------------------------------------------------------


def test_file_says_which_tiles_are_given(tmp_path: Path) -> None:
    found = evaluate(NETWORK, CHIP, on_chip="none", tiling=tiling(k=5, c=3, p=2))
    found.save(tmp_path / "given.json")
    assert Evaluation.load(tmp_path / "given.json") == found
    assert found.to_dict()["given_tiles"] == ("conv",)
    assert "given_tiles" not in BEST.to_dict()
    report = check(tmp_path / "given.json")
    assert report.holds, report.findings


def test_figures_of_given_tiles_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "given.json"
    evaluate(NETWORK, CHIP, on_chip="none", tiling=tiling(k=5, c=3, p=2)).save(path)
    sound = path.read_text()
    cycles = evaluate(NETWORK, CHIP, on_chip="none", tiling=tiling(k=5, c=3, p=2)).layer_designs[0]
    for old, new in (
        (f'"cycles": {cycles.cycles}', '"cycles": 216'),  # those of the whole layer
        ('"k": 5', '"k": 4'),
        ('"k": 5', '"k": 9'),
        ('"given_tiles": ["conv"]', '"given_tiles": ["fc"]'),
        ('"given_tiles": ["conv"]', '"given_tiles": ["pool"]'),
        ('"given_tiles": ["conv"]', '"given_tiles": []'),
    ):
        text = json.dumps(json.loads(sound)) if old not in sound else sound
        assert old in text, old
        path.write_text(text.replace(old, new, 1))
        report = check(path)
        assert {finding.where.split(".")[0] for finding in report.findings} - {"sha256"}, (old, new)


# --- what is refused ----------------------------------------------------------------------------

REFUSED: list[tuple[Any, str]] = [
    ([1], "tiling: must be a Path, a design, an evaluation, or a mapping from layers to tiles"),
    ("tiles.csv", "got 'tiles.csv'"),
    (3, "got '3'"),
    ({"conv": None}, "tiling: layer 'conv': must have a tile and an order, got 'None'"),
    ({"konv": {}}, "tiling: layer 'konv'"),
    (tiling(k=9), "layer 'conv': a tile of 9 output channels, but the layer has 8"),
    (tiling(c=5), "layer 'conv': a tile of 5 input channels, but the layer has 4"),
    (tiling(p=7), "layer 'conv': a tile of 7 output rows, but the layer has 6"),
    (tiling(g=2), "layer 'conv': a tile of 2 groups, but the layer has 1"),
    (tiling(images=2), "layer 'conv': a tile of 2 images, but the layer has 1"),
    (tiling(k=0), "tiling: layer 'conv'"),
    (tiling(order="kck"), "order must be k, c and p, outermost first, got 'kck'"),
    ({"conv": {"order": "kcp"}}, "tile"),
    ({"pool": tiling()["conv"]}, "layer 'pool' only moves data and has no tiles"),
    ({"knov": tiling()["conv"]}, "unknown layer 'knov'; did you mean 'conv'"),
    ({"conv": tiling()["conv"] | {"mapping": "im2col"}}, "but accelerator 'chip' has window"),
]


@pytest.mark.parametrize(("given", "told"), REFUSED, ids=range(len(REFUSED)))
def test_what_is_no_tiling_is_refused(given: Any, told: str) -> None:
    with pytest.raises(SpecError) as refusal:
        evaluate(NETWORK, CHIP, on_chip="none", tiling=given)
    assert told in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_tile_of_several_images_has_all_their_pixels() -> None:
    with pytest.raises(
        SpecError, match="a tile of 2 images has all 6 × 6 output pixels of each, not 3 × 6"
    ):
        evaluate(NETWORK.batched(2), CHIP, on_chip="none", tiling=tiling(images=2, p=3))


def test_a_tile_that_does_not_fit_is_refused() -> None:
    small = replace(CHIP, sram_bits=9_000)
    evaluate(NETWORK, small, on_chip="none")
    told = "does not hold the tile given of layer 'conv'.*which needs 9.792 kbit at 8 × 8 bit"
    for on_chip in ("none", "tensors"):
        with pytest.raises(SpecError, match=told):
            evaluate(NETWORK, small, on_chip=on_chip, tiling=tiling(k=8, c=4, p=6))


def test_a_tile_that_does_not_fit_its_buffer_is_refused() -> None:
    given = tiling(k=8, c=4, p=1)  # 8·4·9 weights of 8 bit
    told = "its weight buffer of 2 kbit does not hold the tile given of layer 'conv'.*2.304 kbit"
    chip = replace(CHIP, weight_buffer_bits=2_000)
    for on_chip in ("none", "tensors"):
        with pytest.raises(SpecError, match=told):
            evaluate(NETWORK, chip, on_chip=on_chip, tiling=given)


def test_tiles_are_refused_where_there_are_none() -> None:
    with pytest.raises(SpecError, match="tiling: the ideal roofline has no tiles"):
        evaluate(NETWORK, CHIP, roofline="ideal", tiling=tiling())
    with pytest.raises(SpecError, match="tiling: a fused layer has no tiles of its own"):
        evaluate(NETWORK, CHIP, on_chip="bands", tiling=tiling())
    with pytest.raises(SpecError, match="no layer has a tile"):
        evaluate(NETWORK, CHIP, tiling=evaluate(NETWORK, CHIP, roofline="ideal"))


def test_tables_are_refused_by_line(tmp_path: Path) -> None:
    path = tmp_path / "tiles.csv"
    BEST.layers.to_csv(path)
    head, conv, *_ = path.read_text().splitlines()
    order = BEST.layer_designs[0].order
    for lines, told in (
        ([head.replace("tile_c", "tile_d"), conv], "line 1: unknown column 'tile_d'"),
        (["layer,order", f"conv,{order}"], "line 1: column 'tile_g' is missing"),
        ([head, conv, conv], "line 3: layer 'conv' is there twice"),
        ([head, conv.replace(f",{order},", ",kpk,")], "line 2: order must be k, c and p"),
        ([head, conv.replace("conv,8,8,8,1,", "conv,8,8,8,one,")], "line 2: tile_g must be a"),
        ([head, conv.replace("conv", "knov")], f"{path}: unknown layer 'knov'"),
    ):
        path.write_text("\n".join(lines))
        with pytest.raises(SpecError) as refusal:
            evaluate(NETWORK, CHIP, on_chip="none", tiling=path)
        assert told in str(refusal.value)


def test_files_with_fused_layers_are_refused(tmp_path: Path) -> None:
    two = replace(CONV, name="next", K=8, C=8, input="a", output="out")
    chain = Network(name="chain", layers=(CONV, two), tensors=CHAIN)
    fused = evaluate(chain, replace(CHIP, sram_bits=12_000), on_chip="bands", places={"a": "band"})
    assert fused.fused_runs
    fused.layers.to_csv(tmp_path / "fused.csv")
    for given in (fused, tmp_path / "fused.csv"):
        with pytest.raises(SpecError, match="layer 'conv' is fused, and has no tile of its own"):
            evaluate(chain, CHIP, tiling=given)
