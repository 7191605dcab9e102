"""What resident tensors and bands are worth to a design, its hardware and its widths kept.

Latency and DRAM traffic are those of the whole: of a suite the sums over its members, each times
its weight.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

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
class BandWorth:
    """What changes when one tensor must not be held as a band, all else chosen anew.

    Attributes
    ----------
    name : str
    sram_bits : int
        What its band takes of the SRAM while its run is worked off.
    latency_s, dram_bits : float or None
        As of `TensorWorth`: against the best choice that has it resident or in DRAM.
    """

    name: str
    sram_bits: int
    latency_s: float | None
    dram_bits: float | None


@dataclass(frozen=True)
class FusionWorth:
    """What fused layers are worth, on the same hardware and at the same widths.

    Attributes
    ----------
    latency_s, dram_bits : float or None
        Of the best choice of resident tensors alone, no layers fused; None where the SRAM holds
        none.
    bands : tuple of BandWorth
        Of every tensor that is held as a band, in the network's order.
    """

    latency_s: float | None
    dram_bits: float | None
    bands: tuple[BandWorth, ...]


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
    bands_come, bands_go : tuple of str
        The same of tensors held as bands.
    """

    why: Literal["one Mbit more", "useful step"]
    sram_bits: int
    latency_s: float
    dram_bits: float
    comes: tuple[str, ...]
    goes: tuple[str, ...]
    bands_come: tuple[str, ...] = ()
    bands_go: tuple[str, ...] = ()


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
    fusion : FusionWorth or None
        None where no layers may be fused.
    """

    metric: Minimised
    latency_s: float
    dram_bits: float
    tensors: tuple[TensorWorth, ...] = ()
    larger: tuple[LargerSram, ...] = ()
    complete: bool = True
    proven: bool = True
    fusion: FusionWorth | None = None

    def to_dict(self) -> dict[str, Any]:
        """As in the explanation's file; without what is about bands where there can be none."""
        content = asdict(self)
        if self.fusion is None:
            del content["fusion"]
            for larger in content["larger"]:
                del larger["bands_come"], larger["bands_go"]
        return content
