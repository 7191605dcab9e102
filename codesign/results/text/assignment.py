"""An assignment as text for the terminal: question, layers, totals, proof."""

from __future__ import annotations

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from codesign.results.assignment import Assignment
from codesign.results.text.design import (
    asked_line,
    metrics_text,
    proof_text,
    status_words,
    totals_table,
)
from codesign.results.text.layout import TIME_UNITS, counted, literal, scaled, short, table
from codesign.units import ABSENT, four_digits, in_display_order

COUNT_UNITS = (("10⁹", 1e9), ("10⁶", 1e6), ("10³", 1e3), ("", 1.0))


def assignment_parts(assignment: Assignment) -> list[RenderableType]:
    """The whole report."""
    problem, metrics = assignment.problem, assignment.metrics
    budgets = {str(metric): limit for metric, limit in problem.budgets.items()}
    known = in_display_order(metrics)
    return [
        asked_line(Text.assemble("widths of ", short(assignment.network.name)), problem),
        "",
        _layer_table(assignment),
        "",
        totals_table(metrics, budgets, problem.objective, known),
        "",
        _proof_line(assignment),
    ]


def assignment_summary(assignment: Assignment) -> str:
    """The whole assignment in one line: status, gap, totals."""
    return f"{status_words(assignment.proof)}: {metrics_text(assignment.metrics)}"


def _layer_table(assignment: Assignment) -> Table:
    rows, layers = assignment.layer_widths, assignment.network.layers
    weights, weight_unit = scaled([x.weights if x.owns_weights else 0 for x in layers], COUNT_UNITS)
    bops, bops_unit = scaled([row.bops for row in rows], COUNT_UNITS)
    latency, time_unit = scaled([row.latency_s or 0.0 for row in rows], TIME_UNITS)
    timed = assignment.latency_table is not None
    headings = ["~layer", "bits\nw/in/out", f"weights\n{weight_unit}", f"BOPS\n{bops_unit}"]
    costs = [f"{name}\n" for name in assignment.costs]
    made = table(*headings, *([f"latency\n{time_unit}"] if timed else []), *costs)
    for i, (layer, row) in enumerate(zip(layers, rows, strict=True)):
        bits = (row.weight_bits or ABSENT, row.input_bits, row.output_bits)
        cells: list[RenderableType] = [literal(row.name), "/".join(map(str, bits))]
        cells.append(weights[i] if layer.owns_weights else ABSENT)
        cells.append(ABSENT if layer.moves else bops[i])
        cells += [latency[i]] if timed else []
        made.add_row(*cells, *(four_digits(row.costs[name]) for name in assignment.costs))
    return made


def _proof_line(assignment: Assignment) -> Text:
    solver = assignment.solver
    equal = "assignment of less noise or model size"
    return Text.assemble(
        proof_text(assignment.proof, assignment.problem.objective, equal),
        f"; {counted(solver.programmes, 'programme')}, {literal(solver.name)} "
        f"{literal(solver.version)}, {solver.seconds:.2f} s, {solver.solver_s:.3f} s of it "
        "in the solver",
    )
