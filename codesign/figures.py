"""Every figure of a network on an accelerator: layers with their tiles and traffic, and totals.

What a design found by the search and a given accelerator's evaluation have in common.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Literal, Protocol

import numpy as np
import numpy.typing as npt
from pydantic import Field

from codesign.amounts import told_apart
from codesign.costs.area import pe_area_um2, pe_bops, sram_area_um2
from codesign.costs.arithmetic import layer_bops
from codesign.costs.compute import cycles, fold, precision_passes
from codesign.costs.tiling import ORDERS, Tilings, operand_bits, tilings
from codesign.errors import SpecError
from codesign.hardware import Accelerator
from codesign.network import Count, Layer, Name, Network
from codesign.schema import described
from codesign.source_widths import model_bits, noise
from codesign.technology import AreaFit, QuadraticFit
from codesign.units import BITS_PER_KBIT, OPS_PER_GOP, OPS_PER_MAC, OPS_PER_TOP, UM2_PER_MM2

if TYPE_CHECKING:
    import pandas as pd

Amount = Annotated[float, Field(ge=0, le=1e30, allow_inf_nan=False)]
Seconds = Annotated[float, Field(gt=0, le=1e30, allow_inf_nan=False)]
Whole = Annotated[int, Field(strict=True, ge=0)]
Order = Annotated[str, Field(pattern="^(kcp|ckp|kpc|pkc|cpk|pck)$")]
Roof = Literal["compute", "memory"]


@described
class Tile:
    """Groups, output channels, input channels, output rows and images of one tile."""

    g: Count
    k: Count
    c: Count
    p: Count
    images: Count


@described
class Traffic:
    """DRAM bits of one layer by what moves."""

    weights: Whole
    ifmap: Whole
    output: Whole
    psum: Whole
    residual: Whole

    @property
    def total(self) -> int:
        """All bits the layer moves."""
        return self.weights + self.ifmap + self.output + self.psum + self.residual


@described
class LayerDesign:
    """One layer on an accelerator.

    A layer that only moves data has neither weights nor tiles, takes no cycles and needs no SRAM.

    Attributes
    ----------
    weight_bits : int or None
        Width of the weight operand (of the weight tensor, where that stands in); None where data
        only moves, as are ``tile`` and ``order``.
    tile : Tile or None
    order : str or None
        Tile loops, outermost first: a permutation of ``kcp``.
    cycles : int or None
    sram_bits : int or None
        What its tiling needs. This and the three above are None on the ideal roofline, which
        has no tiles.
    dram_bits : Traffic
    compute_s : float
        0 where data only moves, and only there.
    memory_s, latency_s : float or None
        ``latency_s`` is the longer of the two; None where no DRAM bandwidth is known.
    bound_by : "compute", "memory" or None
    """

    name: Name
    weight_bits: Count | None
    tile: Tile | None
    order: Order | None
    cycles: Whole | None
    sram_bits: Whole | None
    dram_bits: Traffic
    compute_s: Amount
    memory_s: Seconds | None
    latency_s: Seconds | None
    bound_by: Roof | None


class Figures(Protocol):
    """What tables and pictures show: a design, or an evaluation."""

    @property
    def network(self) -> Network:
        """What runs."""

    @property
    def accelerator(self) -> Accelerator:
        """What it runs on."""

    @property
    def tensor_bits(self) -> Mapping[str, int]:
        """Width of every activation tensor."""

    @property
    def layer_designs(self) -> tuple[LayerDesign, ...]:
        """One per layer of the network."""

    @property
    def metrics(self) -> Mapping[str, float]:
        """Those that are known."""

    @property
    def area_breakdown_mm2(self) -> Mapping[str, float]:
        """Area of the PE array and of the SRAM, where known."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader has to know beside the figures."""

    @property
    def layers(self) -> pd.DataFrame:
        """One row per layer."""


def tiled_layer(
    network: Network,
    layer: Layer,
    accelerator: Accelerator,
    weight_bits: int,
    tensor_bits: Mapping[str, int],
    table: Tilings,
    row: int,
) -> LayerDesign:
    """Price a layer with one tiling, row ``row`` of ``table``."""
    ifmap_bits = tensor_bits[layer.input]
    operands = _operands(layer, accelerator, weight_bits, ifmap_bits)
    weights, ifmap, psum = (int(x) for x in table.traffic[row] * operands)
    traffic = _traffic(network, layer, tensor_bits, weights, ifmap, psum)
    count = int(cycles(layer, accelerator.rows, accelerator.cols, accelerator.engine))
    count *= _passes(accelerator, weight_bits, ifmap_bits)
    compute_s = count / accelerator.clock_hz
    g, k, c, p, images = (int(x) for x in table.tile[row])
    return _row(
        layer,
        accelerator,
        weight_bits,
        compute_s,
        traffic,
        tile=Tile(g=g, k=k, c=c, p=p, images=images),
        order=ORDERS[int(table.order[row])],
        cycles=count,
        sram_bits=int(table.need[row] @ operands),
    )


def best_tiled_layer(
    network: Network,
    layer: Layer,
    accelerator: Accelerator,
    weight_bits: int,
    tensor_bits: Mapping[str, int],
) -> LayerDesign:
    """Price a layer with the tiling of least DRAM traffic that fits the SRAM, then of least need.

    Raises
    ------
    SpecError
        No tiling fits.
    """
    assert accelerator.sram_bits is not None
    table = tilings(layer, accelerator.rows, accelerator.cols, accelerator.engine)
    operands = _operands(layer, accelerator, weight_bits, tensor_bits[layer.input])
    need, moved = table.need @ operands, table.traffic @ operands
    if need.min() > accelerator.sram_bits:
        held, (needed,) = told_apart(accelerator.sram_bits, [need.min()], BITS_PER_KBIT)
        raise SpecError(
            f"accelerator {accelerator.name!r}: its SRAM of {held} kbit holds no tile of layer "
            f"{layer.name!r}, which needs {needed} kbit at {weight_bits} × "
            f"{tensor_bits[layer.input]} bit"
        )
    fitting = np.flatnonzero(need <= accelerator.sram_bits)
    row = int(fitting[np.lexsort((need[fitting], moved[fitting]))[0]])
    return tiled_layer(network, layer, accelerator, weight_bits, tensor_bits, table, row)


def ideal_layer(
    network: Network,
    layer: Layer,
    accelerator: Accelerator,
    weight_bits: int,
    tensor_bits: Mapping[str, int],
) -> LayerDesign:
    """Price a layer at the paper's roofline: every multiplier busy, every tensor moved once."""
    ifmap_bits = tensor_bits[layer.input]
    macs = layer.macs * _passes(accelerator, weight_bits, ifmap_bits)
    compute_s = macs / accelerator.peak_macs_per_s
    traffic = _traffic(
        network, layer, tensor_bits, layer.weights * weight_bits, layer.ifmap * ifmap_bits, 0
    )
    return _row(layer, accelerator, weight_bits, compute_s, traffic)


def moving_layer(
    network: Network,
    layer: Layer,
    accelerator: Accelerator,
    tensor_bits: Mapping[str, int],
    tiled: bool,
) -> LayerDesign:
    """Price a layer that only moves data: what it reads and writes, each once."""
    traffic = _traffic(network, layer, tensor_bits, 0, layer.ifmap * tensor_bits[layer.input], 0)
    none = 0 if tiled else None
    return _row(layer, accelerator, None, 0.0, traffic, cycles=none, sram_bits=none)


def utilisation(layer: Layer, priced: LayerDesign, accelerator: Accelerator) -> float | None:
    """Share of the peak MACs that a layer's latency is worth.

    None where that is not known, or the layer has no MACs.
    """
    if priced.latency_s is None or layer.moves:
        return None
    return layer.macs / (priced.latency_s * accelerator.peak_macs_per_s)


def totals(
    network: Network,
    accelerator: Accelerator,
    tensor_bits: Mapping[str, int],
    layers: Sequence[LayerDesign],
    noise_of: Callable[[str, int], float],
) -> tuple[dict[str, float], dict[str, str]]:
    """All metrics that are known, and why the others are not.

    Parameters
    ----------
    noise_of : callable
        Noise of ``"weight:<layer>"`` or ``"tensor:<tensor>"`` at a width.
    """
    metrics = {
        "dram_bits": float(sum(row.dram_bits.total for row in layers)),
        "model_bits": model_bits(network, layers),
    }
    absent = {}
    if accelerator.dram_bits_per_s is None:
        absent["latency_s"] = "no DRAM bandwidth is given"
    else:
        metrics["latency_s"] = math.fsum(row.latency_s or 0.0 for row in layers)
    if accelerator.number_format == "integer":
        metrics["noise"] = noise(network, layers, tensor_bits, noise_of)
        metrics["bops"] = math.fsum(
            float(layer_bops(layer, row.weight_bits, tensor_bits[layer.input]))
            for layer, row in zip(network.layers, layers, strict=True)
            if row.weight_bits is not None
        )
    else:
        reason = "defined for integers, not for floating point"
        absent |= {"noise": reason, "bops": reason}
    parts, missing = areas_mm2(accelerator)
    if missing:
        absent["area_mm2"] = "; ".join(missing)
    else:
        metrics["area_mm2"] = math.fsum(parts.values())
    return metrics, absent


def throughput(figures: Figures) -> dict[str, float]:
    """Rates in conventional units, two operations a MAC: those that are known.

    ``peak_gops`` with every multiplier busy and ``gops`` as attained over the whole network, in
    10⁹ operations per second; both in 10¹² per mm² of the whole area, ``peak_tops_per_mm2`` and
    ``tops_per_mm2``; ``images_per_s``.
    """
    network, metrics = figures.network, figures.metrics
    rates = {"peak_": OPS_PER_MAC * figures.accelerator.peak_macs_per_s}
    found = {}
    if "latency_s" in metrics:
        rates[""] = OPS_PER_MAC * network.macs / metrics["latency_s"]
        found["images_per_s"] = network.images / metrics["latency_s"]
    found |= {f"{which}gops": rate / OPS_PER_GOP for which, rate in rates.items()}
    if "area_mm2" in metrics:
        for which, rate in rates.items():
            found[f"{which}tops_per_mm2"] = rate / OPS_PER_TOP / metrics["area_mm2"]
    return found


def peaks_ops_per_s(figures: Figures) -> dict[str, float]:
    """The most a full array delivers of one kernel, by kernel, those of most MACs first.

    A MAC counts as two operations. On tiles, kernels smaller than the engine share a PE as far as
    they fit and larger ones take whole passes; on the ideal roofline no multiplier idles.
    """
    accelerator = figures.accelerator
    tiled = any(row.tile is not None for row in figures.layer_designs)
    macs, peaks = dict[str, int](), dict[str, float]()
    for layer in (layer for layer in figures.network.layers if not layer.moves):
        kernel = f"{layer.R}×{layer.S}"
        macs[kernel] = macs.get(kernel, 0) + layer.macs
        macs_per_s = accelerator.peak_macs_per_s
        if tiled:
            on = fold(layer, accelerator.rows, accelerator.cols, accelerator.engine)
            macs_per_cycle = accelerator.pes * on.pack * layer.window / on.passes
            macs_per_s = macs_per_cycle * accelerator.clock_hz
        peaks[kernel] = OPS_PER_MAC * macs_per_s
    return {kernel: peaks[kernel] for kernel in sorted(macs, key=lambda kernel: -macs[kernel])}


def areas_mm2(accelerator: Accelerator) -> tuple[dict[str, float], tuple[str, ...]]:
    """Area of the PE array (overhead included) and of the SRAM, and why one is not known."""
    parts, missing = {}, []
    technology, sram_bits = accelerator.technology, accelerator.sram_bits
    pe_um2 = accelerator.pe_area_um2
    if pe_um2 is None and _fit_describes_pe(accelerator):
        assert technology is not None
        widths = accelerator.pe_weight_bits, accelerator.pe_activation_bits
        pe_um2 = float(pe_area_um2(technology, *widths))
    if pe_um2 is None:
        missing.append(_no_pe_area(accelerator))
    elif pe_um2 <= 0:
        missing.append(f"{technology.name if technology else ''} gives its PE no positive area")
    else:
        parts["PE array"] = accelerator.area_overhead * accelerator.pes * pe_um2 / UM2_PER_MM2
    if sram_bits is None:
        missing.append("no SRAM capacity is given")
    elif technology is None:
        missing.append("no technology is given for its SRAM")
    else:
        parts["SRAM"] = float(sram_area_um2(technology, sram_bits)) / UM2_PER_MM2
    return parts, tuple(missing)


def extrapolations(accelerator: Accelerator) -> tuple[str, ...]:
    """Where an area leans on a fit outside the range it was calibrated for."""
    technology = accelerator.technology
    if technology is None:
        return ()
    leans: list[tuple[str, float, str, AreaFit | QuadraticFit]] = []
    widths = accelerator.pe_weight_bits, accelerator.pe_activation_bits
    pe = technology.pe_area_um2
    if accelerator.pe_area_um2 is None and _fit_describes_pe(accelerator):
        if isinstance(pe, QuadraticFit):
            leans += [("PE area", float(b), "bits per operand", pe) for b in sorted({*widths})]
        else:
            bops = float(pe_bops(*widths, technology.engine))
            leans.append(("PE area", bops, "BOPS per cycle", pe))
    if accelerator.sram_bits is not None:
        leans.append(("SRAM area", accelerator.sram_bits, "bits", technology.sram_area_um2))
    found = []
    for what, x, unit, fit in leans:
        if fit.calibrated and not fit.calibrated[0] <= x <= fit.calibrated[1]:
            found.append(
                f"{what} of {technology.name} at {x:.5g} {unit} is extrapolated: the fit is "
                f"calibrated for {fit.calibrated[0]:.5g} to {fit.calibrated[1]:.5g}"
            )
    return tuple(found)


def _fit_describes_pe(accelerator: Accelerator) -> bool:
    technology = accelerator.technology
    return (
        technology is not None
        and technology.engine == accelerator.engine
        and accelerator.number_format == "integer"
    )


def _no_pe_area(accelerator: Accelerator) -> str:
    technology = accelerator.technology
    if technology is None:
        return "neither a PE area nor a technology is given"
    if accelerator.number_format != "integer":
        return f"the PE fit of {technology.name} describes integers, not floating point"
    return (
        f"the PE fit of {technology.name} describes {technology.engine} multipliers per PE, "
        f"not {accelerator.engine}"
    )


def _operands(
    layer: Layer, accelerator: Accelerator, weight_bits: int, ifmap_bits: int
) -> npt.NDArray[np.int64]:
    """Bits of an element of weights, ifmap and partial sums."""
    operands = operand_bits(weight_bits, ifmap_bits, layer.accumulation_bits)
    if accelerator.psum_bits is not None:
        operands[-1] = accelerator.psum_bits
    return operands


def _passes(accelerator: Accelerator, weight_bits: int, ifmap_bits: int) -> int:
    if accelerator.precision == "fixed":
        return 1
    return precision_passes(
        weight_bits, ifmap_bits, accelerator.pe_weight_bits, accelerator.pe_activation_bits
    )


def _traffic(
    network: Network,
    layer: Layer,
    tensor_bits: Mapping[str, int],
    weights: int,
    ifmap: int,
    psum: int,
) -> Traffic:
    def once(name: str) -> int:
        return network.touched(layer, name) * tensor_bits[name]

    return Traffic(
        weights=weights,
        ifmap=ifmap,
        output=once(layer.output),
        psum=psum,
        residual=sum(once(name) for name in layer.residuals),
    )


def _row(
    layer: Layer,
    accelerator: Accelerator,
    weight_bits: int | None,
    compute_s: float,
    traffic: Traffic,
    *,
    tile: Tile | None = None,
    order: str | None = None,
    cycles: int | None = None,
    sram_bits: int | None = None,
) -> LayerDesign:
    """A layer's figures, and under which roof they stand where the DRAM is known."""
    memory_s, latency_s = None, None
    roof: Roof | None = None
    if accelerator.dram_bits_per_s is not None:
        memory_s = traffic.total / accelerator.dram_bits_per_s
        latency_s = max(compute_s, memory_s)
        roof = "compute" if compute_s >= memory_s else "memory"
    return LayerDesign(
        name=layer.name,
        weight_bits=weight_bits,
        tile=tile,
        order=order,
        cycles=cycles,
        sram_bits=sram_bits,
        dram_bits=traffic,
        compute_s=compute_s,
        memory_s=memory_s,
        latency_s=latency_s,
        bound_by=roof,
    )
