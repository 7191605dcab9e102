"""What resident tensors are worth to a design, its hardware and its widths kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

USEFUL = 0.01  # share of what is minimised that a larger SRAM has to save to be of interest

Minimised = Literal["latency_s", "dram_bits"]


@dataclass(frozen=True)
class TensorWorth:
    """What changes when one resident tensor must go to DRAM, all others chosen anew.

    Attributes
    ----------
    name : str
    sram_bits : int
        What it takes of the SRAM, in every layer of its life.
    latency_s, dram_bits : float or None
        What it saves: how much more latency and DRAM traffic the best choice without it has. A
        saving of one can cost some of the other. None where the SRAM holds no choice without it.
    """

    name: str
    sram_bits: int
    latency_s: float | None
    dram_bits: float | None


@dataclass(frozen=True)
class LargerSram:
    """The best choice in a larger SRAM.

    Attributes
    ----------
    why : "one Mbit more" or "useful step"
        Useful step: the least SRAM in which what is minimised is less by `USEFUL` at least.
    sram_bits : int
        The capacity.
    latency_s, dram_bits : float
    comes, goes : tuple of str
        Tensors that are resident in it and are not in the design's, and the other way round.
    """

    why: Literal["one Mbit more", "useful step"]
    sram_bits: int
    latency_s: float
    dram_bits: float
    comes: tuple[str, ...]
    goes: tuple[str, ...]


@dataclass(frozen=True)
class ResidencyWorth:
    """What the tensors on chip are worth.

    Attributes
    ----------
    metric : "latency_s" or "dram_bits"
        What choices are to have the least of, before the other: DRAM bits where these are the
        objective.
    latency_s, dram_bits : float
        Of the best choice in the design's SRAM, which every figure is compared with.
    tensors : tuple of TensorWorth
        Of every resident tensor, in the network's order.
    larger : tuple of LargerSram
        One Mbit more, then the useful step, where there is one.
    complete : bool
        False where time ran out first: then nothing is known.
    proven : bool
        That each choice is the best there is.
    """

    metric: Minimised
    latency_s: float
    dram_bits: float
    tensors: tuple[TensorWorth, ...] = ()
    larger: tuple[LargerSram, ...] = ()
    complete: bool = True
    proven: bool = True
