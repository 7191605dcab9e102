"""What a design's hardware takes beside its budgets: area by part, or what it takes of an FPGA."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.gridspec import SubplotSpec
from matplotlib.ticker import MaxNLocator

from codesign.results.hardware_result import HardwareResult
from codesign.results.plots.drawing import RIM, Figure, Look, title_and_legend
from codesign.specs.fpga import Fpga
from codesign.units import ABSENT, METRIC_UNITS, four_digits

PARTS: dict[str, Look] = {"PE array": {"color": "#7d8590"}, "SRAM": {"color": "#d9dde3"}}
TAKEN: Look = {"color": "#7d8590"}  # of an FPGA
MARGIN = 1.06  # of the longest bar, or its budget
BUDGET: Look = {"color": "black", "lw": 1.6, "ls": "--"}


def has_bars(result: HardwareResult) -> bool:
    """Whether anything is known of what its hardware takes."""
    return bool(result.area_breakdown_mm2) or "lut" in result.metrics or "bram" in result.metrics


def draw_bars(
    picture: Figure, place: SubplotSpec, result: HardwareResult, budgets: Mapping[str, float]
) -> None:
    """One bar of areas; on an FPGA a bar each of LUTs, DSP blocks and block RAMs, side by side."""
    if not isinstance(result.accelerator.technology, Fpga):
        _area(picture.add_subplot(place), result, budgets.get("area_mm2"))
        return
    metrics = result.metrics
    resources = [x for x in Fpga.hardware_metrics if x in metrics]
    shown = [x for x in resources if metrics[x] > 0 or x in budgets]
    places = place.subgridspec(1, len(shown))
    for n, name in enumerate(shown):
        _resource(picture.add_subplot(places[n]), name, metrics[name], budgets.get(name))


def _area(axes: Axes, result: HardwareResult, budget: float | None) -> None:
    start, legend = 0.0, list[Any]()
    for part, look in PARTS.items():
        mm2 = result.area_breakdown_mm2.get(part)
        label = f"{part}: {ABSENT if mm2 is None else f'{four_digits(mm2)} mm²'}"
        legend.append(axes.barh([0], [mm2 or 0.0], left=start, label=label, **look, **RIM))
        start += mm2 or 0.0
    if budget is not None:
        label = f"budget: {four_digits(budget)} mm²"
        legend.append(axes.axvline(budget, label=label, **BUDGET))
    axes.set(xlim=(0, MARGIN * max(start, budget or 0) or 1), yticks=[], xlabel="area (mm²)")
    title_and_legend(axes, "Area", legend, 3)


def _resource(axes: Axes, name: str, taken: float, budget: float | None) -> None:
    """What of an FPGA is taken, and its budget."""
    unit = METRIC_UNITS[name]
    axes.barh([0], [taken], **TAKEN, **RIM)
    if budget is not None:
        axes.axvline(budget, **BUDGET)
        axes.set_xlabel(f"budget (dashed): {unit.number(budget)}")
    axes.set(xlim=(0, MARGIN * max(taken, budget or 0) or 1), yticks=[])
    axes.xaxis.set_major_locator(MaxNLocator(2, integer=True))
    axes.xaxis.set_major_formatter(lambda value, _: four_digits(value))
    axes.set_title(f"{unit.label}: {unit.number(taken)}", loc="left")
