"""Pictures show fused layers as one step: one point, one region of the SRAM, one shade.

`CHAIN` as in the report: c1 to c3 are fused and need 5312 bits, ``y4`` of 1024 bits is resident
from c4 to fc. 11.6 GOPS at 2 · 14848 operations / 4928 DRAM bits.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from fused_designs import chain_design, random_fused_design
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch
from matplotlib.text import Annotation
from pictures import heading, panel
from residents import as_evaluation

from codesign import Design
from codesign.results.plots.design import RUN_SHADE
from codesign.results.plots.hardware_bars import PARTS
from codesign.results.plots.sram import RESIDENT_COLOURS, RUN, TILES
from codesign.results.run_figures import held_during


@pytest.fixture(scope="module")
def found() -> Design:
    return chain_design(spare_bits=188)


@pytest.fixture(scope="module")
def figure(found: Design) -> Figure:
    return found.plot()


def steps(axes: Axes) -> list[StepPatch]:
    """Residents in the order in which they are written, then tiles, then runs."""
    return [patch for patch in axes.patches if isinstance(patch, StepPatch)]


def labels(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_a_run_is_one_region_by_hand(found: Design) -> None:
    axes = panel(found.plot_sram(), "SRAM")
    resident, tiles, run = steps(axes)
    assert resident.get_data().edges.tolist() == [3.5, 4.5, 5.5]
    values, edges, baseline = run.get_data()
    assert edges.tolist() == [0.5, 3.5]
    assert (values[0], baseline[0]) == pytest.approx((5.5, 5.5 - 5.312))
    values, edges, baseline = tiles.get_data()
    assert np.isnan(values).tolist() == [True] * 3 + [False] * 2
    needs = [row.sram_bits / 1e3 for row in found.layer_designs[3:]]
    assert (values - baseline)[3:].tolist() == pytest.approx(needs)
    assert run.get_hatch() != tiles.get_hatch()
    assert labels(axes) == [
        "1 resident tensor: at most 1.024 kbit",
        f"tiles of the layer: at most {max(needs):.4g} kbit",
        "1 fused run: at most 5.312 kbit",
        "SRAM: 5.5 kbit",
    ]
    assert "1 of 4 tensors on chip, 2 bands" in heading(axes.figure)
    (text,) = (x.get_text() for x in axes.texts if x.get_text().startswith("fullest"))
    assert text == "fullest: c1 to c3, fused, 96.6 %"


def grey(colour: object) -> float:
    """Its level between black and white."""
    return float(np.dot(to_rgb(colour), (0.299, 0.587, 0.114)))


def test_regions_differ_in_grey() -> None:
    assert RUN["hatch"] != TILES["hatch"]
    levels = [grey(look["facecolor"]) for look in (RUN, TILES)]
    assert abs(levels[0] - levels[1]) > 0.1
    shade = grey(RUN_SHADE["facecolor"])
    assert all(shade - grey(x) > 0.1 for x in ("#3f6ea8", PARTS["PE array"]["color"]))
    assert RUN["facecolor"] not in RESIDENT_COLOURS


def test_a_run_is_one_point_of_the_roofline(found: Design, figure: Figure) -> None:
    axes = panel(figure, "Roofline")
    compute, memory = axes.collections
    assert "compute-bound: 2 of 3 steps" in str(compute.get_label())
    assert "memory-bound: 1 of 3 steps" in str(memory.get_label())
    operations, layers = 2 * (4608 + 9216 + 1024), found.layers
    (run, c4), (fc,) = compute.get_offsets().tolist(), memory.get_offsets().tolist()
    assert run == pytest.approx([operations / 4928, operations / 2560])
    assert c4 == pytest.approx([2 * 4608 / layers["dram_bits"].iloc[3], 14.4])
    assert fc[1] == pytest.approx(layers["gops"].iloc[4])
    texts = {x.get_text() for x in axes.texts if isinstance(x, Annotation)}
    assert texts == {"1–3", "4", "5"}


def test_latencies_of_a_run_are_shaded(found: Design, figure: Figure) -> None:
    axes = panel(figure, "Latency")
    bars = sorted((x for x in axes.patches if x.get_width() < 1), key=lambda bar: bar.get_x())
    latencies = found.layers["latency_s"] * 1e3
    assert [bar.get_height() for bar in bars] == pytest.approx(latencies.tolist())
    (shade,) = (x for x in axes.patches if x.get_width() >= 1)
    box = shade.get_path().get_extents(shade.get_patch_transform())
    assert (box.x0, box.x1) == pytest.approx((0.5, 3.5))
    assert "fused run: one step" in labels(axes)
    (other,) = (one for one in axes.collections if isinstance(one, LineCollection))
    times = [segment[0, 1] for segment in other.get_segments()]
    layers = found.layers
    expected = np.where(layers["bound_by"] == "compute", layers["memory_s"], layers["compute_s"])
    assert times == pytest.approx((expected * 1e3).tolist())


def test_an_evaluation_is_drawn_alike(found: Design) -> None:
    one, two = (panel(x.plot_sram(), "SRAM") for x in (found, as_evaluation(found)))
    for left, right in zip(steps(one), steps(two), strict=True):
        for a, b in zip(left.get_data(), right.get_data(), strict=True):
            assert np.array_equal(a, b, equal_nan=True)


def test_everything_may_be_fused(tmp_path: Path) -> None:
    design = chain_design(bands=["y1", "y2", "y3"], on_chip=["y4"])
    axes = panel(design.plot_sram(), "SRAM")
    assert len(steps(axes)) == 1 + 1 + 1  # fc has tiles
    assert panel(design.plot(tmp_path / "x.svg"), "Latency")


def test_without_runs_nothing_is_marked() -> None:
    figure = chain_design(bands=[]).plot()
    assert "fused" not in "".join(labels(panel(figure, "Latency")) + labels(panel(figure, "SRAM")))
    assert panel(figure, "Roofline by layer number (+n: n more layers there)")


@pytest.mark.parametrize("seed", range(6))
def test_regions_of_any_design_fit(seed: int) -> None:
    """Residents below, tiles and runs above, at no layer more than the SRAM in all."""
    design = random_fused_design(seed)
    axes = panel(design.plot_sram(), "SRAM")
    rows, held = design.layer_designs, held_during(design)
    kept = [name for name in held if design.on_chip[name] == "chip"]
    drawn = steps(axes)
    assert len(drawn) >= len(kept) + len(design.fused_runs)
    limit = max(float(np.nanmax(patch.get_data().values)) for patch in drawn)
    for i, row in enumerate(rows):
        spans = []
        for patch in drawn:
            values, edges, baseline = patch.get_data()
            baseline = np.broadcast_to(baseline, values.shape)
            for (left, right), low, high in zip(pairwise(edges), baseline, values, strict=True):
                if left < i + 1 < right and not np.isnan(high):
                    spans.append((low, high))
        spans.sort()
        assert all(a[1] <= b[0] + 1e-9 * limit for a, b in pairwise(spans))
        if (row.sram_bits or 0) + row.resident_bits == design.hardware.sram_bits:
            assert sum(high - low for low, high in spans) == pytest.approx(limit)
