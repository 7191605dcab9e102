"""A front's picture shows its points, its certified region and its proofs, in their units."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import FillBetweenPolyCollection, PathCollection
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text

from codesign import Choices, Front, Layer, Network, Problem, SpecError, pareto
from codesign.results.front import RuledOut
from codesign.results.plots.front import plot_front

LAYERS = (
    Layer(name="a", K=16, C=8, P=8, Q=8, R=3, S=3, H=8, W=8, input="x", output="y"),
    Layer(name="b", K=24, C=16, P=8, Q=8, H=8, W=8, input="y", output="z"),
)
TENSORS = {"x": 512, "y": 1024, "z": 1536}
PLANE, SPACE = ("latency_s", "area_mm2"), ("latency_s", "area_mm2", "noise")


@pytest.fixture(scope="module")
def problem() -> Problem:
    """Two layers on arrays of 1 to 128 PEs."""
    return Problem(
        network=Network(name="two layers", layers=LAYERS, tensors=TENSORS),
        choices=Choices(
            rows=(1, 2, 4, 8), cols=(1, 2, 4, 16), weight_bits=(2, 8), activation_bits=(2, 8)
        ),
        clock_hz=100e6,
        dram_bits_per_s=5e9,
        budgets={"noise": 0.1},
    )


@pytest.fixture(scope="module")
def some(problem: Problem) -> Front:
    """Nine points of many, from below the least area on."""
    return pareto(problem, PLANE, 9, ranges={"area_mm2": (0.001, 10.0)})


@pytest.fixture(scope="module")
def spatial(problem: Problem) -> Front:
    return pareto(problem, SPACE, 12)


def cut_short(front: Front, *numbers: int) -> Front:
    """As if time had run out while these points' ties were broken."""
    designs = [
        replace(design, proof=replace(design.proof, ties_broken=number not in numbers))
        for number, design in enumerate(front.designs)
    ]
    return replace(front, designs=tuple(designs))


def legend(axes: Axes) -> list[str]:
    found = axes.get_legend()
    return [] if found is None else [text.get_text() for text in found.get_texts()]


def marks(axes: Axes) -> list[PathCollection]:
    """The points, the knee's ring apart."""
    drawn = [one for one in axes.collections if isinstance(one, PathCollection)]
    return [one for one in drawn if not str(one.get_label()).startswith("knee")]


def places(axes: Axes) -> np.ndarray:
    """(points, 2): x and y, ascending."""
    found = np.concatenate([np.asarray(one.get_offsets()) for one in marks(axes)])
    return found[found[:, 0].argsort()]


def panels(figure: Figure) -> list[Axes]:
    return [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]


def heading(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.texts]


def listed(figure: Figure) -> list[str]:
    """The cells of the list of points, row by row."""
    (axes,) = (one for one in figure.axes if one.get_title(loc="left").startswith("Points and"))
    return [text.get_text() for text in axes.texts]


def numbers(axes: Axes) -> dict[str, np.ndarray]:
    """Where each number's point is."""
    return {
        text.get_text(): np.array(text.xy) for text in axes.texts if isinstance(text, Annotation)
    }


# --- two objectives -----------------------------------------------------------------------------


@pytest.mark.smoke
def test_points_are_where_the_front_says(some: Front) -> None:
    points, rates, shares, _ = plot_front(some, None).axes
    assert points.get_ylabel() == "latency (ms)"
    assert rates.get_ylabel() == "saved (ms per mm²)"
    assert shares.get_xlabel() == "area (mm²)"
    expected = some.values[::-1, ::-1] * [1, 1e3]
    assert places(points) == pytest.approx(expected)
    percent = [100 * design.memory_bound_share for design in some.designs[::-1]]
    assert places(shares) == pytest.approx(np.stack([expected[:, 0], percent], axis=1))
    assert (points.get_xscale(), points.get_yscale()) == ("log", "log")
    assert some.logarithmic == (True, True)


def test_marks_tell_what_binds(some: Front) -> None:
    points = plot_front(some, None).axes[0]
    memory = sum(design.memory_bound_share > 0.5 for design in some.designs)
    assert 0 < memory < len(some)
    words = legend(points)
    assert f"most of the latency memory-bound: {memory} points" in words
    assert f"most of the latency compute-bound: {len(some) - memory} points" in words
    assert not any("cut short" in word for word in words)
    shapes = {one.get_paths()[0].vertices.shape for one in marks(points)}
    assert len(shapes) == 2, "both kinds have the same shape"


def test_rates_are_steps_between_the_points(some: Front) -> None:
    rates = plot_front(some, None).axes[1]
    (steps,) = rates.patches
    saved, edges, _ = steps.get_data()
    assert edges == pytest.approx(some.values[::-1, 1])
    assert saved == pytest.approx(-some.rates[::-1] * 1e3)


def test_certified_region_lies_between_the_proofs_and_the_points(some: Front) -> None:
    points = plot_front(some, None).axes[0]
    reached, ruled_out = points.lines[:2]
    assert "certified: all other points of the front lie here" in legend(points)
    (region,) = (one for one in points.collections if isinstance(one, FillBetweenPolyCollection))
    corners = region.get_paths()[0].vertices
    for line, bound in ((reached, some.upper), (ruled_out, some.lower)):
        x, y = line.get_data()
        for left, right, height in zip(x[::2], x[1::2], y[::2], strict=True):
            middle = (left + right) / 2
            truth = min(bound(middle), some.upper(middle)) * 1e3
            assert height == pytest.approx(truth)
        assert corners[:, 1].min() <= y.min()
    assert (reached.get_ydata() >= ruled_out.get_ydata()).all()


def test_complete_front_has_no_region(some: Front) -> None:
    points = plot_front(replace(some, complete=True, gap=0.0), None).axes[0]
    assert not any("certified" in word for word in legend(points))
    assert points.get_title(loc="left").endswith("9 points, complete")
    coarse = replace(some, complete=True, gap=0.01, rel_step=0.05)
    points = plot_front(coarse, None).axes[0]
    assert any("certified" in word for word in legend(points))
    assert points.get_title(loc="left").endswith("9 points, complete up to steps of 5 %")


def test_title_tells_what_is_unknown(some: Front) -> None:
    figure = plot_front(replace(some, gap=0.0234), None)
    assert figure.axes[0].get_title(loc="left") == "9 points, 2.34 % of the volume unknown"
    assert heading(figure) == ["two layers: latency and area", "noise ≤ 0.1"]


def test_knee_is_named(some: Front) -> None:
    points = plot_front(some, None).axes[0]
    on = some.designs[some.knee].hardware
    (words,) = (word for word in legend(points) if word.startswith("knee"))
    assert f"{on.rows} × {on.cols} PEs of {on.pe_weight_bits} × {on.pe_activation_bits}" in words
    assert f"SRAM {on.sram_bits / 1e6:.4g} Mbit" in words
    (ring,) = (one for one in points.collections if str(one.get_label()).startswith("knee"))
    assert np.asarray(ring.get_offsets()) == pytest.approx(
        some.values[[some.knee]][:, ::-1] * [1, 1e3]
    )


def test_where_no_design_is(some: Front) -> None:
    points = plot_front(some, None).axes[0]
    least = some.values[:, 1].min()  # proven by the search for the least area
    assert f"no design: area below {least:.4g} mm²" in legend(points)
    assert points.get_xlim()[0] < least
    # Without that proof, what the questions found.
    limited = [
        replace(design, problem=replace(design.problem, objective="latency_s"))
        for design in some.designs
    ]
    points = plot_front(replace(some, designs=tuple(limited)), None).axes[0]
    assert "no design: area below 0.001 mm²" in legend(points)
    points = plot_front(replace(some, designs=tuple(limited), ruled=()), None).axes[0]
    assert not any("no design" in word for word in legend(points))


def test_points_whose_proof_was_cut_short_are_hollow(some: Front) -> None:
    points = plot_front(cut_short(some, 2, 5), None).axes[0]
    (hollow,) = (one for one in marks(points) if "cut short" in str(one.get_label()))
    assert hollow.get_label() == "proof cut short: 2 points"
    assert hollow.get_facecolor()[0].tolist() == [1, 1, 1, 1]
    assert len(np.asarray(hollow.get_offsets())) == 2
    assert len(places(points)) == len(some)


def test_one_point(some: Front) -> None:
    one = replace(some, designs=some.designs[:1], ruled=(), complete=True, gap=0.0)
    points, rates = plot_front(one, None).axes[:2]
    assert places(points) == pytest.approx(some.values[:1, ::-1] * [1, 1e3])
    assert not rates.patches
    assert points.get_title(loc="left").endswith("1 point, complete")


# --- three objectives ---------------------------------------------------------------------------


def test_three_objectives_share_their_points(spatial: Front) -> None:
    figure = plot_front(spatial, None)
    left, right = figure.axes[:2]
    assert (left.get_xlabel(), left.get_ylabel()) == ("area (mm²)", "latency (ms)")
    assert right.get_xlabel() == "noise"
    assert left.get_ylim() == right.get_ylim()
    shown = spatial.values * [1e3, 1, 1]
    for axes, across in ((left, 1), (right, 2)):
        expected = sorted(shown[:, (across, 0)].tolist())
        assert sorted(places(axes).tolist()) == [pytest.approx(row) for row in expected]
        for number, place in numbers(axes).items():
            if number.isdigit():
                assert place == pytest.approx(shown[int(number) - 1, (across, 0)])
    assert heading(figure) == ["two layers: latency, area and noise", "noise ≤ 0.1"]


def test_levels_of_the_third_objective(spatial: Front) -> None:
    left = plot_front(spatial, None).axes[0]
    lines = [line for line in left.lines if "best reached with noise" in str(line.get_label())]
    assert len(lines) >= 2
    for line in lines:
        level = float(str(line.get_label()).split("≤")[1])
        x, y = np.asarray(line.get_xydata()).T
        assert (np.diff(y) <= 0).all()
        for low, high, top in zip(x[::2], x[1::2], y[::2], strict=True):
            middle = (low + high) / 2
            within = (spatial.values[:, 2] <= level * 1.0001) & (spatial.values[:, 1] <= middle)
            assert top == pytest.approx(1e3 * spatial.values[within, 0].min())


def test_three_objectives_of_one_point(spatial: Front) -> None:
    one = replace(spatial, designs=spatial.designs[:1], complete=True, gap=0.0)
    assert len(places(plot_front(one, None).axes[0])) == 1


# --- the list -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["some", "spatial"])
def test_points_are_numbered_and_listed_with_their_hardware(
    kind: str, request: pytest.FixtureRequest
) -> None:
    front: Front = request.getfixturevalue(kind)
    cells = listed(plot_front(front, None))
    width = len(front.objectives) + 4
    rows = [cells[at : at + width] for at in range(0, len(cells), width)][2:]
    assert [row[0] for row in rows] == [str(n) for n in range(1, len(front) + 1)]
    for row, design in zip(rows, front.designs, strict=True):
        on = design.hardware
        assert row[-3] == f"{on.rows} × {on.cols}"
        assert row[-2] == f"{on.pe_weight_bits} × {on.pe_activation_bits}"


def test_of_many_points_some_are_listed(some: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codesign.results.plots.front.MOST_LISTED", 5)
    cells = listed(plot_front(some, None))
    kept = [int(cell) for cell in cells[12::6]]
    assert {1, some.knee + 1, len(some)} <= set(kept)
    assert len(kept) <= 5


# --- every picture ------------------------------------------------------------------------------


def texts(figure: Figure) -> list[Text]:
    """Every text that is seen, tick labels apart."""
    found = [*figure.texts, *([figure._suptitle] if figure._suptitle else [])]
    for axes in figure.axes:
        found += [axes.xaxis.label, axes.yaxis.label, axes._left_title]
        found += axes.get_legend().get_texts() if axes.get_legend() else []
    return [text for text in found if text.get_visible() and text.get_text()]


def pictured(front: Front, spatial: Front, name: str) -> Figure:
    widest = RuledOut({"area_mm2": 0.0012345}, np.inf)
    fronts = {
        "two": front,
        "two, cut short": replace(cut_short(front, 1), ruled=(*front.ruled, widest)),
        "two, one point": replace(front, designs=front.designs[:1]),
        "three": spatial,
        "three, cut short": cut_short(spatial, 1),
    }
    long_named = replace(front.problem.network, name="n" * 64)
    found = fronts[name]
    problem = replace(found.problem, network=long_named)
    return plot_front(replace(found, problem=problem), None)


@pytest.mark.parametrize(
    "name", ["two", "two, cut short", "two, one point", "three", "three, cut short"]
)
def test_nothing_overlaps_or_leaves_the_picture(some: Front, spatial: Front, name: str) -> None:
    figure = pictured(some, spatial, name)
    figure.canvas.draw()
    boxes = {text.get_text(): text.get_window_extent() for text in texts(figure)}
    frame = figure.bbox
    for words, box in boxes.items():
        assert frame.x0 <= box.x0 < box.x1 <= frame.x1, words
        assert frame.y0 <= box.y0 < box.y1 <= frame.y1, words
    for (one, box), (other, its) in itertools.combinations(boxes.items(), 2):
        assert not box.overlaps(its), f"{one!r} and {other!r}"
    for axes in figure.axes:
        for words, box in boxes.items():
            assert not axes.get_window_extent().overlaps(box), f"{words!r} over a panel"


@pytest.mark.parametrize(
    ("kind", "suffix"), [("some", ".png"), ("some", ".pdf"), ("some", ".svg"), ("spatial", ".svg")]
)
def test_same_front_same_bytes(
    kind: str, suffix: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    front: Front = request.getfixturevalue(kind)
    paths = [tmp_path / f"{number}{suffix}" for number in (1, 2)]
    for path in paths:
        front.plot(path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert len(paths[0].read_bytes()) > 1000


@pytest.mark.parametrize("name", ["front.bmp", "front", "front.csv"])
def test_unknown_suffix_is_refused(some: Front, tmp_path: Path, name: str) -> None:
    with pytest.raises(SpecError, match=r"end the name in \.png, \.pdf or \.svg"):
        plot_front(some, tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_pipelines_are_told_apart_by_what_decides_their_interval(
    problem: Problem, tmp_path: Path
) -> None:
    choices = replace(problem.choices, architecture=("dataflow",))
    asked = replace(problem, choices=choices, objective="interval_s")
    front = pareto(asked, ("interval_s", "area_mm2"), 4)
    front.save(tmp_path / "front.csv")
    waiting = sum(design.memory_bound_share for design in front.designs)
    assert 0 < waiting < len(front)
    for each in (front, Front.load(tmp_path / "front.csv")):
        points, rates, listed = plot_front(each).axes
        assert rates.get_xlabel() == "area (mm²)" != points.get_xlabel()
        assert listed.get_title(loc="left") == "Points and their hardware"
        words = " ".join(legend(points))
        assert f"DRAM traffic decides the interval: {waiting:.0f} point" in words
        assert f"a stage decides the interval: {len(front) - waiting:.0f} point" in words
