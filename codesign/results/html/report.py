"""Results as pages: what is shown of each kind, in which tab.

Lines and tables are those of the reports in ``text``; nothing is written twice.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import singledispatch
from pathlib import Path

from codesign.checking import check_content
from codesign.errors import SpecError
from codesign.files import read_json
from codesign.problem.file import problem_to_dict
from codesign.problem.metrics import INTERVAL
from codesign.results.assignment import Assignment
from codesign.results.comparison import Comparison
from codesign.results.dataflow_design import DataflowDesign
from codesign.results.design import Design
from codesign.results.evaluation import Evaluation
from codesign.results.explanation import Explanation
from codesign.results.front import Front
from codesign.results.hardware_result import HardwareResult
from codesign.results.html.comparison_charts import difference_charts, layer_charts
from codesign.results.html.front_charts import front_charts
from codesign.results.html.layer_charts import (
    energy_charts,
    latency_chart,
    roofline_chart,
    sram_chart,
    widths_chart,
)
from codesign.results.html.page import Choices, Tab, write_page
from codesign.results.html.parts import Chart, Numbered, Part, chart_text
from codesign.results.html.pipeline_charts import busy_chart, taken_charts
from codesign.results.html.reproduce import check_part, problem_part, reproduce_parts
from codesign.results.result_file import ResultFile
from codesign.results.text import assignment as text_assignment
from codesign.results.text import comparison as text_comparison
from codesign.results.text import design as text_design
from codesign.results.text import pipeline as text_pipeline
from codesign.results.text.check import certificate_lines, report_lines
from codesign.results.text.displays import problem_table
from codesign.results.text.energy import energy_parts
from codesign.results.text.explanation import explanation_parts
from codesign.results.text.front import front_parts
from codesign.results.text.layout import literal, short
from codesign.results.text.members import member_parts
from codesign.results.text.on_chip import residency_parts
from codesign.results.text.phrases import (
    limits_text,
    question_line,
    remark,
    status_text,
    subject,
    totals_table,
)
from codesign.results.text.specs import spec_parts
from codesign.units import METRIC_UNITS, in_display_order

POINTS = "points"  # by which the charts of a front name its designs


def report(
    result: ResultFile | Front,
    path: str | Path,
    *,
    explanation: Explanation | None = None,
    certificate: str | Path | None = None,
    designs: Sequence[Design | DataflowDesign] | None = None,
) -> None:
    """Write a result's page: one file for a browser that asks nobody for anything.

    Parameters
    ----------
    result : Design, DataflowDesign, Evaluation, Assignment, Explanation, Comparison or Front
    path : str or Path
        Ends in .html; what is there is replaced.
    explanation : Explanation, optional
        Of the design; has a tab of its own.
    certificate : str or Path, optional
        File of the design's certificate, which is verified.
    designs : sequence of Design or DataflowDesign, optional
        Of a front read from its table: those of its points, in their order.

    Raises
    ------
    SpecError
        What is given beside the result is not of it, a figure of the result does not hold when it
        is recomputed, the file cannot be written, or Plotly is not installed.
    """
    given = explanation, certificate, designs
    write_page(path, page_title(result), result_tabs(result, *given))


def report_result(
    result: ResultFile,
    path: str | Path,
    *,
    explanation: Explanation | None = None,
    certificate: str | Path | None = None,
) -> None:
    """Write the page of a result with a file of its own; see `report`."""
    report(result, path, explanation=explanation, certificate=certificate)


def report_front(
    front: Front, path: str | Path, *, designs: Sequence[Design | DataflowDesign] | None = None
) -> None:
    """Write the page of a front; see `report`."""
    report(front, path, designs=designs)


def page_title(result: ResultFile | Front) -> str:
    """What a page is of: ``Design for resnet18 on tsmc28``."""
    if isinstance(result, Evaluation):
        network, accelerator = short(result.network.name), short(result.accelerator.name)
        return f"Evaluation of {network} on {accelerator}"
    if isinstance(result, Assignment):
        return f"Widths of {short(result.network.name)}"
    if isinstance(result, Explanation):
        return f"Explanation of a design for {subject(result.design.problem)}"
    if isinstance(result, Comparison):
        return f"Comparison of {', '.join(str(short(x.name)) for x in result.results[:3])}" + (
            " and others" if len(result.results) > 3 else ""
        )
    if isinstance(result, Front):
        named = ", ".join(METRIC_UNITS[name].label for name in result.objectives)
        return f"Front of {named} for {subject(result.problem)}"
    assert isinstance(result, Design | DataflowDesign)
    hybrid = isinstance(result, DataflowDesign) and result.segments
    kind = "Design" if isinstance(result, Design) else "Hybrid" if hybrid else "Pipeline"
    return f"{kind} for {subject(result.problem)}"


def result_tabs(
    result: ResultFile | Front,
    explanation: Explanation | None = None,
    certificate: str | Path | None = None,
    designs: Sequence[Design | DataflowDesign] | None = None,
) -> list[Tab]:
    """The tabs of a result's page; parameters and errors as of `codesign.report`."""
    if certificate is not None and not isinstance(result, Design):
        raise SpecError(f"{certificate}: a certificate is of a design on one array")
    if designs is not None and not isinstance(result, Front):
        raise SpecError("designs: are those of a front")
    if isinstance(result, Front):
        if explanation is not None:
            raise SpecError("explanation: is of a design, and this is a front")
        return front_tabs(result, designs)
    if explanation is not None:
        _check_explained(result, explanation)
    found = tabs_of(result)
    if not isinstance(result, Explanation | Comparison):
        checked = Tab("check", _checked_lines(result, certificate))
        proof = next((tab for tab in found if tab.name == "proof"), None)
        if proof is None:
            found.insert(-2, checked)
        else:
            found[found.index(proof)] = Tab("proof", [*proof.parts, *checked.parts])
    if explanation is not None:
        found.insert(-2, Tab("explanation", explanation_parts(explanation)))
    return found


def _checked_lines(result: ResultFile, certificate: str | Path | None) -> list[Part]:
    """That every figure holds, and with a certificate that it is proven.

    Raises
    ------
    SpecError
        One does not hold, or the certificate cannot be read.
    """
    content = None if certificate is None else read_json(Path(certificate))
    where = str(certificate)
    file = json.loads(json.dumps(result.to_dict()))  # as it is read
    found = check_content(file, "the result", content, where)
    if not found.holds:
        raise SpecError(f"{found.findings[0]}; codesign check tells all")
    lines: list[Part] = [literal(x) for x in report_lines("recomputed without the search", found)]
    if content is None:
        return lines
    return [*lines, *map(literal, certificate_lines(content, where))]


def _check_explained(result: ResultFile, explanation: Explanation) -> None:
    """Refuse the explanation of another design."""
    if not isinstance(result, Design | DataflowDesign):
        raise SpecError("explanation: is of a design")
    told, problem = explanation.design, result.problem
    same = (
        told.problem.network.name == problem.network.name
        and told.problem.objective == problem.objective
        and dict(told.problem.budgets) == dict(problem.budgets)
        and told.metrics[problem.objective] == result.metrics[problem.objective]
    )
    if not same:
        raise SpecError("explanation: is of another design than this one")


@singledispatch
def tabs_of(result: ResultFile) -> list[Tab]:
    """The tabs of a result by itself, the last two the problem and how to reproduce it."""
    raise TypeError(f"no page is made of {type(result).__name__}")


@tabs_of.register
def _design_tabs(design: Design) -> list[Tab]:
    problem = design.problem
    shown = [*text_design.shown_metrics(design.accelerator)]
    shown += [problem.objective] if problem.objective not in shown else []
    given = design.metrics, problem.network, problem.budgets, problem.references
    summary: list[Part] = [
        question_line(subject(problem), problem),
        status_text(design.proof),
        text_design.hardware_table(design),
        text_design.rates_text(design),
        totals_table(design.metrics, problem, shown),
        *member_parts(*given),
        *map(remark, design.notes),
    ]
    proof: list[Part] = [text_design.proof_line(design), *text_design.batches_parts(design)]
    return [
        *_hardware_tabs(design, summary),
        Tab("proof", [*proof, *text_pipeline.architecture_parts(design)]),
        Tab("problem", [problem_table(problem), problem_part(problem_to_dict(problem))]),
        Tab("reproduce", reproduce_parts(problem, "codesign.solve(found.problem)")),
    ]


def _hardware_tabs(result: HardwareResult, summary: Sequence[Part]) -> list[Tab]:
    """Summary, layers, roofline, SRAM and energy, as far as these are known."""
    on = result.accelerator
    fixed = (on.pe_weight_bits, on.pe_activation_bits) if on.precision == "fixed" else None
    weights = [row.weight_bits for row in result.layer_designs]
    inputs = [result.tensor_bits[layer.input] for layer in result.network.layers]
    widths = widths_chart(layer_names_of(result), weights, inputs, fixed)
    tabs = [
        Tab("summary", [*summary, *_known([latency_chart(result), widths])]),
        Tab("layers", [Numbered(text_design.layer_table(result))]),
    ]
    if (roofline := roofline_chart(result)) is not None:
        tabs.append(Tab("roofline", [roofline]))
    sram = [*_known([sram_chart(result)]), *residency_parts(result)]
    tabs += [Tab("SRAM", sram)] if sram else []
    if result.energy is not None:
        tabs.append(
            Tab("energy", [*energy_parts(result), *energy_charts(result, layer_names_of(result))])
        )
    return tabs


def layer_names_of(result: HardwareResult | DataflowDesign | Assignment) -> list[str]:
    """``3 · layer1.0.conv1`` of each layer, for charts."""
    return [f"{n} · {chart_text(x.name)}" for n, x in enumerate(result.network.layers, 1)]


def _known(charts: Iterable[Chart | None]) -> list[Part]:
    return [chart for chart in charts if chart is not None]


@tabs_of.register
def _evaluation_tabs(evaluation: Evaluation) -> list[Tab]:
    accelerator, metrics = evaluation.accelerator, evaluation.metrics
    summary: list[Part] = [
        text_design.evaluation_line(evaluation),
        text_design.hardware_table(evaluation),
        text_design.rates_text(evaluation),
        totals_table(metrics, named=text_design.shown_metrics(accelerator)),
        *member_parts(metrics, evaluation.network, {}),
        *map(remark, evaluation.notes),
    ]
    return [
        *_hardware_tabs(evaluation, summary),
        Tab("given", [*spec_parts(accelerator), *spec_parts(evaluation.network)]),
        Tab("reproduce", [check_part()]),
    ]


@tabs_of.register
def _pipeline_tabs(design: DataflowDesign) -> list[Tab]:
    problem = design.problem
    shown = in_display_order((*problem.metrics, *problem.energies))
    weights = [row.weight_bits for row in design.stages]
    inputs = [design.tensor_bits[layer.input] for layer in design.network.layers]
    names = layer_names_of(design)
    summary: list[Part] = [
        question_line(subject(problem), problem),
        status_text(design.proof),
        text_pipeline.hardware_table(design),
        text_pipeline.rates_text(design),
        totals_table(design.metrics, problem, shown),
        *map(remark, design.notes),
        *taken_charts(design, names),
    ]
    proof: list[Part] = [text_pipeline.proof_line(design)]
    energy = [*energy_parts(design), *energy_charts(design, names, "stage")]
    return [
        Tab("summary", summary),
        *([Tab("energy", energy)] if energy else []),
        Tab(
            "stages",
            [
                Numbered(text_pipeline.stage_table(design)),
                busy_chart(design, names),
                widths_chart(names, weights, inputs),
            ],
        ),
        Tab("proof", [*proof, *text_pipeline.architecture_parts(design)]),
        Tab("problem", [problem_table(problem), problem_part(problem_to_dict(problem))]),
        Tab(
            "reproduce",
            reproduce_parts(problem, "codesign.solve(found.problem)"),
        ),
    ]


@tabs_of.register
def _assignment_tabs(assignment: Assignment) -> list[Tab]:
    problem, metrics = assignment.problem, assignment.metrics
    rows = assignment.layer_widths
    widths = [row.weight_bits for row in rows], [row.input_bits for row in rows]
    question = question_line(literal(f"widths of {short(assignment.network.name)}"), problem)
    given = "found.problem, found.latency_table, costs=found.costs"
    return [
        Tab(
            "summary",
            [
                question,
                text_assignment.assignment_summary(assignment),
                totals_table(metrics, problem, in_display_order(metrics)),
                widths_chart(layer_names_of(assignment), *widths),
            ],
        ),
        Tab("layers", [Numbered(text_assignment.layer_table(assignment))]),
        Tab("proof", [text_assignment.proof_line(assignment)]),
        Tab(
            "problem",
            [
                literal(limits_text(problem)),
                *spec_parts(problem.network),
                problem_part(assignment.to_dict()["problem"]),
            ],
        ),
        Tab("reproduce", reproduce_parts(problem, f"codesign.assign({given})", "")),
    ]


@tabs_of.register
def _explanation_tabs(explanation: Explanation) -> list[Tab]:
    return [Tab("explanation", explanation_parts(explanation))]


@tabs_of.register
def _comparison_tabs(comparison: Comparison) -> list[Tab]:
    outline = text_comparison.outline_parts(comparison)
    differences = text_comparison.difference_parts(comparison)
    layers = Numbered(text_comparison.layer_table(comparison))
    return [
        Tab("summary", [*outline, *difference_charts(comparison)]),
        Tab("differences", differences),
        Tab("layers", [layers, *layer_charts(comparison)]),
    ]


def front_tabs(front: Front, designs: Sequence[Design | DataflowDesign] | None = None) -> list[Tab]:
    """The points, what is known between them, and of each its design where these are known."""
    whole = [x for x in front.designs if isinstance(x, Design | DataflowDesign)]
    shown = designs if designs is not None else whole if len(whole) == len(front) else None
    if shown is not None:
        check_designs(front, shown)
    charts = front_charts(front, None if shown is None else POINTS)
    tabs = [Tab("front", [*charts[:1], *front_parts(front), *charts[1:]])]
    if not shown:
        return tabs
    options = [(_point_name(front, n), [*tabs_of(design)]) for n, design in enumerate(shown)]
    first = front.knee if len(front) > 2 else 0
    tabs.append(Tab("designs", [Choices(POINTS, "point", options, first)]))
    return tabs


def _point_name(front: Front, number: int) -> str:
    """``point 3: latency 0.71 ms, area 6 mm²``."""
    values = zip(front.objectives, front.values[number], strict=True)
    told = [
        f"{METRIC_UNITS[x].label} {METRIC_UNITS[x].amount(float(value))}" for x, value in values
    ]
    knee = " (knee)" if number == front.knee and len(front) > 2 else ""
    return f"point {number + 1}: {', '.join(told)}{knee}"


def check_designs(front: Front, designs: Sequence[Design | DataflowDesign]) -> None:
    """Refuse designs that are not those of the points, in their order."""
    if len(designs) != len(front):
        raise SpecError(f"{len(designs)} designs for {len(front)} points; give that of each point")
    for number, (design, values) in enumerate(zip(designs, front.values, strict=True), 1):
        known = {INTERVAL: design.metrics.get("latency_s"), **design.metrics}
        mine = [known.get(name) for name in front.objectives]
        if mine != values.tolist():
            raise SpecError(f"design {number}: not of point {number} of the front")


def check_figures(design: Design | DataflowDesign, where: str) -> None:
    """Refuse a design that is in no file of its own where a figure does not hold.

    Raises
    ------
    SpecError
        Naming the first of them.
    """
    report = check_content(json.loads(json.dumps(design.to_dict())), where)
    if not report.holds:
        raise SpecError(f"{where}: a design of it does not hold: {report.findings[0]}")
