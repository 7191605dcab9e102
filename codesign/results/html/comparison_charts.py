"""Charts of a comparison: parts of its differences, and time and widths of every layer."""

from __future__ import annotations

from collections.abc import Sequence

from codesign.results.comparison import Compared, Comparison, Explained
from codesign.results.html.layer_charts import RIM, Trace, axis, layer_axis
from codesign.results.html.parts import Chart, chart_text
from codesign.results.text.comparison import LABELS
from codesign.results.text.phrases import signed
from codesign.units import METRIC_UNITS, MS_PER_S, four_digits

LOOKS = (  # a colour and a hatch for each result, one after the other
    *(("theme:paper", ""), ("theme:a", ""), ("theme:b", "/"), ("theme:c", "x")),
    *(("theme:e", "\\"), ("theme:f", ".")),
)
TOLD = ("latency_s", "interval_s", "dram_bits", "area_mm2", "energy_j")


def difference_charts(comparison: Comparison) -> list[Chart]:
    """For each metric whose differences have parts, a bar for each part of each result."""
    found = []
    for metric in TOLD:
        told = [each.of(metric) for each in comparison.differences]
        if any(x is not None and any(x.parts.values()) for x in told):
            found.append(_parts_chart(comparison, metric, told))
    return found


def _parts_chart(comparison: Comparison, metric: str, told: Sequence[Explained | None]) -> Chart:
    unit = METRIC_UNITS[metric]
    names = [*dict.fromkeys(x for each in told if each is not None for x in each.parts)]
    labels, data = [LABELS.get(x, chart_text(x)) for x in names], list[Trace]()
    for number, each in enumerate(told, 1):
        if each is None:
            continue
        values = [each.parts.get(x, 0.0) / unit.scale for x in names]
        letter = comparison.letter(number)
        hover = [
            f"{label}<br>{letter} − A: {signed(x)} {unit.unit}".rstrip()
            for label, x in zip(labels, values, strict=True)
        ]
        whole = signed(each.difference / unit.scale)
        data.append(
            {
                "type": "bar",
                "orientation": "h",
                "x": values,
                "y": labels,
                "name": f"{letter} − A: {whole} {unit.unit}".rstrip(),
                "hovertext": hover,
                "hoverinfo": "text",
                "marker": _filled(number),
            }
        )
    layout = {
        "xaxis": axis(f"part of the difference ({unit.unit})" if unit.unit else "part"),
        "yaxis": {"autorange": "reversed", "automargin": True},
        "barmode": "group",
    }
    says = f"bars: the part of each change or component in the difference of {unit.label}"
    height = 160 + 26 * len(names) * max(1, len(data))
    return Chart(f"Why the {unit.label} differs", says, data, layout, height)


def _filled(number: int) -> Trace:
    """The look of a result's bars."""
    colour, hatch = LOOKS[number % len(LOOKS)]
    pattern = {"shape": hatch, "fgcolor": "theme:hatch", "size": 6, "solidity": 0.18}
    return {"color": colour, "line": RIM, "pattern": pattern | {"bgcolor": colour}}


def layer_charts(comparison: Comparison) -> list[Chart]:
    """Time and widths of every layer of those results that have the first one's network."""
    shown = [(n, each) for n, each in enumerate(comparison.results) if each.layers]
    if len(shown) < 2:
        return []
    names = [f"{n} · {chart_text(x.name)}" for n, x in enumerate(shown[0][1].layers, 1)]
    return [_times_chart(comparison, shown, names), _widths_chart(comparison, shown, names)]


def _times_chart(
    comparison: Comparison, shown: Sequence[tuple[int, Compared]], names: Sequence[str]
) -> Chart:
    data: list[Trace] = []
    for number, each in shown:
        timed = each.layers[0].latency_s is not None
        busy_s = [(row.cycles or 0) / each.hardware.clock_hz for row in each.layers]
        ms = [
            MS_PER_S * (own_s if row.latency_s is None else row.latency_s)
            for own_s, row in zip(busy_s, each.layers, strict=True)
        ]
        letter = comparison.letter(number)
        hover = [
            f"{name}<br>{letter}: {four_digits(x)} ms" for name, x in zip(names, ms, strict=True)
        ]
        data.append(
            {
                "type": "bar",
                "x": [*range(1, len(names) + 1)],
                "y": ms,
                "name": letter if timed else f"{letter}, compute alone",
                "hovertext": hover,
                "hoverinfo": "text",
                "marker": _filled(number),
            }
        )
    layout = {"xaxis": layer_axis(names), "yaxis": axis("time (ms)"), "barmode": "group"}
    return Chart("Time per layer", "bars: the time of each layer of each result", data, layout)


def _widths_chart(
    comparison: Comparison, shown: Sequence[tuple[int, Compared]], names: Sequence[str]
) -> Chart:
    data: list[Trace] = []
    symbols, dashes = ("circle-open", "square", "diamond", "x"), ("dash", "solid", "dot")
    for number, each in shown:
        letter, colour = comparison.letter(number), ("ink", "a", "b", "c", "e", "f")[number % 6]
        widths: dict[str, list[int | None]] = {
            "weights": [row.weight_bits for row in each.layers],
            "input activations": [row.input_bits for row in each.layers],
        }
        for kind, (word, bits) in enumerate(widths.items()):
            hover = [
                f"{name}<br>{letter}, {word}: {x} bit" for name, x in zip(names, bits, strict=True)
            ]
            marker = {
                "symbol": symbols[(number + 2 * kind) % len(symbols)],
                "size": 10 - 4 * kind,
                "color": f"theme:{colour}",
            }
            data.append(
                {
                    "type": "scatter",
                    "mode": "lines+markers",
                    "x": [*range(1, len(names) + 1)],
                    "y": bits,
                    "marker": marker,
                    "line": {
                        "shape": "hvh",
                        "width": 1.2,
                        "color": f"theme:{colour}",
                        "dash": dashes[(number + kind) % len(dashes)],
                    },
                    "name": f"{letter}, {word}",
                    "hovertext": hover,
                    "hoverinfo": "text",
                }
            )
    layout = {"xaxis": layer_axis(names), "yaxis": axis("width (bits)", rangemode="tozero")}
    return Chart(
        "Bitwidths per layer", "widths of each layer's weights and inputs", data, layout, 380
    )
