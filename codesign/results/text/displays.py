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
from codesign.results.comparison import Comparison
from codesign.results.dataflow_design import DataflowDesign
from codesign.results.design import Design
from codesign.results.evaluation import Evaluation
from codesign.results.explanation import Explanation
from codesign.results.front import Front
from codesign.results.text.assignment import assignment_parts, assignment_summary
from codesign.results.text.comparison import comparison_parts, comparison_summary
from codesign.results.text.design import (
    design_parts,
    evaluation_line,
    evaluation_parts,
    summary_line,
    totals_line,
)
from codesign.results.text.explanation import explanation_parts
from codesign.results.text.front import front_parts, front_summary
from codesign.results.text.layout import counted, facts_table, literal, to_html
from codesign.results.text.machines import machine_phrases, offered_text
from codesign.results.text.phrases import hardware_text, question_line
from codesign.results.text.pipeline import pipeline_parts, pipeline_summary
from codesign.results.text.specs import spec_parts
from codesign.results.views import DesignView
from codesign.specs.accelerator import Accelerator
from codesign.specs.decoder import Decoder
from codesign.specs.network import Network
from codesign.units import BITS_PER_KBIT, METRIC_UNITS, RATE_UNITS, four_digits


class Display(NamedTuple):
    """What makes the line of an object, and what its tables in a notebook."""

    line: Callable[[Any], str | Text]
    parts: Callable[[Any], list[RenderableType]]


def line(thing: object) -> str:
    """``<Network resnet18: 21 layers, …>``."""
    return f"<{type(thing).__name__} {_display(thing).line(thing)}>"


def html(thing: object) -> str:
    """Tables and paragraphs."""
    return to_html(_display(thing).parts(thing))


def _display(thing: object) -> Display:
    return next(display for kind, display in DISPLAYS.items() if isinstance(thing, kind))


def _network_line(network: Network) -> str:
    return (
        f"{literal(network.name)}: {counted(len(network.layers), 'layer')}, "
        f"{four_digits(network.macs)} MACs, {four_digits(network.weights)} weights"
    )


def _decoder_line(decoder: Decoder) -> str:
    sizes = decoder.decoder
    return (
        f"{literal(decoder.name)}: {counted(sizes.blocks, 'block')}, "
        f"{four_digits(sizes.weights)} weights, context {sizes.max_context:,}"
    )


def _problem_line(problem: Problem) -> Text:
    network, technology = literal(problem.network.name), literal(problem.technology.name)
    return question_line(Text.assemble(network, " on ", technology), problem)


def _design_line(design: DesignView) -> str:
    return f"for {literal(design.problem.network.name)}: {summary_line(design)}"


def _dataflow_line(design: DataflowDesign) -> str:
    return f"for {literal(design.network.name)}: {pipeline_summary(design)}"


def _front_line(front: Front) -> str:
    objectives = ", ".join(METRIC_UNITS[name].label for name in front.objectives)
    return f"{objectives} of {literal(front.problem.network.name)}: {front_summary(front)}"


def problem_table(problem: Problem) -> Table:
    """What is given, and what is free to choose."""
    choices = problem.choices
    facts: dict[str, RenderableType] = {
        "network": _network_line(problem.network),
        "technology": literal(problem.technology.name),
        "clock MHz": RATE_UNITS["clock_hz"].number(problem.clock_hz),
        "DRAM Gbit/s": RATE_UNITS["dram_bits_per_s"].number(problem.dram_bits_per_s),
        "area overhead": four_digits(problem.area_overhead),
        "rows": _listed(choices.rows),
        "columns": _listed(choices.cols) + (", square" if choices.square else ""),
        "PE weight bits": _listed(choices.pe_weight_bits),
        "PE activation bits": _listed(choices.pe_activation_bits),
        "precision": choices.precision,
        **_architecture(problem),
        **_machine(problem),
        "SRAM kbit": _sram(problem),
        "weight bits": _listed(choices.weight_bits),
        "activation bits": _listed(choices.activation_bits),
        "output bits": str(choices.output_bits),
        "pinned": literal(", ".join(f"{x}={bits}" for x, bits in choices.pinned.items()) or "none"),
        "one width": literal("; ".join(map(", ".join, choices.shared)) or "none")
        + Text(", weights as wide as their input" if choices.tied else ""),
        **_on_chip(problem),
        "sensitivity": "4^(−bits)" if problem.sensitivity is None else "a table",
    }
    return facts_table(facts)


def _sram(problem: Problem) -> str:
    choices = problem.choices
    if choices.sram_bits:
        return ", ".join(four_digits(bits / BITS_PER_KBIT) for bits in choices.sram_bits)
    ends = {"at least": choices.min_sram_bits, "at most": choices.max_sram_bits}
    limits = [
        f"{word} {four_digits(x / BITS_PER_KBIT)}" for word, x in ends.items() if x is not None
    ]
    return ", ".join(limits) or "any"


def _architecture(problem: Problem) -> dict[str, RenderableType]:
    """The architectures on offer; nothing where it is one array."""
    choices = problem.choices
    found: dict[str, RenderableType] = {}
    if choices.pipelined:
        found["architecture"] = ", ".join(choices.architecture)
    if choices.stages:
        each = (
            f"{name} {' '.join(map(str, x.told.values()))}" for name, x in choices.stages.items()
        )
        found["given stages"] = literal("; ".join(each))
    if choices.segments > 1:
        found["segments"] = f"at most {choices.segments}"
    return found


def _machine(problem: Problem) -> dict[str, RenderableType]:
    """The mappings on offer and what else of the machine is not as usual; nothing where all is."""
    choices, found = problem.choices, dict[str, RenderableType]()
    if choices.mapping != ("window",):
        found["mapping"] = offered_text(choices)
    if phrases := machine_phrases(choices, "fixed"):
        found["array"] = "; ".join(phrases)
    return found


def _on_chip(problem: Problem) -> dict[str, RenderableType]:
    """What may stay on chip, and which tensors must; nothing where none may."""
    choices = problem.choices
    if choices.on_chip == "none":
        return {}
    bands = f", bands of at most {choices.fused_layers} fused layers"
    places = (f"{name} {place}" for name, place in choices.places.items())
    may = "tensors" + (bands if choices.on_chip == "bands" else "")
    return {"on chip": literal("; ".join([may, *places]))}


def _listed(values: tuple[int, ...]) -> str:
    return ", ".join(map(str, values))


DISPLAYS: Mapping[type, Display] = {
    Accelerator: Display(lambda x: f"{literal(x.name)}: {hardware_text(x)}", spec_parts),
    Assignment: Display(
        lambda x: f"for {literal(x.network.name)}: {assignment_summary(x)}", assignment_parts
    ),
    Comparison: Display(
        lambda x: f"of {counted(len(x.results), 'result')}: {comparison_summary(x)}",
        comparison_parts,
    ),
    Design: Display(_design_line, design_parts),
    DataflowDesign: Display(_dataflow_line, pipeline_parts),
    Decoder: Display(_decoder_line, spec_parts),
    Evaluation: Display(lambda x: f"{evaluation_line(x)}: {totals_line(x)}", evaluation_parts),
    Explanation: Display(lambda x: f"of the design {_design_line(x.design)}", explanation_parts),
    Front: Display(_front_line, front_parts),
    Network: Display(_network_line, spec_parts),
    Problem: Display(_problem_line, lambda x: [_problem_line(x), problem_table(x)]),
}
