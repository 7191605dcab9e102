"""What stays on chip of a design or an evaluation, over which layers, as text."""

from __future__ import annotations

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from codesign.errors import first_few
from codesign.results.consistency import names_in_bands, names_on_chip
from codesign.results.hardware_result import HardwareResult
from codesign.results.run_figures import (
    RunFigures,
    band_rows,
    fullest,
    held_bits,
    held_during,
    run_figures,
)
from codesign.results.text.layout import (
    BIT_UNITS,
    TIME_UNITS,
    columns_table,
    counted,
    literal,
    scaled,
    short,
    table,
)
from codesign.results.text.phrases import roof_text
from codesign.units import METRIC_UNITS, four_digits

SRAM = METRIC_UNITS["dram_bits"]


def residency_parts(result: HardwareResult) -> list[RenderableType]:
    """How many tensors stay and how full the SRAM gets, then a row for each, and for each run.

    Nothing where every tensor goes to DRAM and back by the model asked for.
    """
    if result.on_chip is None:
        return []
    parts: list[RenderableType] = ["", _kept_line(result)]
    if held_during(result):
        parts += [_fullest_line(result), "", _tensor_table(result)]
    if result.fused_runs:
        parts += ["", _run_table(result, run_figures(result))]
    return parts


def _kept_line(result: HardwareResult) -> Text:
    """``on chip: 17 of the 20 tensors between layers, bands of 2 more; in DRAM: conv1.out``."""
    able, held = result.network.lifetimes, held_during(result)
    kept, bands = names_on_chip(result.on_chip), names_in_bands(result.on_chip)
    text = Text(f"on chip: {len(kept)} of the {len(able)} tensors between layers")
    if bands:
        runs = counted(len(result.fused_runs), "fused run")
        text.append(f", and bands of {len(bands)} more in {runs}")
    left = [short(name).plain for name in able if name not in held]
    return Text.assemble(text, f"; in DRAM: {first_few(left)}" if left else "")


def _fullest_line(result: HardwareResult) -> Text:
    """The layer or the fused run during which the SRAM is fullest, and what fills it."""
    row, run = fullest(result)
    needed, resident = row.sram_bits or 0, row.resident_bits
    held, capacity = SRAM.number(needed + resident), result.accelerator.sram_bits
    assert capacity is not None  # without it no layer has tiles
    during, what = short(row.name), "tiles"
    if run is not None:
        last = result.network.layers[run.last].name
        during, what = Text.assemble(during, " to ", short(last), ", fused"), "run"
    return Text.assemble(
        "SRAM fullest during ",
        during,
        f": resident {SRAM.number(resident)} + {what} {SRAM.number(needed)} = {held} of "
        f"{SRAM.amount(capacity)}",
    )


def _tensor_table(result: HardwareResult) -> Table:
    """A row for each tensor that stays: its width, its size, the layers over which it does.

    Where layers are fused also whether it stays whole or as a band, and of how many rows.
    """
    network, held, rows = result.network, held_during(result), band_rows(result)
    amounts, unit = scaled([*held_bits(result).values()], BIT_UNITS)
    layers = network.layers
    ends = [(layers[first].name, layers[last].name) for first, last in held.values()]
    fused = bool(result.fused_runs)
    columns: dict[str, list[RenderableType]] = {
        "~tensor on chip" if fused else "~resident tensor": [literal(name) for name in held],
        "<place": ["band" if name in rows else "chip" for name in held],
        "bits": [four_digits(result.tensor_bits[name]) for name in held],
        "rows": [_rows_text(rows.get(name)) for name in held],
        f"size\n{unit}": [*amounts],
        "layers": [_numbers(*span) for span in held.values()],
        "~from": [literal(first) for first, _ in ends],
        "~to": [literal(last) for _, last in ends],
    }
    return columns_table(
        (name, cells) for name, cells in columns.items() if fused or name not in ("<place", "rows")
    )


def _rows_text(rows: tuple[int, int] | None) -> str:
    """``3 of 56`` rows of a band; all of what stays whole."""
    return "all" if rows is None else f"{rows[0]:,} of {rows[1]:,}"


def _numbers(first: int, last: int) -> str:
    """``3–5``: numbers of layers, counted from 1."""
    return f"{first + 1}–{last + 1}"


def _run_table(result: HardwareResult, runs: list[RunFigures]) -> Table:
    """A row for each fused run: its layers, what it holds, its two times, and the roof."""
    parts = ("weights", "bands", "input", "psums")
    sizes = [(*(getattr(x, part) for part in parts),) for x in runs]
    every = [bits for size in sizes for bits in (*size, sum(size))]
    amounts, unit = scaled(every, BIT_UNITS)
    timed = runs[0].memory_s is not None
    seconds = [x for run in runs for x in (run.compute_s, run.memory_s or 0.0)]
    times, time_unit = scaled(seconds, TIME_UNITS)
    headings = ("weights", "bands", "rows of\ninput", "partial\nsums", "in all")
    made = table(
        *("<fused\nrun", "layers", "~from", "~to"),
        *(f"{name}\n{unit}" if "\n" not in name else f"{name} {unit}" for name in headings),
        f"compute\n{time_unit}",
        *([f"DRAM\n{time_unit}", "<bound\nby"] if timed else []),
    )
    layers = result.network.layers
    for i, figures in enumerate(runs):
        run = figures.run
        made.add_row(
            str(i + 1),
            _numbers(run.first, run.last),
            literal(layers[run.first].name),
            literal(layers[run.last].name),
            *amounts[5 * i : 5 * i + 5],
            times[2 * i],
            *([times[2 * i + 1]] if timed else []),
            *([roof_text(result.layer_designs[run.first].bound_by)] if timed else []),
        )
    return made
