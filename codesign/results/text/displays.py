"""Objects as Python shows them: one line, and tables in a notebook.

Names that come from files are spelt out in the line and escaped in the tables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from codesign.problem.problem import Problem
from codesign.results.assignment import Assignment
from codesign.results.design import Design
from codesign.results.evaluation import Evaluation
from codesign.results.explanation import Explanation
from codesign.results.front import Front
from codesign.results.text import assignment, design, explanation, front, phrases, specs
from codesign.results.text.layout import counted, literal, table, to_html
from codesign.results.views import DesignView
from codesign.specs.accelerator import Accelerator
from codesign.specs.network import Network
from codesign.units import BITS_PER_GBIT, BITS_PER_KBIT, HZ_PER_MHZ, METRIC_UNITS, four_digits


class Display(NamedTuple):
    """How objects of a kind are told in a line, and which tables show them."""

    told: Callable[[Any], str | Text]
    parts: Callable[[Any], list[RenderableType]]


def line(shown: object) -> str:
    """``<Network resnet18: 21 layers, …>``."""
    return f"<{type(shown).__name__} {_display(shown).told(shown)}>"


def html(shown: object) -> str:
    """Tables and paragraphs."""
    return to_html(_display(shown).parts(shown))


def _display(shown: object) -> Display:
    return next(display for kind, display in DISPLAYS.items() if isinstance(shown, kind))


def _network(shown: Network) -> str:
    return (
        f"{literal(shown.name)}: {counted(len(shown.layers), 'layer')}, "
        f"{four_digits(shown.macs)} MACs, {four_digits(shown.weights)} weights"
    )


def _accelerator(shown: Accelerator) -> str:
    return f"{literal(shown.name)}: {phrases.hardware_text(shown)}"


def _problem(shown: Problem) -> Text:
    subject = Text.assemble(literal(shown.network.name), " on ", literal(shown.technology.name))
    return phrases.question_line(subject, shown)


def _design(shown: DesignView) -> str:
    return f"for {literal(shown.problem.network.name)}: {design.summary_line(shown)}"


def _evaluation(shown: Evaluation) -> str:
    return f"{design.evaluation_line(shown)}: {design.totals_line(shown)}"


def _assignment(shown: Assignment) -> str:
    return f"for {literal(shown.network.name)}: {assignment.assignment_summary(shown)}"


def _front(shown: Front) -> str:
    words = ", ".join(METRIC_UNITS[name].label for name in shown.objectives)
    name = literal(shown.problem.network.name)
    return f"{words} of {name}: {front.front_summary(shown)}"


def _explanation(shown: Explanation) -> str:
    return f"of the design {_design(shown.design)}"


def _problem_parts(shown: Problem) -> list[RenderableType]:
    return [_problem(shown), problem_table(shown)]


def problem_table(shown: Problem) -> Table:
    """What is given, and what is free to choose."""
    choices, made = shown.choices, table("<", "<")
    made.show_header = False
    rows: dict[str, str | Text] = {
        "network": _network(shown.network),
        "technology": literal(shown.technology.name),
        "clock MHz": four_digits(shown.clock_hz / HZ_PER_MHZ),
        "DRAM Gbit/s": four_digits(shown.dram_bits_per_s / BITS_PER_GBIT),
        "area overhead": four_digits(shown.area_overhead),
        "rows": _listed(choices.rows),
        "columns": _listed(choices.cols) + (", square" if choices.square else ""),
        "PE weight bits": _listed(choices.pe_weight_bits),
        "PE activation bits": _listed(choices.pe_activation_bits),
        "precision": choices.precision,
        "SRAM kbit": _sram(shown),
        "weight bits": _listed(choices.weight_bits),
        "activation bits": _listed(choices.activation_bits),
        "output bits": str(choices.output_bits),
        "pinned": literal(", ".join(f"{x}={bits}" for x, bits in choices.pinned.items()) or "none"),
        "one width": literal("; ".join(map(", ".join, choices.shared)) or "none")
        + Text(", weights as wide as their input" if choices.tied else ""),
        "sensitivity": "4^(−bits)" if shown.sensitivity is None else "a table",
    }
    for name, value in rows.items():
        made.add_row(name, value)
    return made


def _sram(shown: Problem) -> str:
    choices = shown.choices
    if choices.sram_bits:
        return ", ".join(four_digits(bits / BITS_PER_KBIT) for bits in choices.sram_bits)
    ends = {"at least": choices.min_sram_bits, "at most": choices.max_sram_bits}
    told = [f"{word} {four_digits(x / BITS_PER_KBIT)}" for word, x in ends.items() if x is not None]
    return ", ".join(told) or "any"


def _listed(values: tuple[int, ...]) -> str:
    return ", ".join(map(str, values))


DISPLAYS: Mapping[type, Display] = {
    Accelerator: Display(_accelerator, specs.description),
    Assignment: Display(_assignment, assignment.assignment_parts),
    Design: Display(_design, design.design_parts),
    Evaluation: Display(_evaluation, design.evaluation_parts),
    Explanation: Display(_explanation, explanation.explanation_parts),
    Front: Display(_front, front.front_parts),
    Network: Display(_network, specs.description),
    Problem: Display(_problem, _problem_parts),
}
