"""A comparison as text: hardware and totals side by side, what explains the difference, layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from codesign.results.comparison import (
    Compared,
    ComparedHardware,
    ComparedLayer,
    Comparison,
    Difference,
    Explained,
)
from codesign.results.text.layout import (
    TIME_UNITS,
    columns_table,
    counted,
    literal,
    percent,
    scaled,
    short,
    table,
)
from codesign.results.text.phrases import metrics_text, remark, signed
from codesign.units import ABSENT, METRIC_UNITS, RATE_UNITS, four_digits

LABELS = {  # of parts: changes, then components
    "clock": "clock",
    "array": "PE array",
    "roofline": "roofline",
    "widths": "bitwidths",
    "tiles": "tiles, by the SRAM",
    "places": "tensors on chip",
    "bandwidth": "DRAM bandwidth",
    "arrays": "the slowest stage",
    "traffic": "DRAM traffic",
    "depth": "stages before the last",
    "PEs": "PE array",
    "shared": "shared array",
    "psums": "partial sums",
    "lines": "input rows",
    "fifos": "FIFOs",
    "macs": "MACs",
    "dram": "DRAM",
    "sram": "SRAM",
    "static": "static",
    "sram_weights": "SRAM, weights",
    "sram_ifmap": "SRAM, ifmaps",
    "sram_output": "SRAM, outputs",
    "sram_psum": "SRAM, partial sums",
    "sram_residual": "SRAM, residuals",
}
KINDS = {
    "design": "design",
    "dataflow": "pipeline",
    "hybrid": "hybrid",
    "evaluation": "evaluation",
}
MOST_SHARE = 10  # times a difference: what is more says nothing as its share
MOST_NAMED = 3  # results, in a line
MOST_SOURCES = 5  # of noise, that are named
Cell = Callable[[ComparedHardware], str | None]


def comparison_parts(comparison: Comparison) -> list[RenderableType]:
    """The whole report."""
    parts = [*outline_parts(comparison), *difference_parts(comparison)]
    alike = sum(bool(each.layers) for each in comparison.results)
    return [*parts, "", layer_table(comparison)] if alike > 1 else parts


def outline_parts(comparison: Comparison) -> list[RenderableType]:
    """What is compared, hardware and totals."""
    return [_legend(comparison), "", _hardware(comparison), "", _totals(comparison)]


def difference_parts(comparison: Comparison) -> list[RenderableType]:
    """What makes each result differ from the first."""
    parts: list[RenderableType] = []
    for number, told in enumerate(comparison.differences, 1):
        parts += ["", *_difference(comparison, number, told)]
    return parts


def comparison_summary(comparison: Comparison) -> str:
    """The first few results in a few words."""
    told = [f"{short(x.name)}, {metrics_text(_main(x))}" for x in comparison.results[:MOST_NAMED]]
    return "; ".join([*told, "…"] if len(comparison.results) > MOST_NAMED else told)


def _main(result: Compared) -> dict[str, float]:
    """What is told first of a result."""
    told = ("interval_s", "latency_s", "area_mm2", "lut")
    return {x: result.metrics[x] for x in told if x in result.metrics}


def _letters(comparison: Comparison) -> list[str]:
    return [comparison.letter(n) for n in range(len(comparison.results))]


def _legend(comparison: Comparison) -> Table:
    """What each letter stands for."""
    made = table("<", "~file", "<network", "<", "<technology", "<proof")
    for letter, each in zip(_letters(comparison), comparison.results, strict=True):
        images = f" × {each.images:,}" if each.images > 1 else ""
        technology = ABSENT if each.technology is None else short(each.technology)
        made.add_row(
            Text(letter, "bold"),
            literal(each.name),
            Text.assemble(short(each.network), images),
            KINDS[each.kind],
            technology,
            each.status or "none",
        )
    return made


def _hardware(comparison: Comparison) -> Table:
    """A row for whatever of the hardware is known of one result at least."""
    bits, rates = METRIC_UNITS["dram_bits"], RATE_UNITS
    rows: dict[str, Cell] = {
        "PE array": lambda x: None if x.rows is None else f"{x.rows} × {x.cols}",
        "stages": lambda x: None if x.stages is None else f"{x.stages}",
        "PEs": lambda x: f"{x.pes:,}",
        "multipliers of a PE": lambda x: f"{x.engine}",
        "PE bits, weight × activation": lambda x: (
            None if x.pe_weight_bits is None else f"{x.pe_weight_bits} × {x.pe_activation_bits}"
        ),
        "mapping": lambda x: None if x.mapping is None else "/".join(x.mapping),
        "precision": lambda x: x.precision,
        "SRAM": lambda x: None if x.sram_bits is None else bits.amount(x.sram_bits),
        "stages with streamed weights": lambda x: None if x.streamed is None else f"{x.streamed}",
        "clock": lambda x: rates["clock_hz"].amount(x.clock_hz),
        "DRAM bandwidth": lambda x: (
            None
            if x.dram_bits_per_s is None
            else rates["dram_bits_per_s"].amount(x.dram_bits_per_s)
        ),
    }
    made = table("<hardware", *_letters(comparison))
    for name, cell in rows.items():
        cells = [cell(each.hardware) for each in comparison.results]
        if any(x is not None for x in cells):
            made.add_row(name, *(x or ABSENT for x in cells))
    return made


def _totals(comparison: Comparison) -> Table:
    """Every metric that one result has at least, and its ratio to that of the first."""
    letters, results = _letters(comparison), comparison.results
    ratios = [f"{letter} ∕ A" for letter in letters[1:]]
    made = table("<total", *letters, "<", *ratios)
    for metric, unit in METRIC_UNITS.items():
        values = [each.metrics.get(metric) for each in results]
        if all(x is None for x in values):
            continue
        first = values[0]
        made.add_row(
            unit.label,
            *(ABSENT if x is None else unit.number(x) for x in values),
            unit.unit,
            *(four_digits(x / first) if x is not None and first else ABSENT for x in values[1:]),
        )
    return made


def _difference(comparison: Comparison, number: int, told: Difference) -> list[RenderableType]:
    """What makes a result differ from the first: parts of each metric."""
    letter = comparison.letter(number)
    made = table(f"<what explains {letter} − A", "", "<", "share")
    for each in told.explained:
        if each.difference or any(each.parts.values()):
            _add_parts(made, each)
    parts: list[RenderableType] = [made] if made.row_count else []
    if not made.row_count and not told.unexplained:
        parts.append(f"{letter} − A: no total that both have differs")
    noise = told.of("noise")
    if noise is not None and len(noise.rows) > 1:
        parts.append(_sources(noise))
    for metric, why in told.unexplained.items():
        parts.append(remark(f"{METRIC_UNITS[metric].label} of {letter} and A: {why}"))
    return parts


def _add_parts(made: Table, each: Explained) -> None:
    unit = METRIC_UNITS[each.metric]
    made.add_row(
        Text(unit.label, "bold"), signed(each.difference / unit.scale), literal(unit.unit), ""
    )
    parts = [(name, value) for name, value in each.parts.items() if value]
    for name, value in sorted(parts, key=lambda part: -abs(part[1])):
        small = abs(each.difference) * MOST_SHARE < abs(value)
        share = ABSENT if small else percent(value / each.difference)
        label = LABELS.get(name, name)
        made.add_row(literal(f"  {label}"), signed(value / unit.scale), "", share.replace("-", "−"))


def _sources(noise: Explained) -> RenderableType:
    """The weights and tensors whose noise differs most."""
    most = sorted(noise.rows, key=lambda row: -abs(row.difference))[:MOST_SOURCES]
    named = ", ".join(f"{row.name} {signed(row.difference)}" for row in most)
    left = len(noise.rows) - len(most)
    return remark(f"noise, most of {named}" + (f"; {counted(left, 'other')}" if left else ""))


def layer_table(comparison: Comparison) -> Table:
    """A row per layer: widths and latency of each result, and the parts of two."""
    shown = [
        (letter, each.layers)
        for letter, each in zip(_letters(comparison), comparison.results, strict=True)
        if each.layers
    ]
    columns: list[tuple[str, Sequence[RenderableType]]] = [
        ("~layer", [literal(row.name) for row in shown[0][1]])
    ]
    columns += [(f"bits {x}\nw/in/out", [_bits(row) for row in rows]) for x, rows in shown]
    arrays = [(f"array {x}", [*map(_array, rows)]) for x, rows in shown]
    columns += [each for each in arrays if any(cell != ABSENT for cell in each[1])]
    timed = [(x, rows) for x, rows in shown if rows[0].latency_s is not None]
    every = [row.latency_s or 0.0 for _, rows in timed for row in rows]
    unit = scaled(every, TIME_UNITS)[1] if every else ""
    in_unit = [(name, scale) for name, scale in TIME_UNITS if name == unit]
    for x, rows in timed:  # the digits of a column are those of its largest number
        texts, _ = scaled([row.latency_s or 0.0 for row in rows], in_unit)
        columns.append((f"latency {x}\n{unit}", texts))
    untimed = [(x, rows) for x, rows in shown if rows[0].latency_s is None]
    for x, rows in untimed:
        columns.append((f"cycles {x}", [_count(row.cycles) for row in rows]))
    if len(comparison.results) == 2:
        columns += _parts_of_layers(comparison.differences[0].of("latency_s"), unit)
    return columns_table(columns)


def _parts_of_layers(told: Explained | None, unit: str) -> list[tuple[str, list[RenderableType]]]:
    """A column for each change: what it does to each layer's latency."""
    if told is None or not told.rows or not unit:
        return []
    scale = dict(TIME_UNITS)[unit]
    found = []
    for change in told.parts:
        cells: list[RenderableType] = [
            signed(row.parts[change] / scale) if change in row.parts else "" for row in told.rows
        ]
        found.append((f"by {LABELS.get(change, change).split(',')[0]}\n{unit}", cells))
    return found


def _bits(row: ComparedLayer) -> str:
    return f"{row.weight_bits or ABSENT}/{row.input_bits}/{row.output_bits}"


def _array(row: ComparedLayer) -> str:
    return ABSENT if row.rows is None else f"{row.rows}×{row.cols}"


def _count(cycles: int | None) -> str:
    return ABSENT if cycles is None else f"{cycles:,}"
