"""An assignment as text for the terminal: question, layers, totals, proof."""

from __future__ import annotations

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from codesign.results.assignment import Assignment
from codesign.results.text.layout import (
    COUNT_UNITS,
    TIME_UNITS,
    columns_table,
    counted,
    literal,
    scaled,
    short,
)
from codesign.results.text.phrases import (
    metrics_text,
    proof_text,
    question_line,
    status_text,
    totals_table,
)
from codesign.units import ABSENT, four_digits, in_display_order


def assignment_parts(assignment: Assignment) -> list[RenderableType]:
    """The whole report."""
    problem, metrics = assignment.problem, assignment.metrics
    return [
        question_line(Text.assemble("widths of ", short(assignment.network.name)), problem),
        *("", layer_table(assignment)),
        *("", totals_table(metrics, problem, in_display_order(metrics))),
        *("", proof_line(assignment)),
    ]


def assignment_summary(assignment: Assignment) -> str:
    """The whole assignment in one line: status, gap, totals."""
    return f"{status_text(assignment.proof)}: {metrics_text(assignment.metrics)}"


def layer_table(assignment: Assignment) -> Table:
    """One row per layer: its widths, and what they cost."""
    rows, layers = assignment.layer_widths, assignment.network.layers
    owned = [layer.weights if layer.owns_weights else 0 for layer in layers]
    weights, weight_unit = scaled(owned, COUNT_UNITS)
    bops, bops_unit = scaled([row.bops for row in rows], COUNT_UNITS)
    bits = [(row.weight_bits or ABSENT, row.input_bits, row.output_bits) for row in rows]
    columns: list[tuple[str, list[RenderableType]]] = [
        ("~layer", [literal(row.name) for row in rows]),
        ("bits\nw/in/out", ["/".join(map(str, each)) for each in bits]),
        (
            f"weights\n{weight_unit}",
            [x if layer.owns_weights else ABSENT for x, layer in zip(weights, layers, strict=True)],
        ),
        (
            f"BOPS\n{bops_unit}",
            [ABSENT if layer.moves else x for x, layer in zip(bops, layers, strict=True)],
        ),
    ]
    if assignment.latency_table is not None:
        times, time_unit = scaled([row.latency_s or 0.0 for row in rows], TIME_UNITS)
        columns.append((f"latency\n{time_unit}", [*times]))
    for name in assignment.costs:
        columns.append((f"{name}\n", [four_digits(row.costs[name]) for row in rows]))
    return columns_table(columns)


def proof_line(assignment: Assignment) -> Text:
    """The proof, and what it took."""
    solver = assignment.solver
    equal = "assignment of less noise or model size"
    return Text.assemble(
        proof_text(assignment.proof, assignment.problem.objective, equal),
        f"; {counted(solver.programmes, 'programme')}, {literal(solver.name)} "
        f"{literal(solver.version)}, {solver.seconds:.2f} s, {solver.solver_s:.3f} s of it "
        "in the solver",
    )
