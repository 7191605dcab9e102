"""What latency, DRAM bits and energy add to the Lagrangian of layers, along their tables' axes.

Axes: ``B`` hardware options of a batch, ``K`` kinds of a family, ``w`` widths.
"""

from __future__ import annotations

import numpy as np

from codesign.arrays import Floats
from codesign.search.bounds.batch import Batch
from codesign.search.bounds.families import Family

CACHED = 2**15  # entries worked on at once, so that they stay near the processor (256 KiB)


def static_w(batch: Batch) -> Floats:
    """(B,): power at all times."""
    assert batch.energy is not None
    return batch.energy.static_w


def of_fused(family: Family, batch: Batch) -> Floats:
    """(B, K, w, w): energies of the kinds in fused runs, but for what they move beside weights."""
    assert batch.energy is not None
    return family.of_left(batch.energy.fused[:, family.geometry])


def along(of_options: Floats, tables: Floats) -> Floats:
    """(B, 1, …) or (B, K, …): a number of each option, or of each kind too, beside tables."""
    return of_options.reshape(*of_options.shape, *(1,) * (tables.ndim - of_options.ndim))


def on_chip_s(family: Family, batch: Batch, traffic: Floats | None) -> Floats:
    """(B, K, w, …): the longer of compute and what the port takes at least, along all axes.

    ``traffic``: DRAM bits of `Family.rooms_asked`, None of a family without open places.
    """
    compute_s, tables = family.compute_s(batch), batch.port
    if tables is None:
        return compute_s
    if traffic is None:
        bits = family.spread(family.of_kinds(tables.bits(batch.traffic)))
    else:
        rows, _, which = family.rooms_asked
        bits = np.take(tables.asked(rows, traffic), which, axis=1)
    return np.asarray(np.maximum(compute_s, (bits + family.extra_port_bits) / tables.bits_per_s))


def least_on_chip_s(batch: Batch) -> Floats:
    """(B, geometries, w, w): the same whatever is on chip, without output and residuals."""
    compute_s, tables = batch.compute_s, batch.port
    if tables is None:
        return compute_s
    bits = tables.bits(batch.traffic)
    bits = bits.reshape(len(batch), -1, compute_s.shape[1], *bits.shape[2:]).min(axis=1)
    return np.asarray(np.maximum(compute_s, bits / tables.bits_per_s))


def charged_costs(
    batch: Batch, coefficients: tuple[Floats, Floats, Floats], *costs: Floats
) -> list[Floats]:
    """What latency, DRAM bits and energy add to the Lagrangian; inf stays where it was.

    Costs are those of `LayerTables.costs_of`, coefficients (B, K or 1). Static power makes latency
    cost energy.
    """
    (latency, dram, energy), (latency_s, dram_bits, *energies) = coefficients, costs
    if energy.any():
        latency = latency + energy * static_w(batch)[:, None]
    if (latency == 1).all():
        parts = [latency_s]
    elif (latency > 0).all():
        parts = [along(latency, latency_s) * latency_s]
    else:
        finite = np.where(np.isinf(latency_s), 0.0, latency_s)
        timed = along(latency, finite) * finite if latency.any() else 0.0
        parts = [np.where(np.isinf(latency_s), np.inf, timed)]
    if dram.any():
        parts.append(along(dram, dram_bits) * dram_bits)
    if energy.any():
        parts.append(along(energy, energies[0]) * energies[0])
    return parts


def energies_alone(family: Family, batch: Batch, dram_bits_per_s: float) -> Floats:
    """(B, K, w, …): J of a family's layers, none of them in fused runs; static power is counted.

    Inf where widths cannot run or tiles do not fit. Latencies are the longer of two roofs.
    """
    tables, static = batch.energy, static_w(batch)
    assert tables is not None
    per_bit = static / dram_bits_per_s
    shape = len(batch), len(family.geometry), *family.sizes
    if not family.settled:
        return _by_room(family, batch, per_bit).reshape(shape)
    bits = family.spread(family.traffic(batch)) + family.spread(family.barred[None])
    compute_s = family.compute_s(batch)
    total = np.empty(shape)
    extra_bits = family.extra_bits[None]
    np.add(_times(bits, per_bit), extra_bits * along(per_bit, extra_bits), out=total)
    np.maximum(total, compute_s * along(static, compute_s), out=total)
    total += family.spread(_finite(family.of_kinds(tables.layers)))
    total += family.extra_j
    return total


def _by_room(family: Family, batch: Batch, per_bit: Floats) -> Floats:
    """(B, entries): `energies_alone` where tensors on chip leave layers less room.

    What a layer takes in some room is worked out once for all entries that ask for it, by either
    roof; the two are compared beside what each moves of other tensors.
    """
    rows = family.rooms_asked[0]
    total = np.empty((len(batch), family.entries))
    few = max(1, CACHED // len(rows))  # so that they stay near the processor
    for first in range(0, len(batch), few):
        some = slice(first, first + few)
        part = batch.take(some) if few < len(batch) else batch
        _add_by_room(family, part, per_bit[some], total[some])
    return total


def _add_by_room(family: Family, batch: Batch, per_bit: Floats, total: Floats) -> None:
    """The same, written to ``total``."""
    rows, held, _ = family.rooms_asked
    tables, compute_s = batch.energy, batch.compute_s
    assert tables is not None
    moved = batch.traffic_beside(rows, held)
    dynamic_j = tables.beside(rows, held, batch.room_of, batch.sram_bits, moved)
    by_memory = _times(moved, per_bit)
    by_memory += dynamic_j
    pace = family.paces_asked if compute_s.shape[-1] > 1 else family.geometries_asked
    by_compute = np.take(compute_s.reshape(len(batch), -1), pace, axis=1)
    by_compute *= static_w(batch)[:, None]
    by_compute += dynamic_j
    which, bits, pair, energy_j = family.beside_rooms
    mine, other = np.empty((2, len(which)))
    for n, some in enumerate(total):
        least = some if pair is None else mine
        np.take(by_memory[n], which, out=least, mode="clip")
        np.multiply(bits, per_bit[n], out=other)
        least += other
        np.take(by_compute[n], which, out=other, mode="clip")
        np.maximum(least, other, out=least)
        if pair is not None:
            np.take(least, pair, out=some, mode="clip")
        some += energy_j


def _times(bits: Floats, per_bit: Floats) -> Floats:
    """What bits cost, at so much each (B,): inf where they are, for nothing too."""
    if (per_bit > 0).all():
        return bits * along(per_bit, bits)
    finite = np.where(np.isinf(bits), 0.0, bits)
    return np.where(np.isinf(bits), np.inf, finite * along(per_bit, bits))


def _finite(energies: Floats) -> Floats:
    return np.where(np.isinf(energies), 0.0, energies)
