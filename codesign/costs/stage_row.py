"""A stage of a pipeline: what is decided of it, and its figures as results and files have them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from codesign.specs.accelerator import ArraySide, Bits
from codesign.specs.given_stage import Weights as Weights
from codesign.specs.layer import Count, Name
from codesign.specs.machine import Mapping as ArrayMapping
from codesign.specs.schema import spec_dataclass
from codesign.specs.technology import Amount

Whole = Annotated[int, Field(strict=True, ge=0)]


@spec_dataclass
class StageMemories:
    """Bits of each memory of a stage; 0 of one that is not there.

    Attributes
    ----------
    weights : float
        All of them, or twice what the array takes at once where they are streamed; of an operand
        that is a tensor, the whole of it twice.
    lines : float
        Rows of the input that a band takes, and those that arrive meanwhile.
    psums : float
        Partial sums of a band.
    fifos : mapping of str to float
        What waits for the stage, by tensor, or ``tensor@layer`` of a tensor with several writers;
        of a layer that only moves data with all that it holds.
    """

    weights: Amount
    lines: Amount
    psums: Amount
    fifos: Mapping[Name, Amount]

    @property
    def every(self) -> list[float]:
        """Of each memory that is there."""
        return [x for x in (self.weights, self.lines, self.psums, *self.fifos.values()) if x > 0]

    @property
    def total(self) -> float:
        """Bits of all."""
        return math.fsum(self.every)


@spec_dataclass
class StageDesign:
    """One layer with an array of its own.

    A layer that only moves data has none, and takes no cycles.

    Attributes
    ----------
    weight_bits : int or None
        Width of the weight operand; None where data only moves, as are mapping, rows, cols and
        weights.
    mapping : "window", "im2col" or "output", or None
    rows, cols : int or None
        Of its array, whose PEs have the widths of its operands.
    weights : "chip" or "stream" or None
        Whether its weight operand is on chip, or fetched from DRAM anew for each band.
    band_rows : int
        Output rows that it works on at a time; all, where data only move.
    start : float
        How far the stage is behind the network's input, in intervals; see `codesign.costs.stages`.
    lag : float
        How far its output is behind that, in intervals.
    cycles : int
        For an image.
    memory_bits : StageMemories
    dram_bits : int
        Of the weights it streams, for an image.
    taken : mapping of str to float
        Its share of ``area_mm2``; on an FPGA of ``lut``, ``dsp`` and ``bram``.
    """

    name: Name
    weight_bits: Bits | None
    mapping: ArrayMapping | None
    rows: ArraySide | None
    cols: ArraySide | None
    weights: Weights | None
    band_rows: Count
    start: Amount
    lag: Amount
    cycles: Whole
    memory_bits: StageMemories
    dram_bits: Whole
    taken: Mapping[Name, Amount]
