"""Totals of a network on an accelerator: every metric, and areas with what is extrapolated."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence

from codesign.costs.area import pe_area_um2, pe_bops, sram_area_um2
from codesign.costs.fpga import array_dsp, array_lut, bram
from codesign.costs.fusion import FusedRun
from codesign.costs.layer_energy import LayerEnergy, layer_energies, rates_of
from codesign.costs.layers import LayerDesign
from codesign.costs.widths import layer_bops, model_bits, noise
from codesign.specs.accelerator import Accelerator
from codesign.specs.fpga import Fpga
from codesign.specs.network import Network
from codesign.specs.technology import AreaFit, QuadraticFit
from codesign.units import UM2_PER_MM2, of_member

ONCE = ("noise", "model_bits")  # of a suite: what does not grow with how often a member is executed


def totals(
    network: Network,
    accelerator: Accelerator,
    tensor_bits: Mapping[str, int],
    layers: Sequence[LayerDesign],
    noise_of: Callable[[str, int], float],
    on_chip: Collection[str],
    runs: Sequence[FusedRun],
) -> tuple[dict[str, float], dict[str, str]]:
    """All metrics that are known, and why the others are not.

    Parameters
    ----------
    noise_of : callable
        Noise of ``"weight:<layer>"`` or ``"tensor:<tensor>"`` at a width.
    on_chip : collection of str
        Tensors that are resident.
    runs : sequence of FusedRun
    """
    absent = {}
    if accelerator.dram_bits_per_s is None:
        absent["latency_s"] = "no DRAM bandwidth is given"
    if accelerator.number_format != "integer":
        reason = "defined for integers, not for floating point"
        absent |= {"noise": reason, "bops": reason}
    members: list[int | None] = [*range(len(network.members))] or [None]
    each = [_sums(network, tensor_bits, layers, noise_of, absent, member) for member in members]
    taken, unknown = hardware_totals(accelerator)
    energy, missing = energies(
        *(network, accelerator, tensor_bits, layers, taken.get("area_mm2")), on_chip, runs
    )
    every = model_bits(network, layers)
    metrics, absent = over_members(network, each, every) | taken, absent | unknown
    if missing:
        absent["energy_j"] = "; ".join(missing)
        return metrics, absent
    mine = [[i for i, m in enumerate(network.member_of) if x in (None, m)] for x in members]
    joules = [{"energy_j": math.fsum(energy[i].total_j for i in those)} for those in mine]
    return metrics | over_members(network, joules, every), absent


def _sums(
    network: Network,
    tensor_bits: Mapping[str, int],
    layers: Sequence[LayerDesign],
    noise_of: Callable[[str, int], float],
    absent: Collection[str],
    member: int | None,
) -> dict[str, float]:
    """What adds up over layers and tensors but energy, of one member or of all; see `totals`."""
    each = zip(network.layers, layers, network.member_of, strict=True)
    rows = [(layer, row) for layer, row, m in each if member in (None, m)]
    sums = {
        "dram_bits": float(sum(row.dram_bits.total for _, row in rows)),
        "model_bits": model_bits(network, layers, member),
    }
    if "latency_s" not in absent:
        sums["latency_s"] = math.fsum(row.latency_s or 0.0 for _, row in rows)
    if "noise" not in absent:
        sums["noise"] = noise(network, layers, tensor_bits, noise_of, member)
        sums["bops"] = math.fsum(
            float(layer_bops(layer, row.weight_bits, tensor_bits[layer.input]))
            for layer, row in rows
            if row.weight_bits is not None
        )
    return sums


def over_members(
    network: Network, each: Sequence[Mapping[str, float]], model_bits: float
) -> dict[str, float]:
    """Sums of a network from those of each of its members, with theirs where it is a suite.

    Each times its weight; but model size and noise do not grow with how often one is executed, and
    ``model_bits`` is given: weights that members share count once.
    """
    if not network.members:
        return dict(each[0])
    found = {}
    for name in each[0]:
        if name == "model_bits":
            found[name] = model_bits
            continue
        weights = [1.0 if name in ONCE else member.weight for member in network.members]
        found[name] = math.fsum(w * of[name] for w, of in zip(weights, each, strict=True))
    for member, of in zip(network.members, each, strict=True):
        found |= {of_member(name, member.name): value for name, value in of.items()}
    return found


def hardware_totals(accelerator: Accelerator) -> tuple[dict[str, float], dict[str, str]]:
    """The metrics that the hardware alone decides, and why those that are not known are not."""
    if isinstance(accelerator.technology, Fpga):
        return resources(accelerator, accelerator.technology)
    parts, missing = areas_mm2(accelerator)
    area_mm2 = math.fsum(parts.values())
    if missing:
        return {}, {"area_mm2": "; ".join(missing)}
    if area_mm2 <= 0:
        return {}, {"area_mm2": "PE array and SRAM together have no positive area by the fits"}
    return {"area_mm2": area_mm2}, {}


def energies(
    network: Network,
    accelerator: Accelerator,
    tensor_bits: Mapping[str, int],
    layers: Sequence[LayerDesign],
    area_mm2: float | None,
    on_chip: Collection[str],
    runs: Sequence[FusedRun],
) -> tuple[list[LayerEnergy], tuple[str, ...]]:
    """Energy of every layer, by part; none, and why, where it is not known. As `totals`."""
    missing, (rates, _) = no_energy(accelerator, layers, area_mm2), rates_of(accelerator, area_mm2)
    if missing:
        return [], missing
    assert rates is not None
    return layer_energies(network, accelerator, rates, tensor_bits, layers, on_chip, runs), ()


def no_energy(
    accelerator: Accelerator, layers: Sequence[LayerDesign], area_mm2: float | None
) -> tuple[str, ...]:
    """Why the energy is not known; nothing where it is."""
    missing = rates_of(accelerator, area_mm2)[1]
    if any(row.sram_bits is None for row in layers):
        missing += ("the ideal roofline has no tiles to count accesses of the SRAM by",)
    return missing


def areas_mm2(accelerator: Accelerator) -> tuple[dict[str, float], tuple[str, ...]]:
    """Area of the PE array (overhead included) and of the SRAM, and why one is not known.

    With the SRAM the buffers beside it.
    """
    parts, missing = {}, []
    technology, sram_bits = accelerator.technology, accelerator.sram_bits
    if isinstance(technology, Fpga):
        return {}, ()
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
        sram_um2 = float(sram_area_um2(technology, sram_bits, accelerator.buffers))
        parts["SRAM"] = sram_um2 / UM2_PER_MM2
    return parts, tuple(missing)


def resources(accelerator: Accelerator, fpga: Fpga) -> tuple[dict[str, float], dict[str, str]]:
    """What an accelerator takes of an FPGA, by metric, and why the rest is not known."""
    taken: dict[str, float] = {}
    absent: dict[str, str] = {}
    if _fit_describes_pe(accelerator):
        pes = (
            *(accelerator.rows, accelerator.cols),
            *(accelerator.pe_weight_bits, accelerator.pe_activation_bits),
        )
        taken["lut"] = float(array_lut(fpga, *pes, accelerator.area_overhead))
        taken["dsp"] = float(array_dsp(fpga, *pes))
    else:
        absent |= dict.fromkeys(("lut", "dsp"), _no_pe_area(accelerator))
    if accelerator.sram_bits is None:
        absent["bram"] = "no SRAM capacity is given"
    else:
        srams = (accelerator.sram_bits, *accelerator.buffers)
        taken["bram"] = float(bram(fpga, [bits for bits in srams if bits is not None]).sum())
    return taken, absent


def extrapolations(accelerator: Accelerator) -> tuple[str, ...]:
    """Where an area leans on a scaled fit, or on one outside the range it was calibrated for."""
    technology = accelerator.technology
    if technology is None or isinstance(technology, Fpga):
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
        srams = (accelerator.sram_bits, *accelerator.buffers)
        sram = technology.sram_area_um2
        leans += [("SRAM area", bits, "bits", sram) for bits in srams if bits is not None]
    energies_lean = accelerator.energy is None and technology.energy is not None
    found = [*technology.scaling_note] if leans or energies_lean else []
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
