"""What pictures of a result layer by layer share: their headings and their axis of layers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from codesign.arrays import Floats
from codesign.results.consistency import names_in_bands, names_on_chip
from codesign.results.design import Design
from codesign.results.evaluation import Evaluation
from codesign.results.plots.drawing import Figure, Look, budgets_text, short_label
from codesign.results.plots.labels import layer_blocks, spread
from codesign.results.text.layout import counted
from codesign.results.text.phrases import beside_usual
from codesign.specs.fpga import Fpga
from codesign.specs.network import Network
from codesign.units import METRIC_UNITS, four_digits, gap_text

MAX_NAMED_LAYERS = 30  # above, layers carry numbers only
MAX_NAME = 24  # letters of a layer's name on an axis
MOST_WEIGHTS = 6  # of a suite's members, in a heading
MOST_TOLD = 3  # of its members, below an axis
MOST_OF_A_TITLE = 50  # letters of a network's name, or a suite's with its weights, in a heading
MAX_LINE = 160  # letters of a heading's line


def titles(design: Design | Evaluation, layers: pd.DataFrame) -> list[str]:
    """What was reached and how sure that is; what was asked; with what hardware."""
    told = ""
    if len(set(design.network.layer_weights)) > 1:
        weights = [four_digits(member.weight) for member in design.network.members]
        some = ", …" if len(weights) > MOST_WEIGHTS else ""
        told = f" (weights {', '.join(weights[:MOST_WEIGHTS])}{some})"
    network = short_label(design.network.name, max(20, MOST_OF_A_TITLE - len(told))) + told
    hardware = _in_lines(_hardware(design, layers))
    if not isinstance(design, Design):
        known = {x: design.metrics[x] for x in ("latency_s",) if x in design.metrics}
        words = [f"latency {METRIC_UNITS[x].amount(value)}" for x, value in known.items()]
        on_what = f"{network} on {short_label(design.accelerator.name, 40)}"
        return [f"{on_what}: {', '.join([*words, f'{design.roofline} roofline'])}", *hardware]
    proof, unit = design.proof, METRIC_UNITS[design.problem.objective]
    sure = "proven optimal"
    if proof.status != "optimal":
        sure = f"feasible, bound {unit.amount(proof.bound)}, gap {gap_text(proof.gap)}"
    answer = f"{network}, least {unit.label}: {unit.amount(proof.objective)} – {sure}"
    limits = budgets_text(design.problem)
    return [answer, *([limits] if limits else []), *hardware]


def _hardware(design: Design | Evaluation, layers: pd.DataFrame) -> list[str]:
    """Its array, SRAM, what it takes, what stays on chip, and widths that are everywhere alike."""
    on = design.accelerator
    pe = f"{on.pe_weight_bits}×{on.pe_activation_bits} bit (weights × activations)"
    parts = [f"{on.rows} × {on.cols} PEs of {pe}{beside_usual(on)}"]
    if on.sram_bits is not None:
        parts.append(f"SRAM {METRIC_UNITS['dram_bits'].amount(on.sram_bits)}")
    silicon = "" if on.technology is None else f" in {short_label(on.technology.name, 30)}"
    taken = [x for x in Fpga.hardware_metrics if x in design.metrics]
    if taken:
        units = [(METRIC_UNITS[x], design.metrics[x]) for x in taken]
        parts += [f"{unit.number(value)} {unit.label}" for unit, value in units]
        parts[-1] += silicon
    elif "area_mm2" in design.metrics:
        parts.append(f"area {four_digits(design.metrics['area_mm2'])} mm²{silicon}")
    else:
        parts.append("area not known")
    if design.on_chip is not None:
        kept, able = len(names_on_chip(design.on_chip)), len(design.network.lifetimes)
        bands = len(names_in_bands(design.on_chip))
        held = f", {counted(bands, 'band')}" if bands else ""
        parts.append(f"{kept} of {able} tensors on chip{held}")
    widths = constant_widths(layers)
    return parts if widths is None else [*parts, f"every layer {widths}"]


def _in_lines(parts: Sequence[str]) -> list[str]:
    """Parts, with commas between, in as many lines as they need."""
    lines = [parts[0]]
    for part in parts[1:]:
        if len(lines[-1]) + len(part) < MAX_LINE:
            lines[-1] += f", {part}"
        else:
            lines.append(part)
    return lines


def write_titles(picture: Figure, lines: Sequence[str], height: float) -> None:
    """Write lines at the head of a picture, each ``height`` of the picture high."""
    for row, line in enumerate(lines):
        look: Look = {"fontsize": 12.5, "weight": "bold"} if row == 0 else {"fontsize": 10}
        picture.text(0.01, 0.984 - height * row, line, va="top", **look)


def constant_widths(layers: pd.DataFrame) -> str | None:
    """The widths in words where all layers have the same; None where they differ."""
    weights, inputs = set(layers["weight_bits"].dropna()), set(layers["input_bits"])
    if len(weights) > 1 or len(inputs) > 1:
        return None
    words = [f"weights {bits} bit" for bits in weights]
    return ", ".join([*words, *(f"input activations {bits} bit" for bits in inputs)])


def weighted(network: Network, layers: pd.DataFrame, metric: str) -> Floats:
    """A column of the layers as the metric counts it: times the weight of each one's member."""
    return np.asarray(layers[metric].to_numpy(np.float64) * network.layer_weights)


def _alone(name: str, network: Network) -> str:
    """A block's name without that of its member, which may be all there is of it."""
    own = (name[len(x.name) + 1 :] for x in network.members if name.startswith(f"{x.name}/"))
    return next(filter(None, own), name)


def name_layers(
    panels: Sequence[Axes], network: Network, layers: pd.DataFrame, metric: str = "latency_s"
) -> None:
    """Give the panels by layer one x axis: every name, or blocks of layers, or numbers.

    Blocks with their shares of a metric, where that is among the columns of the layers.
    """
    names, last = layers.index.tolist(), panels[-1]
    for axes in panels[:-1]:
        axes.sharex(last)
        axes.tick_params(axis="x", labelbottom=False)
    last.set_xlim(0.4, len(names) + 0.6)
    last.xaxis.set_major_locator(MaxNLocator(nbins=16, integer=True, steps=(1, 2, 5, 10)))
    last.set_xlabel("layer number (execution order)")
    turned: Look = {"rotation": 50, "ha": "right", "rotation_mode": "anchor"}
    if len(names) <= MAX_NAMED_LAYERS:
        ticks = [f"{short_label(name, MAX_NAME)} · {i}" for i, name in enumerate(names, 1)]
        last.set_xticks(range(1, len(names) + 1), ticks, **turned)
        return
    blocks = layer_blocks(names)
    if not blocks:
        return
    ticks = [f"{short_label(_alone(x.name, network), MAX_NAME)} · {x.numbers}" for x in blocks]
    known = metric in layers
    if known:
        share = np.cumsum(weighted(network, layers, metric))
        share /= share[-1]
        parts = np.diff([0.0, *(float(share[block.last - 1]) for block in blocks)])
        ticks = [f"{x} ({100 * part:.0f} %)" for x, part in zip(ticks, parts, strict=True)]
    middles = [(block.first + block.last) / 2 for block in blocks]
    last.set_xticks(spread(middles, len(names) / 34, 1, len(names)), ticks, **turned)
    for axes in panels:
        axes.tick_params(axis="x", length=0)
    shown = f" (share of the {METRIC_UNITS[metric].label})" if known else ""
    ends = np.cumsum([member.layers for member in network.members]).tolist()
    told = [
        f"{short_label(x.name, MAX_NAME)} {end - x.layers + 1}–{end}"
        for x, end in zip(network.members, ends, strict=True)
    ]
    members = [", ".join(told)] if 0 < len(told) <= MOST_TOLD else []
    last.set_xlabel("\n".join((f"blocks of layers: numbers in execution order{shown}", *members)))
    for axes in panels:
        for block in blocks[:-1]:
            axes.axvline(block.last + 0.5, color="0.55", lw=0.7, ls=":", zorder=0.7)
