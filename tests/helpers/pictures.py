"""Three layers to draw on given hardware, and what is where in their picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from codesign.problem.choices import Choices
from codesign.problem.problem import Problem
from codesign.results.design import Design
from codesign.specs.accelerator import Accelerator
from codesign.specs.network import Layer, Network
from codesign.tasks.solve import solve

CONV1 = Layer(name="conv1", K=4, C=2, P=4, Q=4, R=3, S=3, H=6, W=6, input="image", output="a")

CONV2 = Layer(name="conv$_2$", K=8, C=4, P=4, Q=4, H=4, W=4, input="a", output="b")

FC = Layer(name="fc", K=10, C=128, input="b", output="scores")

TENSORS = {"image": 72, "a": 64, "b": 128, "scores": 10}

NETWORK = Network(name="tiny", layers=(CONV1, CONV2, FC), tensors=TENSORS)

ARRAY = Accelerator(
    name="given",
    rows=2,
    cols=4,
    engine=9,
    pe_weight_bits=8,
    pe_activation_bits=8,
    clock_hz=100e6,
    dram_bits_per_s=20e9,
)

GIVEN = replace(ARRAY, sram_bits=4_000)


def designed(layers: Sequence[Layer], tensors: dict[str, int], **given: object) -> Design:
    choices = {"rows": (2,), "cols": (4,), "weight_bits": (8,), "activation_bits": (8,)}
    choices |= {"on_chip": "none"}
    problem = Problem(
        network=Network(name="tiny", layers=tuple(layers), tensors=tensors),
        choices=Choices(**{**choices, **given}),
        clock_hz=100e6,
        dram_bits_per_s=20e9,
        budgets={"area_mm2": 0.5},
    )
    return solve(problem)


def panel(figure: Figure, title: str) -> Axes:
    (found,) = (axes for axes in figure.axes if axes.get_title(loc="left").startswith(title))
    return found


def line(axes: Axes, label: str) -> Line2D:
    (found,) = (one for one in axes.lines if str(one.get_label()).startswith(label))
    return found


def heading(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in figure.texts)
