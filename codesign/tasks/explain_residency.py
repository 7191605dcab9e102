"""What a design's tensors on chip are worth: hardware and widths kept, places chosen again."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Literal

from codesign.problem.places import Place
from codesign.problem.tolerances import same_total
from codesign.results.consistency import names_in_bands, names_on_chip
from codesign.results.design import Design
from codesign.results.residency_worth import (
    USEFUL,
    BandWorth,
    FusionWorth,
    LargerSram,
    ResidencyWorth,
    TensorWorth,
)
from codesign.space.exact_cost import First
from codesign.space.given_hardware import GivenHardware
from codesign.space.residency import Residency
from codesign.specs.network import Network
from codesign.specs.suite import part
from codesign.stopping import StopCondition, Stopped
from codesign.units import BITS_PER_MBIT


def residency_worth(
    design: Design, stop: StopCondition, on_step: Callable[[str], None] | None
) -> ResidencyWorth:
    """Choose again what of a design is on chip: without each tensor, and in larger SRAMs.

    Where layers may be fused: also with each band resident or in DRAM, and with none fused.
    """
    choosing = _Choosing(design, stop)
    metrics = design.metrics["latency_s"], design.metrics["dram_bits"]
    if on_step is not None:
        on_step("what stays on chip")
    sram_bits = design.hardware.sram_bits
    try:
        best = choosing.best(sram_bits)
        assert best is not None  # the design's own choice fits
        now = choosing.metrics(best)
        tensors = tuple(choosing.worth(name, now) for name in names_on_chip(design.on_chip))
        larger = [choosing.larger("one Mbit more", sram_bits + int(BITS_PER_MBIT))]
        if (step := choosing.useful_step_bits()) is not None:
            larger.append(choosing.larger("useful step", step))
        fusion = choosing.fusion(now) if design.problem.choices.on_chip == "bands" else None
    except Stopped:
        return ResidencyWorth(choosing.first, *metrics, complete=False)
    return ResidencyWorth(
        choosing.first, *now, tensors, tuple(larger), proven=choosing.proven, fusion=fusion
    )


class _Choosing:
    """A design's hardware and widths, on which residents and fused layers are chosen.

    Each member of a suite has all the SRAM while it is executed, so that choices are made for each
    by itself; latency and traffic are their sums, each member's times its weight.

    Attributes
    ----------
    first : "latency_s" or "dram_bits"
        What a choice is to have the least of, before the other.
    proven : bool
        That every choice so far is the best.
    """

    def __init__(self, design: Design, stop: StopCondition) -> None:
        self.design, self.stop, self.proven = design, stop, True
        traffic = design.problem.minimised_kind == "dram_bits"
        self.first: First = "dram_bits" if traffic else "latency_s"
        self.places = dict(design.problem.choices.places)
        network = design.network
        parts = [part(network, n) for n in range(len(network.members))] or [network]
        self.weights = [member.weight for member in network.members] or [1.0]
        self.hardware = [self._hardware(mine) for mine in parts]
        self._chosen = dict[tuple[object, ...], Residency | None]()

    def _hardware(self, network: Network) -> GivenHardware:
        """A network, or a member of a suite, on the design's hardware at the design's widths."""
        design, choices = self.design, self.design.problem.choices
        bits = {row.name: row.weight_bits for row in design.layer_designs}
        return GivenHardware(
            network,
            design.accelerator,
            [bits[layer.name] for layer in network.layers],
            design.tensor_bits,
            choices.fused_layers if choices.on_chip == "bands" else 1,
        )

    def best(
        self,
        sram_bits: int,
        places: dict[str, Place] | None = None,
        no_bands: Collection[str] = (),
    ) -> list[Residency] | None:
        """The best choice in an SRAM, of each member, with these places and no bands of some.

        None where nothing fits.

        Raises
        ------
        Stopped
            Time ran out.
        """
        given = {**self.places, **(places or {})}
        for name in no_bands:
            if given.get(name) == "band":
                del given[name]
        found = []
        for m in range(len(self.hardware)):
            if (one := self._best_of(m, sram_bits, given, no_bands)) is None:
                return None
            found.append(one)
        return found

    def _best_of(
        self, m: int, sram_bits: int, places: Mapping[str, Place], no_bands: Collection[str]
    ) -> Residency | None:
        """The same of one member, kept for when only another one changes."""
        own = self.hardware[m].network.tensors
        mine = {name: place for name, place in places.items() if name in own}
        never = tuple(name for name in own if name in no_bands)
        key = (m, sram_bits, *mine.items(), never)
        if key not in self._chosen:
            self.stop.check()
            found = self.hardware[m].residency(sram_bits, mine, self.first, never)
            self.proven &= found is None or found.proven
            self._chosen[key] = found
        return self._chosen[key]

    def metrics(self, found: Sequence[Residency]) -> tuple[float, float]:
        """Latency in s, and DRAM bits."""
        each = [*zip(self.weights, self.hardware, found, strict=True)]
        latency_s = math.fsum(weight * on.latency_s(one) for weight, on, one in each)
        dram_bits = math.fsum(w * sum(row.dram_bits for row in one.layers) for w, _, one in each)
        return latency_s, dram_bits

    def worth(self, name: str, now: tuple[float, float]) -> TensorWorth:
        """What a resident tensor saves of what the best choice has without it."""
        bits = self.design.network.tensors[name] * self.design.tensor_bits[name]
        without = self.best(self.design.hardware.sram_bits, {name: "dram"})
        return TensorWorth(name, bits, *self._more(without, now))

    def _more(
        self, without: Sequence[Residency] | None, now: tuple[float, float]
    ) -> tuple[float | None, float | None]:
        """How much more latency and DRAM traffic a choice has."""
        if without is None:
            return None, None
        pairs = zip(self.metrics(without), now, strict=True)
        latency_s, dram_bits = (0.0 if same_total(a, b) else a - b for a, b in pairs)
        return latency_s, dram_bits

    def fusion(self, now: tuple[float, float]) -> FusionWorth:
        """What fused layers are worth, and each band."""
        design, sram_bits = self.design, self.design.hardware.sram_bits
        apart = self.best(sram_bits, no_bands=design.network.tensors)
        latency_s, dram_bits = (None, None) if apart is None else self.metrics(apart)
        bands = []
        for run in design.fused_runs:
            for name, elements in zip(run.inner, run.band_elements, strict=True):
                without = self.best(sram_bits, no_bands=(name,))
                bits = elements * design.tensor_bits[name]
                bands.append(BandWorth(name, bits, *self._more(without, now)))
        return FusionWorth(latency_s, dram_bits, tuple(bands))

    def larger(self, why: Literal["one Mbit more", "useful step"], sram_bits: int) -> LargerSram:
        """The best choice in a larger SRAM."""
        found = self.best(sram_bits)
        assert found is not None  # it holds what the smaller one does
        on_chip = self.design.on_chip
        changes = [
            *_changes(names_on_chip(on_chip), [x for one in found for x in one.on_chip]),
            *_changes(names_in_bands(on_chip), [x for one in found for x in one.bands]),
        ]
        return LargerSram(why, sram_bits, *self.metrics(found), *changes)

    def useful_step_bits(self) -> int | None:
        """The least SRAM in which what is minimised is less by `USEFUL`; None where none is so.

        What is minimised never grows with the SRAM, so it is found by bisection.
        """
        low, high = self.design.hardware.sram_bits, max(x.ample_sram_bits for x in self.hardware)
        wanted = self._least(low) * (1 - USEFUL)
        if high <= low or self._least(high) > wanted:
            return None
        while high - low > 1:
            middle = (low + high) // 2
            if self._least(middle) > wanted:
                low = middle
            else:
                high = middle
        return high

    def _least(self, sram_bits: int) -> float:
        """Of what is minimised."""
        found = self.best(sram_bits)
        assert found is not None  # it holds what the smaller one does
        latency_s, dram_bits = self.metrics(found)
        return latency_s if self.first == "latency_s" else dram_bits


def _changes(now: Sequence[str], then: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What comes and what goes."""
    comes = tuple(name for name in then if name not in now)
    return comes, tuple(name for name in now if name not in then)
