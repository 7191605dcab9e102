"""Charts of a design or an evaluation by layer: roofline, latency, widths, SRAM, energy.

Marks and bars differ by shape or hatching too, as a black-and-white print needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from codesign.results.dataflow_design import DataflowDesign
from codesign.results.hardware_result import HardwareResult
from codesign.results.html.parts import Chart, chart_text
from codesign.results.memory_map import lives_of, patches, shown_bits
from codesign.results.roofline import ceilings_gops_per_s, roofline_steps
from codesign.results.run_figures import run_numbers
from codesign.results.text.energy import part_labels
from codesign.results.text.layout import counted
from codesign.units import (
    BITS_PER_GBIT,
    BITS_PER_KBIT,
    BITS_PER_MBIT,
    METRIC_UNITS,
    MS_PER_S,
    OPS_PER_GOP,
    OPS_PER_MAC,
    four_digits,
)

Trace = dict[str, Any]
RIM = {"width": 0.8, "color": "theme:ink"}
HATCHES = {"compute": "", "memory": "/", "sram": "x"}
COLOURS = {"compute": "theme:a", "memory": "theme:b", "sram": "theme:c"}
SYMBOLS = {"compute": "square", "memory": "circle", "sram": "diamond"}
DASHES = ("dashdot", "solid", "dash")
BIT_UNITS = (("Gbit", BITS_PER_GBIT), ("Mbit", BITS_PER_MBIT), ("kbit", BITS_PER_KBIT))
PARTS = {  # of energy: a colour and a hatch
    "macs": ("theme:a", ""),
    "sram_weights": ("theme:e", "/"),
    "sram_ifmap": ("theme:e", "\\"),
    "sram_psum": ("theme:e", "."),
    "sram_output": ("theme:c", "-"),
    "sram_residual": ("theme:c", "x"),
    "dram": ("theme:b", ""),
    "weights": ("theme:e", "/"),
    "lines": ("theme:e", "\\"),
    "psums": ("theme:e", "."),
    "fifos": ("theme:c", "x"),
    "static": ("theme:f", "|"),
}
MOST_TICKS = 14  # of an axis of layers: no half layers, and room for them on a phone


def layer_names(result: HardwareResult) -> list[str]:
    """``3 · layer1.0.conv1`` of each layer."""
    return [f"{n} · {chart_text(x.name)}" for n, x in enumerate(result.network.layers, 1)]


def layer_axis(names: Sequence[str]) -> dict[str, Any]:
    """An axis of layers by their numbers."""
    room = [0.4, len(names) + 0.6]
    ticks = {"tick0": 0, "dtick": 1} if len(names) < MOST_TICKS else {"nticks": MOST_TICKS}
    return {"title": {"text": "layer number (execution order)"}, "range": room, **ticks}


def axis(title: str, **more: Any) -> dict[str, Any]:
    """An axis with what it shows."""
    return {"title": {"text": title}, **more}


def bar(
    x: Sequence[float], y: Sequence[float], name: str, look: tuple[str, str], hover: Sequence[str]
) -> Trace:
    """Bars of one look."""
    colour, hatch = look
    pattern = {"shape": hatch, "fgcolor": "theme:hatch", "size": 6, "solidity": 0.18}
    marker = {"color": colour, "line": RIM, "pattern": pattern | {"bgcolor": colour}}
    shown = {"type": "bar", "x": [*x], "y": [*y], "name": name, "marker": marker}
    return shown | {"hovertext": [*hover], "hoverinfo": "text", "showlegend": True}


def roofline_chart(result: HardwareResult) -> Chart | None:
    """Layers, or fused runs, under their ceilings; None where no DRAM bandwidth is known."""
    if result.accelerator.dram_bits_per_s is None:
        return None
    steps, peaks = roofline_steps(result), ceilings_gops_per_s(result)
    if steps.empty:
        return None
    slope = result.accelerator.dram_bits_per_s / OPS_PER_GOP
    bits = steps["dram_bits"].to_numpy(np.float64)
    moving, gops = bits > 0, steps["gops"].to_numpy(np.float64)
    x = OPS_PER_MAC * steps["macs"].to_numpy(np.float64) / np.where(moving, bits, 1)
    ridges = [peak / slope for _, peak in peaks]
    left = min([*x[moving], ridges[0]]) / 2
    right = max([*x[moving], ridges[-1]]) * 2.5
    data = [_roof([left, ridges[-1]], [left * slope, peaks[-1][1]], 0, _bandwidth(slope))]
    for i, (kernel, peak) in enumerate(peaks, 1):
        label = f"PE array{'' if len(peaks) == 1 else f', {kernel} kernels'}"
        label += f": {four_digits(peak)} GOPS"
        data.append(_roof([peak / slope, right], [peak, peak], i, label))
    hover = _roofline_hover(result, steps.index.tolist(), x, gops, moving, steps)
    at = np.where(moving, x, right / 1.3)
    things = "steps" if result.fused_runs else "layers"
    for side in (side for side in SYMBOLS if side in {*steps["bound_by"]}):
        ours = (steps["bound_by"] == side).to_numpy()
        name = f"{side}-bound: {ours.sum()} of {len(ours)} {things}"
        data.append(_points(at, gops, ours & moving, hover, name, SYMBOLS[side], COLOURS[side]))
    if not moving.all():
        name = f"without DRAM traffic: {(~moving).sum()} of these"
        data.append(_points(at, gops, ~moving, hover, name, "triangle-right", "theme:a"))
    layout = {
        "xaxis": axis("operations per DRAM bit", type="log"),
        "yaxis": axis("attained, 2 operations a MAC (GOPS)", type="log"),
    }
    says = f"roofline: {counted(len(steps), 'point')} under {counted(len(peaks) + 1, 'ceiling')}"
    return Chart(
        "Roofline by layer", f"{says}; the figures are in the table of layers", data, layout, 520
    )


def _bandwidth(slope: float) -> str:
    return f"DRAM: {four_digits(slope)} Gbit/s"


def _roof(x: Sequence[float], y: Sequence[float], number: int, name: str) -> Trace:
    line = {"color": "theme:ink", "width": 1.6, "dash": DASHES[number % len(DASHES)]}
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [*x],
        "y": [*y],
        "line": line,
        "name": name,
        "hoverinfo": "skip",
    }


def _points(
    x: Any, y: Any, which: Any, hover: Sequence[str], name: str, symbol: str, colour: str
) -> Trace:
    marker = {"symbol": symbol, "size": 11, "color": colour, "line": RIM}
    shown = {"type": "scatter", "mode": "markers", "name": name, "marker": marker}
    texts = [text for text, mine in zip(hover, which, strict=True) if mine]
    return shown | {
        "x": x[which].tolist(),
        "y": y[which].tolist(),
        "hovertext": texts,
        "hoverinfo": "text",
    }


def _roofline_hover(
    result: HardwareResult, numbers: Sequence[str], x: Any, gops: Any, moving: Any, steps: Any
) -> list[str]:
    """Of each step its layers, what it attains, its operations per bit and its latency."""
    latency, rows = METRIC_UNITS["latency_s"], result.network.layers
    told = []
    for i, number in enumerate(numbers):
        ends = [int(n) - 1 for n in str(number).split("–")]
        name = " to ".join(chart_text(rows[n].name) for n in ends)
        per = f"{four_digits(x[i])} operations per DRAM bit" if moving[i] else "no DRAM traffic"
        seconds = latency.amount(float(steps["latency_s"].iloc[i]))
        bound = f"{steps['bound_by'].iloc[i]}-bound"
        lines = [f"{number} · {name}", f"{four_digits(gops[i])} GOPS, {per}", f"{seconds}, {bound}"]
        told.append("<br>".join(lines))
    return told


def latency_chart(result: HardwareResult) -> Chart | None:
    """The latency of each layer by the roof that binds it; None where it is not known."""
    rows, names = result.layer_designs, layer_names(result)
    if any(row.latency_s is None for row in rows):
        return None
    unit, data = METRIC_UNITS["latency_s"], list[Trace]()
    for side, hatch in HATCHES.items():
        ours = [i for i, row in enumerate(rows) if row.bound_by == side]
        if not ours:
            continue
        ms = [(rows[i].latency_s or 0.0) * MS_PER_S for i in ours]
        hover = [
            f"{names[i]}<br>{unit.amount(rows[i].latency_s or 0.0)}, {side}-bound" for i in ours
        ]
        label = f"{side}-bound: Σ {four_digits(sum(ms))} {unit.unit}"
        data.append(bar([i + 1 for i in ours], ms, label, (COLOURS[side], hatch), hover))
    other = []
    for row in rows:
        times = {"compute": row.compute_s, "sram": row.sram_s, "memory": row.memory_s}
        times.pop(row.bound_by or "memory", None)
        other.append(max([x for x in times.values() if x is not None], default=0.0) * MS_PER_S)
    outline = {"width": 1.2, "color": "theme:paper"}
    marker = {"symbol": "diamond-wide", "size": 9, "color": "theme:ink", "line": outline}
    told = [f"{name}<br>{four_digits(x)} ms" for name, x in zip(names, other, strict=True)]
    data.append(
        {
            "type": "scatter",
            "mode": "markers",
            "marker": marker,
            "hoverinfo": "text",
            "x": [*range(1, len(rows) + 1)],
            "y": other,
            "hovertext": told,
            "name": "time of the other roof",
        }
    )
    once = ", each network once" if len({*result.network.layer_weights}) > 1 else ""
    layout = {
        "xaxis": layer_axis(names),
        "yaxis": axis(unit.heading),
        "barmode": "stack",
        "bargap": 0.12,
    }
    return Chart(f"Latency per layer{once}", "bars: the latency of each layer", data, layout)


def widths_chart(
    names: Sequence[str],
    weights: Sequence[int | None],
    inputs: Sequence[int],
    pe_bits: tuple[int, int] | None = None,
) -> Chart:
    """The widths of each layer's weights and inputs, and of the PEs' operands where these limit."""
    numbers = [*range(1, len(names) + 1)]
    data = list[Trace]()
    if pe_bits is not None:
        words = ("PE weights", "PE activations")
        for word, bits, dash in zip(words, pe_bits, ("dot", "longdash"), strict=True):
            line = {"color": "theme:line", "width": 2, "dash": dash}
            ends = {"x": [0.4, len(names) + 0.6], "y": [bits, bits]}
            data.append(
                {
                    "type": "scatter",
                    "mode": "lines",
                    "line": line,
                    "hoverinfo": "skip",
                    "name": f"{word}: {bits} bit",
                    **ends,
                }
            )
    looks = (
        ("input activations", inputs, "circle-open", "theme:d", "dash", 11),
        ("weights", weights, "square", "theme:a", "solid", 7),
    )
    for word, bits_of, symbol, colour, dash, size in looks:
        marker = {"symbol": symbol, "size": size, "color": colour, "line": {"width": 1.5}}
        hover = [f"{name}<br>{word} {bits} bit" for name, bits in zip(names, bits_of, strict=True)]
        line = {"shape": "hvh", "width": 1.2, "color": colour, "dash": dash}
        data.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "marker": marker,
                "line": line,
                "x": numbers,
                "y": [*bits_of],
                "name": word,
                "hovertext": hover,
                "hoverinfo": "text",
            }
        )
    layout = {
        "xaxis": layer_axis(names),
        "yaxis": axis("width (bits)", rangemode="tozero", dtick=1 if _few(inputs) else None),
    }
    return Chart(
        "Bitwidths per layer", "widths of each layer's weights and inputs", data, layout, 320
    )


def _few(bits: Sequence[int]) -> bool:
    return max(bits, default=0) <= 16


def sram_chart(result: HardwareResult) -> Chart | None:
    """What the SRAM holds during each layer; None where no SRAM is given or nothing is tiled."""
    rows, capacity = result.layer_designs, result.accelerator.sram_bits
    if capacity is None or rows[0].sram_bits is None:
        return None
    needs = np.array([row.sram_bits or 0 for row in rows], dtype=np.float64)
    held = np.array([row.resident_bits for row in rows], dtype=np.float64)
    limit = shown_bits(capacity, int((needs + held).max()))
    unit, scale = next((x for x in BIT_UNITS if limit >= x[1]), BIT_UNITS[-1])
    data, names = list[Trace](), layer_names(result)
    drawn = patches(lives_of(result), [limit - (row.sram_bits or 0) for row in rows])
    for i, patch in enumerate(drawn):
        size = METRIC_UNITS["dram_bits"].amount(patch.high[0] - patch.low[0])
        last = patch.first + len(patch.low)
        text = f"{chart_text(patch.name)}: {size}<br>layers {patch.first + 1}–{last}"
        data.append(_patch_trace(patch, scale, text, i, len(drawn)))
    runs = run_numbers(result)
    for fused, word, look in (
        (False, "tiles of the layer", ("theme:b", "/")),
        (True, "fused run", ("theme:c", ".")),
    ):
        ours = [i for i, run in enumerate(runs) if (run is not None) == fused]
        if not ours:
            continue
        hover = [
            f"{names[i]}<br>{word}: {METRIC_UNITS['dram_bits'].amount(needs[i])}" for i in ours
        ]
        most = four_digits(needs[ours].max() / scale)
        label = f"{word}: at most {most} {unit}"
        made = bar([i + 1 for i in ours], (needs[ours] / scale).tolist(), label, look, hover)
        data.append(made | {"base": ((limit - needs[ours]) / scale).tolist(), "width": 1})
    label = f"SRAM: {four_digits(capacity / scale)} {unit}"
    if limit < capacity:
        label += f" ({four_digits((capacity - limit) / scale)} {unit}, always free, left out)"
    line = {"color": "theme:ink", "width": 2, "dash": "dash"}
    data.append(
        {
            "type": "scatter",
            "mode": "lines",
            "x": [0.4, len(rows) + 0.6],
            "name": label,
            "y": [limit / scale] * 2,
            "line": line,
            "hoverinfo": "skip",
        }
    )
    layout = {
        "xaxis": layer_axis(names),
        "bargap": 0,
        "yaxis": axis(f"SRAM ({unit})", range=[0, 1.06 * limit / scale]),
        "barmode": "overlay",
    }
    says = "what the SRAM holds during each layer; the tensors are in the table below"
    return Chart("SRAM over time: what is empty is free", says, data, layout, 460)


def _patch_trace(patch: Any, scale: float, text: str, index: int, count: int) -> Trace:
    """A tensor as an area: along its lower edge to the right, along its upper one back."""
    edges = np.repeat(patch.first + 0.5 + np.arange(len(patch.low) + 1), 2)[1:-1]
    low, high = np.repeat(patch.low, 2) / scale, np.repeat(patch.high, 2) / scale
    shades = ("theme:e", "theme:a")
    return {
        "type": "scatter",
        "mode": "lines",
        "fill": "toself",
        "hoveron": "fills",
        "x": [*edges, *edges[::-1]],
        "y": [*low, *high[::-1]],
        "text": text,
        "fillcolor": shades[index % len(shades)],
        "line": {"color": "theme:ink", "width": 0.7},
        "hoverinfo": "text",
        "name": f"{counted(count, 'resident tensor')}",
        "legendgroup": "resident",
        "showlegend": not index,
    }


def energy_charts(
    result: HardwareResult | DataflowDesign, names: Sequence[str], of: str = "layer"
) -> list[Chart]:
    """The energy of each layer, or stage, by part; none where it is not known, or nothing."""
    energy = result.energy
    if energy is None or energy.total_j == 0:
        return []
    unit, labels = METRIC_UNITS["energy_j"], part_labels(energy)
    data = []
    for part, label in labels.items():
        if not energy.parts_j[part] > 0:
            continue
        each = [x.parts_j[part] for x in energy.layers]
        hover = [
            f"{name}<br>{label}: {unit.amount(x)}" for name, x in zip(names, each, strict=True)
        ]
        values = [x / unit.scale for x in each]
        data.append(bar([*range(1, len(names) + 1)], values, label, PARTS[part], hover))
    layout: Mapping[str, Any] = {
        "xaxis": layer_axis(names),
        "yaxis": axis(unit.heading),
        "barmode": "stack",
        "bargap": 0.12,
    }
    return [Chart(f"Energy per {of} by part", f"the energy of each {of} by part", data, layout)]
