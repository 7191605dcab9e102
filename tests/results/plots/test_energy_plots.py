"""The picture of energy: each layer by part, all layers together, readable in grey.

Three layers in an SRAM that holds what they need; the second one reads what the first left there.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from pictures import GIVEN as PLAIN
from pictures import NETWORK, panel
from pipelines import dataflow, made_up
from random_problems import ENERGIES

from codesign import Evaluation, Layer, Network, SpecError, Suite, evaluate
from codesign.results.plots.energy import LOOKS
from codesign.results.text.energy import LABELS, OF_STAGES

GIVEN = replace(
    PLAIN,
    dram_energy_j_per_bit=2e-11,
    energy=replace(ENERGIES, static_w_per_mm2=None),
)


@pytest.fixture(scope="module")
def found() -> Evaluation:
    return evaluate(NETWORK, GIVEN, 8)


@pytest.fixture(scope="module")
def panels(found: Evaluation) -> tuple[Axes, Axes]:
    picture: Figure = found.plot_energy()
    by_layer, whole = picture.axes
    return by_layer, whole


def test_each_layer_reaches_to_its_energy(found: Evaluation, panels: tuple[Axes, Axes]) -> None:
    assert found.energy is not None
    assert panels[0].get_ylabel() == "energy (nJ)"
    tops = dict.fromkeys(range(3), 0.0)
    for bars in panels[0].containers:
        for n, bar in enumerate(bars):
            assert bar.get_y() == pytest.approx(tops[n])
            tops[n] += bar.get_height()
    each = [x.total_j * 1e9 for x in found.energy.layers]
    assert [*tops.values()] == pytest.approx(each)
    assert panels[0].get_ylim()[1] > max(each)


def test_the_whole_is_as_long_as_all_layers(found: Evaluation, panels: tuple[Axes, Axes]) -> None:
    widths = [bars[0].get_width() for bars in panels[1].containers]
    assert sum(widths) == pytest.approx(found.metrics["energy_j"] * 1e3)
    assert panels[1].get_xlabel() == "energy (mJ)"
    assert "mJ per image" in panels[1].get_title(loc="left")


def test_the_legend_names_the_parts_that_are_there_with_their_share(
    found: Evaluation, panels: tuple[Axes, Axes]
) -> None:
    assert found.energy is not None
    parts = {part: x for part, x in found.energy.parts_j.items() if x > 0}
    assert set(parts) < set(LABELS)  # no residuals
    legend = panels[0].get_legend()
    assert legend is not None
    shares = [f"{100 * parts[x] / sum(parts.values()):.1f} %" for x in LABELS if x in parts]
    labels = [LABELS[x] for x in LABELS if x in parts]
    assert [text.get_text() for text in legend.get_texts()] == [
        f"{label}: {share}" for label, share in zip(labels, shares, strict=True)
    ]


def test_stages_of_a_pipeline_reach_to_their_energy() -> None:
    layers = [
        Layer(name=f"l{n}", input=f"t{n}", output=f"t{n + 1}", C=4, K=4, P=8, Q=8, H=8, W=8)
        for n in range(3)
    ]
    network = Network(name="chain", layers=tuple(layers), tensors={f"t{n}": 256 for n in range(4)})
    found = made_up(dataflow(network))
    assert found.energy is not None
    by_layer, whole = found.plot_energy().axes
    tops = [sum(bars[n].get_height() for bars in by_layer.containers) for n in range(3)]
    assert tops == pytest.approx([1e9 * x.total_j for x in found.energy.layers])
    widths = [bars[0].get_width() for bars in whole.containers]
    assert widths == pytest.approx([1e3 * x for x in found.energy.parts_j.values() if x])
    assert by_layer.get_title(loc="left") == "Energy per stage by part"
    legend = by_layer.get_legend()
    assert legend is not None
    assert legend.get_texts()[1].get_text().startswith("memories: weights: ")


def test_blocks_of_layers_have_their_shares_of_the_energy() -> None:
    sizes = [16 if n < 4 else 4 for n in range(33)]
    layers = [
        Layer(name=f"b{n // 4}.{n % 4}", input=f"t{n}", output=f"t{n + 1}", C=c, K=k)
        for n, (c, k) in enumerate(pairwise(sizes))
    ]
    tensors = {f"t{n}": size for n, size in enumerate(sizes)}
    found = evaluate(Network(name="chain", layers=tuple(layers), tensors=tensors), GIVEN, 8)
    axes = found.plot_energy().axes[0]
    assert axes.get_xlabel().endswith("(share of the energy)")
    shown = [tick.get_text().rpartition("(")[2] for tick in axes.get_xticklabels()]
    starts = range(0, 32, 4)
    of_energy, of_latency = (
        [f"{100 * found.layers[x][n : n + 4].sum() / found.metrics[x]:.0f} %)" for n in starts]
        for x in ("energy_j", "latency_s")
    )
    assert shown == of_energy != of_latency


def test_shares_of_a_suite_count_the_weights_of_its_members() -> None:
    layers = [Layer(name=f"l{n}", input=f"t{n}", output=f"t{n + 1}", C=4, K=4) for n in range(16)]
    tensors = {f"t{n}": 4 for n in range(17)}
    one, two = (Network(name=x, layers=tuple(layers), tensors=tensors) for x in ("one", "two"))
    found = evaluate(Suite([one, two], [3, 1]).network, GIVEN, 8)
    pictures = (found.plot_energy(), found.plot())
    for axes in pictures:
        ticks = [tick.get_text() for x in axes.axes for tick in x.get_xticklabels()]
        assert [x for x in ticks if "·" in x] == [
            "one · 1–16 (75 %)",
            "two · 17–32 (25 %)",
        ]  # equal networks, 3 to 1
        assert axes.texts[0].get_text().startswith("one + two (weights 3, 1) on ")
    (largest,) = panel(pictures[1], "Latency").texts  # the first of 16 equal layers
    assert largest.get_text() == "one/l0: 4.7 % of the latency"  # 3 of 16·3 + 16
    assert "each network once" in panel(pictures[1], "Latency").get_title(loc="left")
    assert "each network once" in pictures[0].axes[0].get_ylabel()


def test_neighbours_differ_in_grey_or_hatch() -> None:
    def grey(part: str) -> float:
        red, green, blue = to_rgb(LOOKS[part]["facecolor"])
        return 0.299 * red + 0.587 * green + 0.114 * blue

    assert set(LOOKS) == {*LABELS, *OF_STAGES}
    for one, other in (*pairwise(LABELS), *pairwise(OF_STAGES)):
        hatched = LOOKS[one].get("hatch") != LOOKS[other].get("hatch")
        assert hatched or abs(grey(one) - grey(other)) > 0.1


def test_unknown_energy_is_refused(tmp_path: Path) -> None:
    unknown = evaluate(NETWORK, replace(GIVEN, dram_energy_j_per_bit=None), 8)
    with pytest.raises(
        SpecError, match="nothing to draw: no energy: no energy of a DRAM bit is given"
    ):
        unknown.plot_energy(tmp_path / "energy.png")
    assert not list(tmp_path.iterdir())


def test_saved_always_the_same(found: Evaluation, tmp_path: Path) -> None:
    for name in ("one.svg", "two.svg"):
        found.plot_energy(tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
