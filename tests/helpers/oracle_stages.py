"""Stages of a pipeline from the model's page, in plain Python, for `dataflow_oracle`.

A stage is a layer with a PE array and memories of its own. Loop letters as in
`codesign.specs.network`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from itertools import product
from typing import NamedTuple

from oracle import layer_bops
from oracle_machine import (
    ceil_div,
    computed_macs,
    groups_at_once,
    machine_cycles,
    phases,
    sum_turns,
    turns,
)
from oracle_tilings import reduction_bits, rows_in

from codesign.problem.problem import Problem
from codesign.specs.fpga import Fpga
from codesign.specs.network import Layer

ROUNDING = 1e-9  # of block RAMs, and of intervals


class Stage(NamedTuple):
    """What is decided of a stage; the first four are None of a layer that only moves data."""

    mapping: str | None
    rows: int | None
    cols: int | None
    weights: str | None
    band_rows: int


class Priced(NamedTuple):
    """A stage at given widths.

    Attributes
    ----------
    cycles : float
        For an image; a whole number of one layer.
    dram_bits : int
        Of the weights that it streams.
    hardware : tuple of float
        ``area_mm2``, or ``lut``, ``dsp`` and ``bram``, without FIFOs.
    energy_j : float
        Without FIFOs, DRAM and static power.
    """

    stage: Stage
    cycles: float
    dram_bits: int
    hardware: tuple[float, ...]
    energy_j: float

    @property
    def costs(self) -> tuple[float, ...]:
        """All that is better smaller."""
        return self.cycles, self.dram_bits, *self.hardware, self.energy_j


def stride_rows(layer: Layer) -> int:
    """Vertical stride."""
    return layer.stride if isinstance(layer.stride, int) else layer.stride[0]


def fresh_rows(layer: Layer, band_rows: int) -> int:
    """Input rows that arrive while so many output rows are worked on."""
    both = layer.input_dilation, layer.input_repetition
    zeros, again = (x if isinstance(x, int) else x[0] for x in both)
    return min(layer.H, ceil_div(band_rows * stride_rows(layer), zeros * again))


def lag(layer: Layer, band_rows: int) -> Fraction:
    """How far a stage's output is behind its input, in intervals."""
    if layer.moves:
        return Fraction(1)
    waited = rows_in(layer, band_rows) - fresh_rows(layer, 1)
    return max(Fraction(0), Fraction(waited, layer.H) + Fraction(band_rows, layer.P))


def bands(layer: Layer, mapping: str | None = None, rows: int = 1) -> list[int]:
    """For each number of bands the least rows that are legal."""
    legal = range(1, layer.P + 1)
    if mapping == "output":
        legal = [p for p in legal if p == layer.P or p * layer.Q % rows == 0]
    counts = {ceil_div(layer.P, p): p for p in sorted(legal, reverse=True)}
    return sorted(counts.values())


def folds_evenly(
    layer: Layer, mapping: str, rows: int, cols: int, engine: int, skips: bool
) -> bool:
    """Whether no PE of an FPGA is idle in any turn, but where one row is too much."""
    if mapping == "output":
        return True
    window = max(x for _, _, x in phases(layer, skips))
    if mapping == "window":
        size, each = layer.C, max(1, engine // window)
    else:
        size, each = layer.C * window, engine
    together = groups_at_once(layer, rows, cols, engine, mapping, skips)
    if together > 1:
        least = next(r for r in range(1, rows + 1) if r * each >= together * size)
        return layer.G % together == 0 and cols == together * layer.K and rows == least
    return layer.K % cols == 0 and (size % (rows * each) == 0 or (rows == 1 and size < each))


def stages_on_offer(problem: Problem, layer: Layer) -> Iterator[Stage]:
    """Every stage that a layer may have."""
    if layer.moves:
        yield Stage(None, None, None, None, layer.P)
        return
    choices, engine = problem.choices, problem.technology.engine
    places = ["chip"] if layer.weight_tensor is not None else ["chip", "stream"]
    for mapping, r, c in product(choices.mapping, choices.rows, choices.cols):
        if choices.square and r != c:
            continue
        fits = folds_evenly(layer, mapping, r, c, engine, choices.zero_skipping)
        if isinstance(problem.technology, Fpga) and not fits:
            continue
        for place, p in product(places, bands(layer, mapping, r)):
            stage = Stage(mapping, r, c, place, p)
            given = choices.stages.get(layer.name)
            if given is None or all(getattr(given, x) in (None, y) for x, y in _named(stage)):
                yield stage


def _named(stage: Stage) -> list[tuple[str, object]]:
    return [*stage._asdict().items()]


def price(problem: Problem, layer: Layer, stage: Stage, bw: int, ba: int) -> Priced:
    """A stage with its figures."""
    technology = problem.technology
    if stage.mapping is None or stage.rows is None or stage.cols is None:
        return Priced(stage, 0, 0, (0.0,) * len(technology.hardware_metrics), 0.0)
    on = stage.rows, stage.cols, technology.engine, stage.mapping
    held = memories(problem, layer, stage, bw, ba)
    hardware = tuple(
        x + sum(memory_cost(problem, bits)[n] for bits in held if bits)
        for n, x in enumerate(array_cost(problem, stage.rows, stage.cols, bw, ba))
    )
    fetches = layer.N * ceil_div(layer.P, stage.band_rows)
    weights = layer.G * layer.K * layer.C * layer.R * layer.S
    return Priced(
        stage,
        machine_cycles(problem.choices, layer, *on),
        fetches * weights * bw if stage.weights == "stream" else 0,
        hardware,
        _energy_j(problem, layer, stage, bw, ba),
    )


def _arrays_turns(problem: Problem, layer: Layer, stage: Stage) -> list[tuple[int, int, int]]:
    assert stage.rows is not None
    assert stage.cols is not None
    assert stage.mapping is not None
    on = stage.rows, stage.cols, problem.technology.engine, stage.mapping
    return turns(layer, *on, problem.choices.zero_skipping)


def memories(problem: Problem, layer: Layer, stage: Stage, bw: int, ba: int) -> tuple[int, ...]:
    """Bits of weights, lines and partial sums."""
    assert stage.rows is not None
    assert stage.cols is not None
    p, engine = stage.band_rows, problem.technology.engine
    weights = layer.G * layer.K * layer.C * layer.R * layer.S
    if stage.weights == "stream":
        at_once = stage.cols * engine * (1 if stage.mapping == "output" else stage.rows)
        kept = 2 * min(weights, at_once)
    else:
        kept = weights * (1 if layer.weight_tensor is None else 2)
    row = layer.W * layer.G * layer.C
    lines = (rows_in(layer, p) + fresh_rows(layer, p)) * row
    sums = p * layer.Q * layer.G * layer.K if _sums_fold(problem, layer, stage) else 0
    return kept * bw, lines * ba, sums * (bw + ba + reduction_bits(layer))


def _sums_fold(problem: Problem, layer: Layer, stage: Stage) -> bool:
    if stage.mapping == "output":
        return False
    return any(each > 1 for _, each, _ in _arrays_turns(problem, layer, stage))


def memory_cost(problem: Problem, bits: float) -> tuple[float, ...]:
    """What a memory takes: area, or LUTs, DSPs and block RAMs."""
    technology = problem.technology
    if isinstance(technology, Fpga):
        return 0.0, 0.0, float(math.ceil(bits / technology.bram_bits - ROUNDING))
    fit = technology.sram_fits[technology.sram]
    return ((fit.slope * bits + fit.intercept) * 1e-6,)


def array_cost(problem: Problem, rows: int, cols: int, bw: int, ba: int) -> tuple[float, ...]:
    technology, overhead, bits = problem.technology, problem.area_overhead, bw + ba
    pes, engine = rows * cols, technology.engine
    if isinstance(technology, Fpga):
        sums = cols if technology.accumulators == "column" else pes
        lanes = pes * engine // sums
        lut, dsp = bits * (2 * lanes - 1) + technology.accumulator_bits, 0
        if technology.multipliers == "lut":
            lut += lanes * (2 * ceil_div(bits, 6) - 1) * bits
        else:
            dsp = engine * ceil_div(bits, technology.dsp_bits)
        return technology.base_lut + overhead * technology.lut_factor * lut * sums, dsp * pes, 0.0
    pe = technology.pe_area_um2
    pe_um2 = pe.slope * engine * (bw * ba + bw + ba + math.log2(engine)) + pe.intercept
    return (overhead * pes * pe_um2 * 1e-6,)


def _energy_j(problem: Problem, layer: Layer, stage: Stage, bw: int, ba: int) -> float:
    given = problem.technology.energy
    if given is None or problem.dram_energy_j_per_bit is None:
        return 0.0
    read, written = _accessed(problem, layer, stage, bw, ba)
    macs = computed_macs(layer, problem.choices.zero_skipping)
    every = layer.N * layer.G * layer.K * layer.C * layer.R * layer.S * layer.P * layer.Q
    operations = (given.j_per_bop or 0) * layer_bops(layer, bw, ba) * macs / every
    memory_j = given.sram_read_j_per_bit * read + given.sram_write_j_per_bit * written
    return operations + (given.j_per_mac or 0) * macs + memory_j


def _accessed(problem: Problem, layer: Layer, stage: Stage, bw: int, ba: int) -> tuple[int, int]:
    """Bits read from and written to its memories but FIFOs."""
    assert stage.rows is not None
    assert stage.cols is not None
    assert stage.mapping is not None
    skips, engine = problem.choices.zero_skipping, problem.technology.engine
    each = _arrays_turns(problem, layer, stage)
    every = phases(layer, skips)
    weights = layer.G * layer.K * layer.C * layer.R * layer.S
    passes = layer.N * ceil_div(layer.P, stage.band_rows)
    streams, tensor = stage.weights == "stream", layer.weight_tensor is not None
    if stage.mapping == "output":
        used = [window for _, _, window in every if window]
        turns_of = zip(used, each, strict=True)
        read = layer.G * layer.K * layer.C * sum(window * t[2] for window, t in turns_of)
    elif len(every) == 1 and each[0][0] * each[0][1] == 1 and not streams:
        read = weights * tensor
    else:
        read = passes * weights
    written = passes * weights * streams + weights * tensor
    rows = passes * rows_in(layer, stage.band_rows) * layer.W * layer.G * layer.C
    bits_read = read * bw + rows * ceil_div(layer.K, stage.cols) * ba
    bits_written = written * bw + layer.N * layer.G * layer.C * layer.H * layer.W * ba
    if _sums_fold(problem, layer, stage):
        channels = layer.N * layer.G * layer.K * (bw + ba + reduction_bits(layer))
        for p, q, window in every:
            times = sum_turns(layer, window, stage.rows, engine, stage.mapping)
            bits_written += channels * p * q * times
            bits_read += channels * p * q * (times - 1)
    return bits_read, bits_written
