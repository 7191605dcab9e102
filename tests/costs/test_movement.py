"""Layers that only move data, parts of tensors, transposed convolutions: what they cost, and what
is refused.
"""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import oracle
import oracle_tilings
import oracle_widths
import pytest
from command_line import run
from compare_designs import compare
from moving import CHIP, forked
from random_networks import random_network
from random_problems import Case
from seeds import mostly_long

from codesign import Choices, Layer, Network, Problem, evaluate, solve
from codesign.errors import SpecError
from codesign.results.design import Design
from codesign.results.evaluation import Evaluation

# --- figures ------------------------------------------------------------------------------------


@pytest.mark.parametrize("roofline", ["tiled", "ideal"])
def test_a_given_accelerator_moves_at_the_speed_of_its_dram(tmp_path: Path, roofline: Any) -> None:
    network = forked(tmp_path)
    widths = {f"weight:{name}": 4 for name in network.weight_layers}
    widths |= {f"tensor:{name}": 8 for name in network.tensors} | {"tensor:small": 5}
    evaluation = evaluate(network, CHIP, widths, roofline=roofline, on_chip="none")
    pool = evaluation.layer_designs[1]
    moved = pool.dram_bits
    assert (moved.ifmap, moved.output) == (144 * 8, 36 * 5)
    assert (moved.weights, moved.psum, moved.residual) == (0, 0, 0)
    assert pool.compute_s == 0
    assert pool.latency_s == pool.memory_s == pytest.approx((144 * 8 + 36 * 5) / 1e9)
    assert (pool.weight_bits, pool.tile, pool.order) == (None, None, None)
    assert pool.bound_by == "memory"
    nothing = 0 if roofline == "tiled" else None
    assert (pool.cycles, pool.sram_bits) == (nothing, nothing)
    up = evaluation.layer_designs[3].dram_bits
    assert up.output == 72 * 8
    noise = 4 * 4.0**-4 + 3 * 4.0**-8 + 4.0**-5
    assert evaluation.metrics["noise"] == pytest.approx(noise)
    assert evaluation.metrics["dram_bits"] == sum(
        row.dram_bits.total for row in evaluation.layer_designs
    )


def test_a_tensor_no_pe_reads_may_be_wider_than_the_pes() -> None:
    layers = (
        Layer(name="cast", moves=True, K=4, C=4, input="wide", output="x"),
        Layer(name="fc", K=3, C=4, input="x", output="y"),
    )
    network = Network(name="n", layers=layers, tensors={"wide": 4, "x": 4, "y": 3})
    widths = {"weight:fc": 8, "tensor:wide": 20, "tensor:x": 8, "tensor:y": 8}
    assert evaluate(network, CHIP, widths).layer_designs[0].dram_bits.ifmap == 80
    choices = Choices(
        rows=(1, 2),
        cols=(1, 2),
        pe_activation_bits=(4, 8),
        pinned={"tensor:wide": 20},
        on_chip="none",
    )
    for precision in ("fixed", "multi-pass"):
        design = solve(Problem(network=network, choices=replace(choices, precision=precision)))
        assert design.tensor_bits["wide"] == 20
        assert design.layer_designs[0].cycles == 0


def designed(network: Network) -> Design:
    """A design of it in a small space."""
    sides = {"rows": (1, 2), "cols": (1, 2)}
    choices = Choices(**sides, weight_bits=(4, 8), activation_bits=(4, 8), on_chip="none")
    problem = Problem(network=network, choices=choices, dram_bits_per_s=1e9, quality="uniform:6")
    return solve(problem)


def test_files_keep_what_is_absent(tmp_path: Path) -> None:
    network = forked(tmp_path)
    design = designed(network)
    design.save(tmp_path / "design.json")
    loaded = Design.load(tmp_path / "design.json")
    assert loaded.layer_designs == design.layer_designs
    assert loaded.network == network
    assert loaded.to_dict() == design.to_dict()
    for roofline in ("tiled", "ideal"):
        evaluation = evaluate(network, CHIP, 8, roofline=roofline)  # type: ignore[arg-type]
        evaluation.save(tmp_path / "evaluation.json")
        assert Evaluation.load(tmp_path / "evaluation.json") == evaluation


@pytest.mark.parametrize(
    ("row", "changes", "told"),
    [
        (1, {"weight_bits": 4}, "layers ('pool').weight_bits: a layer that only moves data has no"),
        (1, {"order": "kcp"}, "layers ('pool').order: a layer that only moves data has none"),
        (1, {"cycles": None}, "layers ('pool').cycles: missing"),
        (1, {"compute_s": 1.0}, "layers ('pool').compute_s: a layer that only moves has none"),
        (0, {"weight_bits": None}, "layers ('down').weight_bits: missing"),
        (0, {"compute_s": 0.0}, "layers ('down').compute_s: must be above 0"),
    ],
)
def test_figures_that_do_not_suit_the_layer(
    row: int, changes: dict[str, Any], told: str, tmp_path: Path
) -> None:
    network = forked(tmp_path)
    for whole in (designed(network), evaluate(network, CHIP, 8, on_chip="none")):
        rows = list(whole.layer_designs)
        rows[row] = replace(rows[row], **changes)
        with pytest.raises(SpecError) as caught:
            replace(whole, layer_designs=tuple(rows))
        assert told in str(caught.value)


def test_widths_of_a_design_can_be_evaluated(tmp_path: Path) -> None:
    design = designed(forked(tmp_path))
    assert "weight:pool" not in design.widths
    again = evaluate(design.network, design.accelerator, design.widths, on_chip="none")
    assert again.metrics.keys() == design.metrics.keys()
    assert again.metrics == pytest.approx(dict(design.metrics))


def test_a_table_has_gaps_where_nothing_is(tmp_path: Path) -> None:
    frame = designed(forked(tmp_path)).layers
    gaps = ["weight_bits", "tile_g", "tile_k", "tile_c", "tile_p", "tile_q", "tile_images", "order"]
    assert frame.loc["pool", [*gaps, "utilisation"]].isna().all()
    assert frame.drop(index="pool").notna().all(axis=None)
    assert (frame.loc["pool", ["macs", "cycles", "sram_bits", "compute_s"]] == 0).all()
    assert frame["weight_bits"].dtype == frame["tile_k"].dtype == "Int64"
    plain = designed(load_network_of_two()).layers
    assert plain["weight_bits"].dtype == plain["tile_k"].dtype == np.int64


def load_network_of_two() -> Network:
    """Two layers that multiply."""
    layers = (
        Layer(name="a", K=2, C=2, input="x", output="y"),
        Layer(name="b", K=2, C=2, input="y", output="z"),
    )
    return Network(name="two", layers=layers, tensors={"x": 2, "y": 2, "z": 2})


@pytest.mark.parametrize("first", [True, False])
def test_the_report_shows_all_columns_and_dashes(first: bool, tmp_path: Path) -> None:
    from codesign.results.text.design import evaluation_parts
    from codesign.results.text.layout import to_text

    network = forked(tmp_path)
    if first:  # a table's columns do not depend on its first row
        copy = Layer(
            name="copy", moves=True, K=2, C=2, P=6, Q=6, H=6, W=6, input="raw", output="image"
        )
        tensors = {"raw": 72, **network.tensors}
        network = replace(network, layers=(copy, *network.layers), tensors=tensors)
    text = to_text(evaluation_parts(evaluate(network, CHIP, 8, on_chip="none")), terminal=False)
    row = next(line.split() for line in text.splitlines() if line.startswith("pool "))
    assert row[1:3] == ["–/8/8", "0"]
    assert row[-4:] == ["–", "memory", "–", "–"]
    assert "g×k×c×p×q×images" in text


def test_the_roofline_leaves_out_what_has_no_operations(tmp_path: Path) -> None:
    design = designed(forked(tmp_path))
    picture = design.plot(tmp_path / "design.png")
    assert (tmp_path / "design.png").stat().st_size > 10_000
    axes = {axes.get_ylabel(): axes for axes in picture.axes}
    roofline, latency = axes["attained, 2 operations a MAC (GOPS)"], axes["latency (ms)"]
    drawn = sum(len(points.get_offsets()) for points in roofline.collections)
    assert drawn == 4
    assert len(latency.patches) == 5
    numbers = {text.get_text() for text in roofline.texts}
    assert "2" not in numbers  # the pooling's number is its own
    assert any("5" in text for text in numbers)


def test_layers_are_shown(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    forked(tmp_path)
    code, out, _ = run(capsys, "show", "networks", str(tmp_path / "forked.toml"))
    assert code == 0
    lines = {line.split()[0]: line for line in out.splitlines() if line.strip()}
    assert "2×2↑2" in lines["up"]
    assert lines["pool"].split()[4] == "–"


# --- whole networks -----------------------------------------------------------------------------


@pytest.mark.parametrize("seed", mostly_long(range(40), 15))
def test_evaluations_are_what_plain_counting_gives(seed: int) -> None:
    rng = random.Random(f"moving evaluation {seed}")
    network = random_network(rng, layers=4, moving=True)
    on = replace(CHIP, sram_bits=10**8)
    evaluation = evaluate(network, on, (5, 7), on_chip="none")
    for layer, row in zip(network.layers, evaluation.layer_designs, strict=True):
        bits = {name: evaluation.tensor_bits[name] for name in network.tensors}
        once = {name: oracle.elements(network, layer, name) * bits[name] for name in bits}
        assert row.dram_bits.output == once[layer.output]
        assert row.dram_bits.residual == sum(once[name] for name in layer.residuals)
        if layer.moves:
            assert row.dram_bits.ifmap == layer.ifmap * bits[layer.input]
            continue
        bw = 5 if oracle_widths.has_weights(layer) else 7
        costs = oracle_tilings.layer_costs(layer, on.rows, on.cols, on.engine)
        fitting = oracle_tilings.best_tilings(layer, costs, bw, 7)
        least = oracle_tilings.least_traffic(fitting, 10**8)
        moved = row.dram_bits
        assert moved.weights + moved.ifmap + moved.psum == least
        assert row.cycles == oracle_tilings.array_cycles(layer, on.rows, on.cols, on.engine)


# --- reading one part of a tensor and writing another -------------------------------------------


def dense() -> Network:
    """A concatenation in place: ``b`` reads what ``a`` wrote and writes beside it."""
    grid = {"P": 3, "Q": 3, "H": 3, "W": 3}
    layers = (
        Layer(name="a", K=2, C=1, input="x", output="t", parts={"t": 18}, **grid),
        Layer(name="b", K=2, C=2, R=3, S=3, input="t", output="t", parts={"t": 18}, **grid),
        Layer(name="c", K=2, C=4, input="t", output="y", **grid),
    )
    return Network(name="dense", layers=layers, tensors={"x": 9, "t": 36, "y": 18})


@pytest.mark.parametrize("method", ["search", "whole"])
@pytest.mark.parametrize("objective", ["latency_s", "dram_bits", "noise", "area_mm2"])
@pytest.mark.parametrize("tied", [False, True])
def test_a_concatenation_in_place(objective: Any, method: Any, tied: bool) -> None:
    problem = Problem(
        network=dense(),
        clock_hz=1e8,
        dram_bits_per_s=4e8,
        objective=objective,
        choices=Choices(
            rows=(1, 2), cols=(1, 2), weight_bits=(2, 5), activation_bits=(2, 4, 5), tied=tied
        ),
    )
    points = oracle.all_points(problem)
    for slack in (1.0, 1.3, 3.0):
        anchor = oracle.best(points, "noise", {})
        assert anchor is not None
        limits = {"noise": anchor.value("noise") * slack * 4, "area_mm2": anchor.value("area_mm2")}
        limits.pop(objective, None)
        compare(Case(replace(problem, budgets=limits), points), method)
