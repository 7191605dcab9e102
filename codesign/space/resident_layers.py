"""What one layer costs beside resident tensors, at its best or at least.

Of the tilings that fit the room that residents leave, the one of least DRAM traffic is best by
every measure; but not where the SRAM's port has a rate, which is busy for other bits as well.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from codesign.space.exact_cost import Rates
from codesign.space.resident_lives import ResidentLives

Stairs = tuple[Sequence[float], Sequence[float]]
StairsOf = Callable[[int, bool, bool], Stairs]
Ported = tuple[Sequence[int], Sequence[int], Sequence[int]]
PortedOf = Callable[[int, bool, bool], Ported]

ENUMERATED = 4  # tensors of one layer tried in every combination; more are relaxed


class ResidentLayer(NamedTuple):
    """What is chosen for one layer.

    Attributes
    ----------
    weights, ifmap : bool
        Whether its weight operand, and its input, are resident.
    step : int
        Its tiling: the number of a step of the stairs for these two, or of a tiling where the
        SRAM's port has a rate; −1 in a fused run.
    mode : int
        Which of the mappings it takes, of a machine that leaves that to each layer.
    resident_bits : int
        SRAM bits of what is resident while it runs.
    dram_bits, port_bits : int
        The latter, that the SRAM's port moves, 0 where it has no rate.
    """

    weights: bool
    ifmap: bool
    step: int
    resident_bits: int
    dram_bits: int
    mode: int = 0
    port_bits: int = 0


class Mode(NamedTuple):
    """A mapping that each layer may take: cycles of each, and stairs as of `best_residency`.

    Where the SRAM's port has a rate, also tilings of which none is better by every measure, as
    stairs: needs, DRAM bits, and what the port moves without output and residuals.
    """

    cycles: Sequence[int]
    stairs: StairsOf
    ported: PortedOf | None = None


class ResidentLayers:
    """The layers of one network at given widths, in a given SRAM.

    Attributes
    ----------
    options : list of tuples of bool
        Whether each tensor that is no band may be in DRAM, and whether it may be resident: (False,
        True) where that is open, nothing where it must be a band.
    of_cycle : int
        What a cycle costs, as time.
    """

    def __init__(
        self,
        lives: ResidentLives,
        tensor_bits: Mapping[str, int],
        modes: Sequence[Mode],
        sram_bits: int,
        rates: Rates,
    ) -> None:
        self.lives, self.sram_bits = lives, sram_bits
        self._rates = rates
        self.of_cycle, self._of_bit, self._shift, self._digit = rates.factors
        elements = lives.network.tensors
        self.bits = [elements[name] * tensor_bits[name] for name in lives.names]
        self._compute = [[int(n) * self.of_cycle for n in mode.cycles] for mode in modes]
        self.held = [[(bit, self.bits[t]) for bit, t in x.held] for x in lives.touched]
        self.moved = [
            [(bit, count * tensor_bits[name]) for bit, name, count in x.moved]
            for x in lives.touched
        ]
        layers = zip(lives.network.layers, lives.touched, strict=True)
        self._on_chip = [
            [(bit, lives.network.touched(layer, n) * tensor_bits[n]) for bit, n, _ in x.moved]
            for layer, x in layers
        ]
        self._modes = modes
        self._ported: dict[tuple[int, bool, bool, int], Ported] = {}
        self._stairs: dict[tuple[int, bool, bool, int], Stairs] = {}
        self.options: list[tuple[bool, ...]] = [(False, True)] * len(lives.names)
        self._least_known: dict[tuple[int, int, int], int | None] = {}

    # At its best --------------------------------------------------------------------------------

    def stairs(self, i: int, weights: bool, ifmap: bool, mode: int = 0) -> Stairs:
        """Needs and traffic of a layer's tilings."""
        key = i, weights, ifmap, mode
        found = self._stairs.get(key)
        if found is None:
            found = self._stairs[key] = self._modes[mode].stairs(i, weights, ifmap)
        return found

    def needs(self, i: int, weights: bool, ifmap: bool) -> list[float]:
        """Needs of a layer's tilings, ascending, whatever its mode."""
        every = (self.stairs(i, weights, ifmap, mode)[0] for mode in range(len(self._modes)))
        return sorted(need for needs in every for need in needs)

    def layer(self, i: int, resident: int) -> ResidentLayer | None:
        """A layer at its best while a set of tensors is resident; None where no tiling fits."""
        if len(self._modes) == 1:
            return self._in_mode(i, resident, 0)
        every = (self._in_mode(i, resident, mode) for mode in range(len(self._modes)))
        fitting = [x for x in every if x is not None]
        return min(fitting, key=lambda x: self._cost_of(i, x), default=None)

    def _in_mode(self, i: int, resident: int, mode: int) -> ResidentLayer | None:
        room = self.sram_bits
        for bit, bits in self.held[i]:
            if resident & bit:
                room -= bits
        touched = self.lives.touched[i]
        weights = resident & touched.weight_bit != 0
        ifmap = resident & touched.input_bit != 0
        need, traffic = self.stairs(i, weights, ifmap, mode)
        step = bisect_right(need, room) - 1
        if step < 0:
            return None
        dram_bits = int(traffic[step])
        beside = sum(bits for bit, bits in self.moved[i] if not resident & bit)
        found = weights, ifmap, step, self.sram_bits - room, dram_bits + beside, mode
        if not self.has_port:
            return ResidentLayer(*found)
        return self._with_port(i, resident, ResidentLayer(*found), beside)

    # The SRAM's port ----------------------------------------------------------------------------

    @property
    def has_port(self) -> bool:
        """Whether the SRAM's port takes time."""
        return self._modes[0].ported is not None

    def ported(self, i: int, weights: bool, ifmap: bool, mode: int) -> Ported:
        """Needs, DRAM bits and port bits of a layer's tilings."""
        key, tilings_of = (i, weights, ifmap, mode), self._modes[mode].ported
        assert tilings_of is not None
        if key not in self._ported:
            self._ported[key] = tilings_of(i, weights, ifmap)
        return self._ported[key]

    def _with_port(self, i: int, resident: int, found: ResidentLayer, beside: int) -> ResidentLayer:
        """A layer with the tiling of least cost, where the SRAM's port takes time.

        ``beside``: DRAM bits of its output and residuals.
        """
        streamed, room = self._streamed(i, resident), self.sram_bits - found.resident_bits
        every = zip(*self.ported(i, found.weights, found.ifmap, found.mode), strict=True)
        fitting = [
            found._replace(step=step, dram_bits=moved + beside, port_bits=port + streamed)
            for step, (need, moved, port) in enumerate(every)
            if need <= room
        ]
        return min(fitting, key=lambda x: self._cost_of(i, x))

    def _streamed(self, i: int, resident: int) -> int:
        """What the port moves of a layer's output and residuals.

        A residual on chip is read once; so is an output on its way to DRAM, unless data only moves:
        then one that stays is written.
        """
        (bit, bits), *_ = self.moved[i]
        own, *residuals = self._on_chip[i]
        stays = resident & bit != 0
        if self.lives.network.layers[i].moves:
            found = own[1] if stays else 0
        else:
            found = 0 if stays else bits
        return found + sum(bits for bit, bits in residuals if resident & bit)

    def cost(self, i: int, resident: int) -> int | None:
        """The cost of `layer`."""
        found = self.layer(i, resident)
        return None if found is None else self._cost_of(i, found)

    def _cost_of(self, i: int, found: ResidentLayer) -> int:
        compute = max(self._compute[found.mode][i], found.port_bits * self._rates.of_port_bit)
        return self.cost_of(compute, found.dram_bits)

    def cost_of(self, compute: int, dram_bits: int) -> int:
        """What one step costs by its two roofs; ``compute`` is its cycles times ``of_cycle``."""
        time = self._rates.time(compute, dram_bits * self._of_bit)
        return (time << self._shift) + (dram_bits << self._digit)

    # At least -----------------------------------------------------------------------------------

    def least(self, i: int, decided: int, resident: int) -> int | None:
        """A lower bound on the cost of a layer that is not fused; None where no tiling fits.

        Of the tensors decided, a mask, those given are resident; of the others that it touches,
        the best. That takes no room in any other layer, and of more than a few tensors also parts.
        """
        key = i, decided, resident
        if key not in self._least_known:
            x = self.lives.touched[i]
            open_ = [(bit, t) for bit, t in x.tensors if not bit & decided]
            loose = self._loose(i, open_) if len(open_) > ENUMERATED else {}
            sets = [resident]
            for bit, t in dict.fromkeys(
                (*open_, *(pair for pair in x.held if not pair[0] & decided))
            ):
                settled = len(self.options[t]) == 1
                if bit in loose or not (settled or (bit, t) in x.tensors):
                    continue
                sets = [s | bit if option else s for s in sets for option in self.options[t]]
            found = (self._relaxed_cost(i, s, sum(loose.values())) for s in sets)
            self._least_known[key] = min((x for x in found if x is not None), default=None)
        return self._least_known[key]

    def _loose(self, i: int, tensors: Iterable[tuple[int, int]]) -> dict[int, int]:
        """DRAM bits saved by tensors that, resident, take as much room at least."""
        x, found = self.lives.touched[i], {}
        for bit, t in tensors:
            saved = sum(bits for moved, bits in self.moved[i] if moved == bit)
            operand = bit in (x.weight_bit, x.input_bit)
            held = (bit, t) in x.held and saved <= self.bits[t]
            if held and not operand and len(self.options[t]) > 1:
                found[bit] = saved
        return found

    def _relaxed_cost(self, i: int, resident: int, loose: int) -> int | None:
        """A lower bound where so many DRAM bits more can stay, in parts, each in a bit of room."""
        if not loose:
            return self.cost(i, resident)
        every = (self._in_mode(i, resident, mode) for mode in range(len(self._modes)))
        return min((self._relaxed(i, x, loose) for x in every if x is not None), default=None)

    def _relaxed(self, i: int, found: ResidentLayer, loose: int) -> int:
        """`_relaxed_cost` in the mode of a layer."""
        room = self.sram_bits - found.resident_bits
        how = found.weights, found.ifmap, found.mode
        need, traffic = self.stairs(i, *how)
        own, compute = traffic[found.step], self._compute[found.mode][i]
        last = found.step
        if self.has_port:
            needs, each, port = self.ported(i, *how)
            fitting = (bits for bits, most in zip(port, needs, strict=True) if most <= room)
            compute = max(compute, min(fitting) * self._rates.of_port_bit)
            own, last = each[found.step], bisect_right(need, room) - 1
        moved = found.dram_bits - int(own)
        least = min(
            int(traffic[step]) - min(loose, room - int(need[step])) for step in range(last + 1)
        )
        return self.cost_of(compute, moved + least)
