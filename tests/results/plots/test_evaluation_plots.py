"""Pictures of evaluations: the ideal roofline by hand, an area that is not known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from pictures import ARRAY, NETWORK, heading, line, panel

from codesign import evaluate
from codesign.errors import SpecError
from codesign.results.design import Design
from codesign.results.plots.design import plot_design


def test_ideal_roofline_points_by_hand() -> None:
    figure = plot_design(evaluate(NETWORK, ARRAY, roofline="ideal"), None)
    # 1152 MACs of conv1 on 72 multipliers at 0.1 GHz: in 0.16 µs, 14.4 GOPS at most;
    # conv2 512 MACs: 1024 operations in 0.0711 µs; 8·(64 + 32 + 128) bits take 0.0896 µs.
    # fc moves as much as above: only conv1 is not memory-bound.
    roofline = panel(figure, "Roofline")
    compute, memory = roofline.collections
    assert list(compute.get_offsets()[:, 1]) == pytest.approx([14.4])
    assert list(memory.get_offsets()[:, 1]) == pytest.approx([1.024 / 0.0896, 2.560 / 0.5672])
    assert line(roofline, "PE array: 14.4 GOPS")
    assert "tiny on given: latency 0.0008168 ms, ideal roofline" in heading(figure)
    assert "optimal" not in heading(figure)
    assert "SRAM" not in heading(figure)
    assert "mm²" not in heading(figure)


def test_unknown_area_is_said_and_has_no_panel() -> None:
    figure = plot_design(evaluate(NETWORK, ARRAY, roofline="ideal"), None)
    assert not [axes for axes in figure.axes if axes.get_title(loc="left") == "Area"]
    assert "area not known" in heading(figure)


def test_half_an_area_is_drawn_without_a_total() -> None:
    figure = plot_design(evaluate(NETWORK, replace(ARRAY, pe_area_um2=1e4), roofline="ideal"), None)
    axes = panel(figure, "Area")
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([0.08, 0.0])  # 8 PEs
    assert not axes.texts
    assert "mm²" not in heading(figure)


def test_tiled_evaluation_draws_what_the_design_does(design: Design, figure: Figure) -> None:
    found = evaluate(design.network, design.accelerator, design.widths, on_chip="none")
    drawn = plot_design(found, None)
    assert "tiny on design for tiny: latency 0.001047 ms, tiled roofline" in heading(drawn)
    for title in ("Roofline", "Latency"):
        for one, two in zip(
            panel(drawn, title).collections, panel(figure, title).collections, strict=True
        ):
            assert np.array_equal(one.get_offsets(), two.get_offsets())
    bars = [[bar.get_width() for bar in panel(x, "Area").patches] for x in (drawn, figure)]
    assert bars[0] == bars[1]
    assert not [one for one in panel(drawn, "Area").lines if "budget" in str(one.get_label())]


def test_no_picture_without_bandwidth(tmp_path: Path) -> None:
    found = evaluate(NETWORK, replace(ARRAY, dram_bits_per_s=None), roofline="ideal")
    for path in (None, tmp_path / "evaluation.png"):
        with pytest.raises(SpecError, match="'given': no DRAM bandwidth is given") as refused:
            found.plot(path)
        assert len(str(refused.value).splitlines()) == 1
    assert not list(tmp_path.iterdir())
