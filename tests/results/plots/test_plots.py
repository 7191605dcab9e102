"""Pictures show what the design says: every layer, the ceilings, the widths, the area, the proof.

The tiny network on 2 × 4 PEs, 8 × 8 bits, 100 MHz and 20 Gbit/s, by hand:

    conv1  3×3, 2 → 4 channels, 4 × 4 outputs: 4·2·16·10 = 1280 OPS in 16 cycles, compute-bound
    conv2  1×1, 4 → 8 channels, 4 × 4 outputs: 8·4·16·2 = 1024 OPS in ⌈8/4⌉·16 = 32 cycles,
           compute-bound
    fc     1×1, 128 → 10 channels: 10·128·2 = 2560 OPS in ⌈128/(2·9)⌉·⌈10/4⌉ = 24 cycles = 0.24 µs;
           8·(1280 + 128 + 10) = 11344 bits take 0.5672 µs, memory-bound
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox
from pictures import CONV1, CONV2, FC, TENSORS, designed, heading, line, panel

from codesign import evaluate, load_technology, solve
from codesign.errors import SpecError
from codesign.results.design import Design
from codesign.results.plots.by_layer import MAX_NAMED_LAYERS
from codesign.results.plots.design import plot_design
from codesign.results.plots.labels import layer_blocks, spread
from codesign.specs.network import Layer

LINK = {"K": 4, "C": 4, "P": 4, "Q": 4, "H": 4, "W": 4}
SIGNATURES = {".png": b"\x89PNG\r\n\x1a\n", ".pdf": b"%PDF-", ".svg": b"<?xml"}


def chain(count: int) -> Design:
    """As many equal layers in a row, which all fall on few points of the roofline."""
    layers = [
        Layer(name=f"link{i}", input=f"t{i}", output=f"t{i + 1}", **LINK) for i in range(count)
    ]
    return designed(layers, {f"t{i}": 64 for i in range(count + 1)})


def point_labels(figure: Figure) -> list[Annotation]:
    return [text for text in panel(figure, "Roofline").texts if isinstance(text, Annotation)]


def label_boxes(figure: Figure) -> list[Bbox]:
    """What the labels themselves cover, their leaders apart, in pixels."""
    figure.canvas.draw()
    return [Text.get_window_extent(text) for text in point_labels(figure)]


def test_four_panels_name_their_units() -> None:
    figure = plot_design(designed((CONV1, CONV2, FC), TENSORS, pinned={"tensor:b": 5}), None)
    axes = {title: panel(figure, title) for title in ("Roofline", "Latency", "Bitwidths", "Area")}
    assert len(figure.axes) == 4
    assert "operations per DRAM bit" in axes["Roofline"].get_xlabel()
    assert "(GOPS)" in axes["Roofline"].get_ylabel()
    assert "(ms)" in axes["Latency"].get_ylabel()
    assert "(bits)" in axes["Bitwidths"].get_ylabel()
    assert "(mm²)" in axes["Area"].get_xlabel()


def test_one_compute_ceiling_where_all_kernels_have_one_peak(figure: Figure) -> None:
    # 2·4 PEs · 9 MACs · 2 operations · 0.1 GHz, of 3×3 kernels and of 1×1
    ceiling = line(panel(figure, "Roofline"), "PE array")
    assert ceiling.get_label() == "PE array: 14.4 GOPS"
    assert list(ceiling.get_ydata()) == pytest.approx([14.4, 14.4])


def test_compute_ceilings() -> None:
    small = replace(CONV2, R=2, S=2, H=5, W=5, input="c")
    wide = replace(CONV1, P=5, Q=5, H=7, W=7, output="c")
    layers, tensors = (wide, small, FC), TENSORS | {"image": 98, "c": 100}
    del tensors["a"]
    roofline = panel(plot_design(designed(layers, tensors), None), "Roofline")
    # ⌊9/4⌋ = 2 windows of 2×2 in a PE leave one multiplier idle
    for kernel, peak, dashes in (("2×2", 12.8, "-"), ("3×3", 14.4, "--")):
        ceiling = line(roofline, f"PE array, {kernel}")
        assert list(ceiling.get_ydata()) == pytest.approx([peak, peak])
        assert ceiling.get_linestyle() == dashes
        assert f"{peak:g} GOPS" in str(ceiling.get_label())


def test_memory_ceiling_is_the_bandwidth_up_to_the_highest_peak(figure: Figure) -> None:
    ceiling = line(panel(figure, "Roofline"), "DRAM: 20 Gbit/s")
    x, y = np.asarray(ceiling.get_xdata()), np.asarray(ceiling.get_ydata())
    assert y == pytest.approx(20 * x)
    assert y[-1] == pytest.approx(14.4)


def test_only_the_full_window_peak_without_small_kernels() -> None:
    layer = replace(CONV1, output="b")
    figure = plot_design(designed((layer,), {"image": 72, "b": 64}), None)
    labels = [str(one.get_label()) for one in panel(figure, "Roofline").lines]
    assert [label for label in labels if label.startswith("PE array")] == ["PE array: 14.4 GOPS"]


def test_roofline_points_by_hand(figure: Figure) -> None:
    compute, memory = panel(figure, "Roofline").collections
    assert "compute-bound: 2 of 3" in str(compute.get_label())
    assert "memory-bound: 1 of 3" in str(memory.get_label())
    # 1152 MACs / 0.16 µs and 512 MACs / 0.32 µs, two operations each, in GOPS
    assert list(compute.get_offsets()[:, 1]) == pytest.approx([14.4, 3.2])
    assert list(memory.get_offsets()[0]) == pytest.approx([2560 / 11344, 2.560 / 0.5672])
    assert len(compute.get_paths()[0].vertices) != len(memory.get_paths()[0].vertices)


def test_latency_bars_and_the_other_roof(figure: Figure) -> None:
    axes = panel(figure, "Latency")
    bars = sorted(axes.patches, key=lambda bar: bar.get_x())
    assert [bar.get_height() for bar in bars] == pytest.approx([1.6e-4, 3.2e-4, 5.672e-4])
    shades = [bar.get_facecolor() for bar in bars]
    assert shades[0] == shades[1] != shades[2]
    (other,) = (one for one in axes.collections if isinstance(one, LineCollection))
    slack = [segment[0, 1] for segment in other.get_segments()]
    assert len(slack) == 3
    assert slack[2] == pytest.approx(2.4e-4)  # 24 cycles


def test_widths_and_pe_widths() -> None:
    pins = {"weight:conv1": 4, "tensor:b": 5}
    design = designed((CONV1, CONV2, FC), TENSORS, pinned=pins, pe_weight_bits=(9,))
    axes = panel(plot_design(design, None), "Bitwidths")
    assert list(line(axes, "weights").get_ydata()) == [4, 8, 8]
    assert list(line(axes, "input activations").get_ydata()) == [8, 8, 5]
    assert list(line(axes, "PE weights Bw = 9").get_ydata()) == [9, 9]
    assert list(line(axes, "PE activations Ba = 8").get_ydata()) == [8, 8]
    assert all(tick == int(tick) for tick in axes.get_yticks())


def test_no_pe_widths_where_any_width_runs() -> None:
    how = {"precision": "multi-pass", "pe_weight_bits": (4,), "pinned": {"tensor:b": 5}}
    design = designed((CONV1, CONV2, FC), TENSORS, **how)
    labels = [str(one.get_label()) for one in panel(plot_design(design, None), "Bitwidths").lines]
    assert labels == ["input activations", "weights"]


def test_area_bar_and_budget(design: Design, figure: Figure) -> None:
    axes = panel(figure, "Area")
    assert [bar.get_width() for bar in axes.patches] == pytest.approx(
        list(design.area_breakdown_mm2.values())
    )
    end = axes.patches[-1].get_x() + axes.patches[-1].get_width()
    assert end == pytest.approx(design.metrics["area_mm2"])
    assert list(line(axes, "budget: 0.5 mm²").get_xdata()) == [0.5, 0.5]
    assert axes.get_xlim()[1] > 0.5


def test_bars_and_budgets_of_an_fpga(design: Design) -> None:
    budgets = {"lut": 30_000.0, "bram": 40.0}
    problem = replace(
        design.problem, technology=load_technology("finn-dsp"), objective="bops", budgets=budgets
    )
    figure = plot_design(solve(problem), None)
    # eight PEs of 8 × 8 bit: adders of 16·17, accumulators of 32, 9 DSP blocks each
    taken = {"LUTs": 300 + 1.1 * 8 * 304, "DSP blocks": 72, "block RAMs": 1}
    limits = {"LUTs": 30_000.0, "block RAMs": 40.0}
    for label, amount in taken.items():
        axes = panel(figure, label)
        (bar,) = axes.patches
        assert bar.get_width() == pytest.approx(amount)
        assert axes.get_title(loc="left") == f"{label}: {amount:,.0f}"
        limit = limits.get(label)
        assert [one.get_xdata()[0] for one in axes.lines] == ([] if limit is None else [limit])
        assert axes.get_xlabel() == ("" if limit is None else f"budget (dashed): {limit:,g}")
    on_chip = plot_design(evaluate(problem.network, solve(problem).accelerator), None)
    for picture in (figure, on_chip):
        picture.canvas.draw()
        width = picture.get_window_extent().width
        assert all(text.get_window_extent().x1 < width for text in picture.texts)
    lut_only = replace(problem, technology=load_technology("finn-lut"), budgets={})
    shown = [axes.get_title(loc="left") for axes in plot_design(solve(lut_only), None).axes]
    assert not [title for title in shown if title.startswith("DSP")]


def test_layers_are_named_and_numbered(figure: Figure) -> None:
    ticks = panel(figure, "Latency").get_xticklabels()
    assert [tick.get_text() for tick in ticks] == ["conv1 · 1", r"conv\$_2\$ · 2", "fc · 3"]
    assert {text.get_text() for text in point_labels(figure)} == {"1", "2", "3"}


def test_many_layers_carry_numbers_and_no_labels_overlap() -> None:
    count = MAX_NAMED_LAYERS + 10
    figure = plot_design(chain(count), None)
    offsets = [points.get_offsets() for points in panel(figure, "Roofline").collections]
    assert sum(len(points) for points in offsets) == count
    assert len(panel(figure, "Latency").patches) == count
    ticks = [tick.get_text() for tick in panel(figure, "Latency").get_xticklabels()]
    assert not any("link" in tick for tick in ticks)
    assert len(ticks) < count
    assert any("(+" in text.get_text() for text in point_labels(figure))
    # A letter's width lies between two labels: "2" and "8" are never read as "28".
    boxes = [
        Bbox.from_extents(box.x0 - 4, box.y0, box.x1 + 4, box.y1) for box in label_boxes(figure)
    ]
    assert not any(one.overlaps(two) for one, two in itertools.combinations(boxes, 2))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (
            ["conv1", *(f"a.{i // 15}.{i}" for i in range(30)), "fc"],
            ["conv1 1", "a.0 2–16", "a.1 17–31", "fc 32"],
        ),
        (["/s/c/Conv", "/s/c/Mul", "/t/c/Conv"], ["/s/c/Conv 1", "/s/c/Mul 2", "/t/c/Conv 3"]),
        ([f"a.{i}.x" for i in range(40)] + ["b.0", "b.1"], ["a 1–40", "b 41–42"]),
        ([f"link{i}" for i in range(40)], []),
        ([f"same.{i}" for i in range(40)], []),
    ],
)
def test_blocks_of_layers(names: list[str], expected: list[str]) -> None:
    assert [f"{block.name} {block.numbers}" for block in layer_blocks(names)] == expected


def test_many_layers_are_named_by_blocks_with_their_share() -> None:
    count = MAX_NAMED_LAYERS + 2
    names = [f"stage{1 + (i >= 8)}.link{i}" for i in range(count)]
    layers = [
        Layer(name=name, input=f"t{i}", output=f"t{i + 1}", **LINK) for i, name in enumerate(names)
    ]
    figure = plot_design(designed(layers, {f"t{i}": 64 for i in range(count + 1)}), None)
    ticks = [tick.get_text() for tick in panel(figure, "Latency").get_xticklabels()]
    # Equal layers: 8 of 32 take a quarter.
    assert ticks == ["stage1 · 1–8 (25 %)", "stage2 · 9–32 (75 %)"]


@pytest.mark.parametrize(
    ("places", "apart"), [([1, 1.1, 5], 1.0), ([3, 9.9, 10], 2.0), ([1, 2, 3, 4], 9.0), ([5], 3.0)]
)
def test_labels_are_spread_within_their_range(places: list[float], apart: float) -> None:
    found = spread(places, apart, 1, 10)
    least = min(apart, 9 / max(1, len(places) - 1))
    assert all(b - a >= least - 1e-12 for a, b in itertools.pairwise(found))
    assert found[0] >= 1
    assert found[-1] <= 10
    if all(b - a >= least for a, b in itertools.pairwise(places)):
        assert found == places


def test_the_layer_with_the_largest_share_is_named(figure: Figure) -> None:
    axes = panel(figure, "Latency")
    (text,) = (one for one in axes.texts if isinstance(one, Annotation))
    assert text.get_text() == "fc: 54.2 % of the latency"  # 0.5672 of 1.0472 µs
    figure.canvas.draw()
    box = Text.get_window_extent(text)
    assert axes.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1
    assert box.y0 >= max(bar.get_window_extent().y1 for bar in axes.patches)
    assert box.y1 <= axes.bbox.y1


def test_constant_widths_are_words_and_no_panel(figure: Figure) -> None:
    assert not [axes for axes in figure.axes if axes.get_title(loc="left").startswith("Bitwidths")]
    assert "every layer weights 8 bit, input activations 8 bit" in heading(figure)


def test_labels_stay_inside_and_off_the_marks(figure: Figure) -> None:
    axes = panel(figure, "Roofline")
    pixels = np.concatenate(
        [axes.transData.transform(points.get_offsets()) for points in axes.collections]
    )
    for box in label_boxes(figure):
        assert axes.bbox.x0 <= box.x0
        assert box.x1 <= axes.bbox.x1
        assert axes.bbox.y0 <= box.y0
        assert box.y1 <= axes.bbox.y1
        assert not any(box.contains(*pixel) for pixel in pixels)


def test_heading_tells_the_hardware_and_the_proof(figure: Figure) -> None:
    assert "tiny, least latency: 0.001047 ms" in heading(figure)  # 0.16 + 0.32 + 0.5672 µs
    assert "proven optimal" in heading(figure)
    assert "2 × 4 PEs of 8×8 bit" in heading(figure)
    assert "Mbit" in heading(figure)
    assert "area ≤ 0.5 mm²" in heading(figure)


def test_a_feasible_design_is_not_called_optimal(design: Design) -> None:
    bound = 0.9 * design.proof.objective
    proof = replace(design.proof, status="feasible", bound=bound, gap=0.1)
    shown = heading(plot_design(replace(design, proof=proof), None))
    assert "optimal" not in shown
    assert "feasible" in shown
    assert "gap 10 %" in shown


@pytest.mark.parametrize("suffix", [".PNG", pytest.param(".pdf", marks=pytest.mark.slow), ".svg"])
def test_saved_in_the_format_of_the_suffix_and_always_the_same(
    design: Design, tmp_path: Path, suffix: str
) -> None:
    paths = [tmp_path / f"one{suffix}", tmp_path / f"two{suffix}"]
    for path in paths:
        plot_design(design, path)
    assert sorted(tmp_path.iterdir()) == paths
    assert paths[0].read_bytes().startswith(SIGNATURES[suffix.lower()])
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize("name", ["design.bmp", "design", "design.json"])
def test_unknown_suffix_is_refused(design: Design, tmp_path: Path, name: str) -> None:
    with pytest.raises(SpecError, match=r"end the name in \.png, \.pdf or \.svg") as refused:
        plot_design(design, tmp_path / name)
    assert "\n" not in str(refused.value)
    assert not list(tmp_path.iterdir())


def test_unwritable_place_is_refused(design: Design, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="cannot be written"):
        plot_design(design, tmp_path / "missing" / "design.png")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(SpecError, match="cannot be written"):
        plot_design(design, tmp_path / "folder.png")


def test_global_settings_neither_changed_nor_used(design: Design, tmp_path: Path) -> None:
    plain, odd = tmp_path / "plain.png", tmp_path / "odd.png"
    plot_design(design, plain)
    with matplotlib.rc_context({"font.size": 30, "axes.grid": True, "text.color": "red"}):
        before = dict(matplotlib.rcParams)
        plot_design(design, odd)
        assert dict(matplotlib.rcParams) == before
    assert plain.read_bytes() == odd.read_bytes()
