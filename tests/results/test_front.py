"""A front's own arithmetic, on points put there by hand."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from enumerated_fronts import nondominated

from codesign import Choices, Layer, Network, Problem, SpecError, pareto
from codesign.problem.choices import OnChip
from codesign.results.design import Design
from codesign.results.front import Front, RuledOut, dominated_volume
from codesign.results.text.front import front_parts
from codesign.results.text.layout import to_text

PLANE, SPACE = ("latency_s", "area_mm2"), ("latency_s", "area_mm2", "noise")


def front(*points: Sequence[float], ruled: Sequence[RuledOut] = ()) -> Front:
    """Of designs that are nothing but their metrics."""
    names = PLANE if len(points[0]) == 2 else SPACE
    designs: tuple[Any, ...] = tuple(
        SimpleNamespace(metrics=dict(zip(names, point, strict=True))) for point in points
    )
    nothing: Any = None
    return Front(nothing, names, designs, tuple(ruled), True, 0.0, 0.0, 1.0)


# --- volumes ------------------------------------------------------------------------------------


def test_volume_of_three_points_in_the_plane() -> None:
    found = front((1, 6), (2, 3), (5, 1))
    # To (7, 8): 6·2 right of the first up to 8, then 5·3 and 2·2 below.
    assert found.hypervolume((7, 8)) == pytest.approx(6 * 2 + 5 * 3 + 2 * 2)
    # To the worst of the points, (5, 6): 3·3 of the second alone.
    assert found.hypervolume() == pytest.approx(9)
    assert found.hypervolume((1, 8)) == 0
    assert found.hypervolume((1.5, 8)) == pytest.approx(0.5 * 2)
    assert len(found) == 3


def test_volume_of_two_points_in_space() -> None:
    found = front((1, 2, 3), (2, 1, 4))
    # To (5, 5, 5): 4·3·2 and 3·4·1, less 3·3·1 that both dominate.
    assert found.hypervolume((5, 5, 5)) == pytest.approx(24 + 12 - 9)
    assert found.hypervolume() == 0


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("seed", range(20))
def test_volume_by_inclusion_and_exclusion(seed: int, axes: int) -> None:
    rng = random.Random(f"{seed} {axes}")
    points = np.array([[rng.randint(0, 9) for _ in range(axes)] for _ in range(7)], dtype=float)
    worst = np.array([rng.uniform(4, 10) for _ in range(axes)])
    volume = 0.0
    for count in range(1, len(points) + 1):
        for some in itertools.combinations(points, count):
            corner = np.max(some, axis=0)
            volume -= (-1) ** count * float(np.prod(np.maximum(worst - corner, 0)))
    assert dominated_volume(points, worst) == pytest.approx(volume)
    assert dominated_volume(nondominated(points), worst) == pytest.approx(volume)


@pytest.mark.parametrize("reference", [(1.0,), (1.0, 2.0, 3.0), (1.0, math.inf), (math.nan, 1.0)])
def test_reference_that_is_none(reference: tuple[float, ...]) -> None:
    with pytest.raises(SpecError, match="one value for each of latency_s, area_mm2"):
        front((1, 2), (2, 1)).hypervolume(reference)


# --- rates, knee, scales ------------------------------------------------------------------------


def test_rates_are_between_neighbours() -> None:
    found = front((1, 6), (2, 3), (5, 1))
    # From 6 to 3 mm² one second more: −1/3 s per mm²; from 3 to 1 mm² three more: −3/2.
    assert found.rates == pytest.approx([-1 / 3, -3 / 2])
    assert len(front((1, 6)).rates) == 0


def test_knee_is_farthest_below_the_line_through_the_ends() -> None:
    # Scaled to (0, 1), (0.25, 0.4), (1, 0): 0.65 is the least sum; then (0.5, 0.2), 0.7.
    assert front((1, 6), (2, 3), (5, 1)).knee == 1
    assert front((1, 6), (3, 2), (5, 1)).knee == 1
    assert front((1, 6), (2, 5.5), (3, 2), (5, 1)).knee == 2
    assert front((1, 6)).knee == 0


def test_knee_of_an_objective_over_a_decade_is_found_on_its_logarithm() -> None:
    # Areas 100, 50, 10, 1: as they are (0.3, 0.5) and (0.6, 0.09) from the best, 0.69 the least;
    # as logarithms (0.3, 0.85) and (0.6, 0.5), so that the ends' sum of 1 is the least.
    found = front((1, 100), (1.3, 50), (1.6, 10), (2, 1))
    assert found.logarithmic == (False, True)
    assert found.knee == 0
    assert front((1, 10), (1.3, 5), (1.6, 1.9), (2, 1)).logarithmic == (False, False)
    # 100, 4, 1: (0.5, log 4 / log 100 = 0.30).
    assert front((1, 100), (1.5, 4), (2, 1)).knee == 1


def test_an_objective_that_reaches_zero_is_looked_at_as_it_is() -> None:
    found = front((1, 100), (1.2, 3), (2, 0))
    assert found.logarithmic == (False, False)
    assert found.knee == 1


def test_knee_in_space() -> None:
    found = front((1, 5, 3), (2, 2, 2), (5, 1, 3), (5, 5, 1))
    assert found.knee == 1
    with pytest.raises(SpecError, match="two objectives"):
        found.rates  # noqa: B018


# --- what is certain ----------------------------------------------------------------------------

RULED = (
    RuledOut({"area_mm2": math.inf}, 1.0),
    RuledOut({"area_mm2": 4.0}, 1.9),
    RuledOut({"area_mm2": 3.0}, 2.0),
    RuledOut({"area_mm2": 0.9}, math.inf),
)


def test_certain_region_by_hand() -> None:
    found = front((1, 6), (2, 3), (5, 1), ruled=RULED)
    assert [found.lower(limit) for limit in (9, 4.1, 4, 3.1, 3, 1, 0.9)] == [
        1.0, 1.0, 1.9, 1.9, 2.0, 2.0, math.inf,
    ]  # fmt: skip
    assert [found.upper(limit) for limit in (9, 6, 5.9, 3, 2.9, 1, 0.9)] == [
        1, 1, 2, 2, 5, 5, math.inf,
    ]  # fmt: skip
    assert found.infeasible == ({"area_mm2": 0.9},)
    assert front((1, 6)).lower(3.0) == 0.0


def test_staircases_of_three_objectives_by_hand() -> None:
    ruled = (
        RuledOut({"area_mm2": math.inf, "noise": math.inf}, 1.0),
        RuledOut({"area_mm2": 1.5, "noise": 5.0}, 1.5),
        RuledOut({"area_mm2": 2.5, "noise": 3.5}, math.inf),
    )
    found = front((1, 2, 3), (2, 1, 4), ruled=ruled)
    limits = [(2, 3), (1, 4), (2, 4), (1.9, 3), (9, 9)]
    assert [found.upper(*limit) for limit in limits] == [1, 2, 1, math.inf, 1]
    assert [found.lower(*limit) for limit in limits] == [math.inf, 1.5, 1.0, math.inf, 1.0]


@pytest.mark.parametrize("limits", [(), (1.0,), (1.0, 2.0, 3.0)])
def test_a_limit_for_each_objective_after_the_first(limits: tuple[float, ...]) -> None:
    found = front((1, 2, 3), (2, 1, 4))
    for ask in (found.lower, found.upper):
        with pytest.raises(SpecError, match="one limit on each of area_mm2, noise"):
            ask(*limits)


# --- tables and files ---------------------------------------------------------------------------

PRODUCT = Layer(name="fc", K=16, C=32, N=4, input="x", output="y")


@pytest.fixture(scope="module")
def found() -> Front:
    """A real front of a layer whose noise is bought with traffic."""
    problem = Problem(
        network=Network(name="one layer", layers=(PRODUCT,), tensors={"x": 128, "y": 64}),
        choices=Choices(
            rows=(2, 4),
            cols=(4,),
            weight_bits=(2, 4, 8),
            activation_bits=(4, 8),
            on_chip="none",
        ),
    )
    return pareto(problem, ("dram_bits", "noise"), 4)


def test_table_of_points(found: Front) -> None:
    table = found.points
    assert list(table.columns[:6]) == [
        "dram_bits", "noise", "latency_s", "area_mm2", "model_bits", "bops",
    ]  # fmt: skip
    assert len(table) == len(found) == 4
    for (_, row), design in zip(table.iterrows(), found.designs, strict=True):
        for name, value in design.metrics.items():
            assert row[name] == value
        on = design.hardware
        assert (row["rows"], row["cols"], row["sram_bits"]) == (on.rows, on.cols, on.sram_bits)
        assert row["pe_weight_bits"] == on.pe_weight_bits
        assert row["pe_activation_bits"] == on.pe_activation_bits
        bound = [layer.bound_by for layer in design.layer_designs]
        assert row["memory_bound_layers"] == bound.count("memory")
        assert row["compute_bound_layers"] == bound.count("compute")
        assert row["memory_bound_share"] == pytest.approx(float(bound == ["memory"]))
        assert (row["status"], row["ties_broken"]) == ("optimal", True)
        assert (row["bound"], row["gap"]) == (design.proof.bound, design.proof.gap)
        assert row["seconds"] == design.solver.seconds
    steps = table[["dram_bits", "noise"]].diff().iloc[1:]
    assert table["rate_to_next"].iloc[:-1].tolist() == pytest.approx(
        (steps["dram_bits"] / steps["noise"]).tolist()
    )
    assert math.isnan(table["rate_to_next"].iloc[-1])
    assert table["knee"].tolist() == [number == found.knee for number in range(4)]


def test_table_in_a_file(found: Front, tmp_path: Path) -> None:
    found.save(tmp_path / "front.csv")
    again = pd.read_csv(tmp_path / "front.csv").drop(columns=["front", "problem"])
    pd.testing.assert_frame_equal(again, found.points, check_dtype=False, rtol=1e-12)
    with pytest.raises(SpecError, match="cannot be written"):
        found.save(tmp_path / "missing" / "front.csv")


def placed(design: Design, on_chip: OnChip) -> Design:
    """The same where tensors may stay on chip: this network has none to keep."""
    choices = replace(design.problem.choices, on_chip=on_chip)
    problem = replace(design.problem, choices=choices)
    return replace(design, problem=problem, on_chip={"x": "dram", "y": "dram"})


@pytest.mark.parametrize("mode", ["tensors", "bands"])
def test_how_many_tensors_stay_at_each_point(found: Front, mode: OnChip, tmp_path: Path) -> None:
    kept = replace(found, designs=tuple(placed(design, mode) for design in found.designs))
    kept.save(tmp_path / "front.csv")
    for front in (kept, Front.load(tmp_path / "front.csv")):
        assert front.points["resident_tensors"].tolist() == [0, 0, 0, 0]
        assert ("band_tensors" in front.points) == (mode == "bands")
        text = to_text(front_parts(front), terminal=False)
        assert "tensors" in text
        assert ("bands" in text) == (mode == "bands")
    found.save(tmp_path / "none.csv")
    for front in (found, Front.load(tmp_path / "none.csv")):
        assert "resident_tensors" not in front.points
        assert "tensors" not in to_text(front_parts(front), terminal=False)


def test_designs_in_files(found: Front, tmp_path: Path) -> None:
    found.save_designs(tmp_path / "new" / "designs")
    names = [f"point_{number}.json" for number in (1, 2, 3, 4)]
    assert sorted(path.name for path in (tmp_path / "new" / "designs").iterdir()) == names
    for name, design in zip(names, found.designs, strict=True):
        again = Design.load(tmp_path / "new" / "designs" / name)
        assert again.metrics == design.metrics
        assert again.hardware == design.hardware
        assert again.layer_designs == design.layer_designs
        assert again.proof == design.proof
    many = replace(found, designs=found.designs * 3)
    folder = tmp_path / "many"
    many.save_designs(folder)
    assert {"point_01.json", "point_12.json"} < {path.name for path in folder.iterdir()}
    (folder / "point_0.json").write_text("{}", "utf-8")
    found.save_designs(folder)  # those of the longer front go, what is no design stays
    assert sorted(path.name for path in folder.iterdir()) == ["point_0.json", *names]
    (tmp_path / "file").write_text("in the way", "utf-8")
    with pytest.raises(SpecError, match="cannot be made"):
        found.save_designs(tmp_path / "file")
