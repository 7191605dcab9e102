"""Pictures of the SRAM show what stays on chip: each tensor over its life, tiles, the limit.

Three layers at 8 bit: ``a`` (64 elements, 512 bits) from conv1 to conv2, ``b`` (128 elements, 1024
bits) from conv2 to fc, in an SRAM of 4000 bits.
"""

from __future__ import annotations

import itertools
import math
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch
from matplotlib.text import Text
from pictures import GIVEN, NETWORK, heading, line, panel
from resident_designs import evaluated

from codesign import Evaluation, Network, evaluate
from codesign.errors import SpecError
from codesign.results.memory_map import Life, Patch, patches
from codesign.specs.network import Layer

LINK = {"K": 4, "C": 4, "P": 4, "Q": 4, "H": 4, "W": 4}
TITLE = "SRAM per layer"


@pytest.fixture(scope="module")
def found() -> Evaluation:
    return evaluated(NETWORK, GIVEN, 8, ["a", "b"])


def steps(axes: Axes) -> list[StepPatch]:
    """Residents in the order in which they are written, then the tiles."""
    return [patch for patch in axes.patches if isinstance(patch, StepPatch)]


def names(axes: Axes) -> list[Text]:
    return [text for text in axes.texts if not text.get_text().startswith("fullest")]


# --- the picture --------------------------------------------------------------------------------


def test_each_tensor_over_its_life_by_hand(found: Evaluation) -> None:
    a, b, tiles = steps(panel(found.plot_sram(), TITLE))
    for patch, low, high, layers in ((a, 0, 0.512, (1, 2)), (b, 0.512, 1.536, (2, 3))):
        values, edges, baseline = patch.get_data()
        assert edges.tolist() == [layers[0] - 0.5, layers[0] + 0.5, layers[1] + 0.5]
        assert baseline.tolist() == pytest.approx([low, low])
        assert values.tolist() == pytest.approx([high, high])
    values, edges, baseline = tiles.get_data()
    assert edges.tolist() == [0.5, 1.5, 2.5, 3.5]
    assert values.tolist() == pytest.approx([4.0, 4.0, 4.0])
    needs = [row.sram_bits / 1e3 for row in found.layer_designs]
    assert (values - baseline).tolist() == pytest.approx(needs)


def test_axes_limit_and_heading(found: Evaluation) -> None:
    figure = found.plot_sram()
    axes = panel(figure, TITLE)
    assert len(figure.axes) == 1
    assert axes.get_ylabel() == "SRAM (kbit)"
    assert "layer" in axes.get_xlabel()
    assert list(line(axes, "SRAM: 4 kbit").get_ydata()) == [4.0, 4.0]
    assert axes.get_ylim()[1] > 4.0
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    tiles = max(row.sram_bits for row in found.layer_designs) / 1e3
    assert labels[0] == "2 resident tensors: at most 1.536 kbit"
    assert labels[1] == f"tiles of the layer: at most {tiles:.4g} kbit"
    assert "2 of 2 tensors on chip" in heading(figure)
    used = [row.sram_bits + row.resident_bits for row in found.layer_designs]
    (text,) = (text for text in axes.texts if text.get_text().startswith("fullest"))
    fullest = found.layers.index[used.index(max(used))].replace("$", r"\$")
    assert text.get_text() == f"fullest: {fullest}, {100 * max(used) / 4000:.1f} %"


def test_names_and_sizes_are_within_their_tensors(found: Evaluation) -> None:
    figure = found.plot_sram()
    axes = panel(figure, TITLE)
    figure.canvas.draw()
    assert {text.get_text() for text in names(axes)} == {"a\n0.512", "b\n1.024"}
    for text, patch in zip(names(axes), steps(axes), strict=False):
        inner, outer = text.get_window_extent(), patch.get_window_extent()
        assert outer.x0 <= inner.x0 < inner.x1 <= outer.x1
        assert outer.y0 <= inner.y0 < inner.y1 <= outer.y1


def test_what_is_always_free_is_left_out_where_it_is_most() -> None:
    found = evaluated(NETWORK, replace(GIVEN, sram_bits=1_000_000), 8, ["a", "b"])
    used = max(row.sram_bits + row.resident_bits for row in found.layer_designs)
    axes = panel(found.plot_sram(), TITLE)
    shown = math.ceil(1.2 * used) / 1e3
    left = f"{(1000 - shown):.4g} kbit, always free, left out"
    assert line(axes, f"SRAM: 1,000 kbit ({left})").get_ydata()[0] == pytest.approx(shown)
    *residents, tiles = steps(axes)
    assert max(patch.get_data().values.max() for patch in residents) == pytest.approx(1.536)
    assert tiles.get_data().values.tolist() == pytest.approx([shown] * 3)
    assert tiles.get_data().baseline.min() > 0
    (whole,) = (x for x in found.plot().axes if x.get_title(loc="left").startswith(TITLE))
    roofline = panel(whole.figure, "Roofline")
    assert whole.bbox.width > 0.9 * roofline.bbox.width  # a legend too wide for a panel squeezes it


def chain(count: int, back: int) -> Evaluation:
    """As many layers in a row, each of which also reads what was written ``back`` layers before."""
    layers = [
        Layer(
            name=f"link{i}",
            input=f"t{i}",
            output=f"t{i + 1}",
            residuals=(f"t{i - back}",) if i > back else (),
            **LINK,
        )
        for i in range(count)
    ]
    network = Network(
        name="chain", layers=tuple(layers), tensors={f"t{i}": 64 for i in range(count + 1)}
    )
    return evaluated(network, replace(GIVEN, sram_bits=4_000), 8, [*network.lifetimes])


@pytest.mark.slow
def test_150_layers_are_shown_and_no_names_overlap() -> None:
    figure = chain(150, 3).plot_sram()
    axes = panel(figure, TITLE)
    assert len(steps(axes)) == 149 + 1
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in axes.texts]
    assert not any(one.overlaps(two) for one, two in itertools.combinations(boxes, 2))


def test_without_residents_there_are_tiles_alone() -> None:
    for found in (evaluated(NETWORK, GIVEN, 8, []), evaluate(NETWORK, GIVEN, 8, on_chip="none")):
        axes = panel(found.plot_sram(), TITLE)
        assert len(steps(axes)) == 1
        labels = [text.get_text() for text in axes.get_legend().get_texts()]
        assert not any("resident" in label for label in labels)


def test_no_bandwidth_is_needed_to_draw_the_sram() -> None:
    unknown = replace(GIVEN, dram_bits_per_s=None)
    figure = evaluated(NETWORK, unknown, 8, ["a"]).plot_sram()
    assert "latency" not in heading(figure)
    assert len(steps(panel(figure, TITLE))) == 2


def test_what_has_no_tiles_is_refused(tmp_path: Path) -> None:
    ideal = evaluate(NETWORK, GIVEN, 8, roofline="ideal")
    with pytest.raises(SpecError, match="nothing is cut into tiles"):
        ideal.plot_sram(tmp_path / "sram.png")
    assert not list(tmp_path.iterdir())


def test_saved_always_the_same(found: Evaluation, tmp_path: Path) -> None:
    for name in ("one.svg", "two.svg"):
        found.plot_sram(tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()


# --- the panel of the whole picture -------------------------------------------------------------


def test_the_whole_picture_has_it_where_tensors_may_stay(found: Evaluation) -> None:
    figure = found.plot()
    sram, latency = panel(figure, TITLE), panel(figure, "Latency")
    assert len(steps(sram)) == 3
    assert sram.get_xlim() == latency.get_xlim()
    assert {text.get_text() for text in names(sram)} == {"a\n0.512", "b\n1.024"}
    whole = evaluate(NETWORK, GIVEN, 8, on_chip="none").plot()
    titles = [axes.get_title(loc="left") for axes in whole.axes]
    assert not any(title.startswith(TITLE) for title in titles)


def product() -> Evaluation:
    """Two tensors, and their product, which nothing of goes to DRAM."""
    layers = (
        Layer(name="left", K=4, C=4, P=4, H=4, input="x", output="l"),
        Layer(name="right", K=4, C=4, P=4, H=4, input="x", output="r"),
        Layer(name="times", K=4, C=4, P=4, H=4, input="l", output="p", weight_tensor="r"),
        Layer(name="last", K=4, C=4, P=4, H=4, input="p", output="out"),
    )
    network = Network(
        name="product", layers=layers, tensors=dict.fromkeys("xlrp", 16) | {"out": 16}
    )
    return evaluated(network, GIVEN, 8, ["l", "r", "p"])


def test_what_moves_no_dram_bits_has_its_place_in_the_roofline() -> None:
    found = product()
    assert [row.dram_bits.total for row in found.layer_designs][2] == 0
    roofline = panel(found.plot(), "Roofline")
    (mark,) = (x for x in roofline.collections if str(x.get_label()).startswith("without DRAM"))
    ((x, gops),) = mark.get_offsets().tolist()
    assert gops == pytest.approx(found.layers["gops"].iloc[2])
    others = [x for each in roofline.collections if each is not mark for x, _ in each.get_offsets()]
    assert max(others) < x < roofline.get_xlim()[1]


# --- places -------------------------------------------------------------------------------------


def apart(drawn: list[Patch], lives: list[Life], room: list[int]) -> None:
    """Each has its bits over its life, within the room there is, beside all others."""
    of = {life.name: life for life in lives}
    assert {patch.name for patch in drawn} == {*of}
    for layer in range(len(room)):
        edges = []
        for patch in drawn:
            life = of[patch.name]
            if life.first <= layer <= life.last:
                low, high = (side[layer - patch.first] for side in (patch.low, patch.high))
                assert high - low == life.bits
                edges.append((low, high))
        edges.sort()
        assert all(low >= 0 and high <= room[layer] for low, high in edges)
        assert all(one[1] <= two[0] for one, two in itertools.pairwise(edges))


def flat(patch: Patch) -> bool:
    return not np.ptp(patch.low)


@pytest.mark.parametrize("seed", range(60))
def test_places_of_random_tensors(seed: int) -> None:
    chance = random.Random(seed)
    layers, lives = chance.randint(2, 12), list[Life]()
    for number in range(chance.randint(1, 14)):
        first = chance.randrange(layers)
        last = min(layers - 1, first + chance.randint(1, 4))
        lives.append(Life(str(number), chance.randint(1, 9), first, last))
    held = [sum(x.bits for x in lives if x.first <= n <= x.last) for n in range(layers)]
    roomy = [sum(held)] * layers
    tight = [max(held)] * layers if seed % 2 else held
    for room in (roomy, tight):
        apart(patches(lives, room), lives, room)
    assert all(flat(patch) for patch in patches(lives, roomy))
    assert [x.first for x in patches(lives, roomy)] == sorted(x.first for x in lives)


def placeable(lives: list[Life], room: int, placed: tuple[tuple[Life, int], ...] = ()) -> bool:
    """Whether every tensor can keep one place, by trying all."""
    if not lives:
        return True
    one, *others = lives
    beside = [(x, low) for x, low in placed if x.first <= one.last and one.first <= x.last]
    return any(
        placeable(others, room, (*placed, (one, low)))
        for low in range(room - one.bits + 1)
        if all(low + one.bits <= y or y + x.bits <= low for x, y in beside)
    )


def test_what_cannot_keep_its_place_sinks() -> None:
    lives = [
        Life("a", 3, 0, 1),
        Life("b", 3, 0, 2),
        Life("c", 2, 2, 3),
        Life("d", 2, 2, 5),
        Life("e", 2, 3, 5),
        Life("f", 3, 5, 7),
        Life("g", 3, 6, 7),
    ]
    most = max(sum(x.bits for x in lives if x.first <= n <= x.last) for n in range(8))
    assert most == 7
    assert not placeable(lives, 7)
    drawn = patches(lives, [7] * 8)
    apart(drawn, lives, [7] * 8)
    assert not all(flat(patch) for patch in drawn)
    assert placeable(lives, 8)
    assert all(flat(patch) for patch in patches(lives, [8] * 8))


def test_two_pictures_of_one_design_agree() -> None:
    def drawn() -> Figure:
        return chain(40, 2).plot_sram()

    one, two = ([x.get_data() for x in steps(panel(drawn(), TITLE))] for _ in range(2))
    for left, right in zip(one, two, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(left, right, strict=True))
