"""What a fused run of layers costs beside resident tensors, at its best or at least.

A run is one step, see `codesign.costs.fusion`: the cycles of all its layers against all that they
move, in the room that is left by whatever is resident during one of them. Tensors between its
layers are neither resident nor in DRAM.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from codesign.costs.fusion import FusedRun
from codesign.problem.choices import Place
from codesign.space.resident_layers import ENUMERATED, ResidentLayer, ResidentLayers
from codesign.space.resident_lives import ResidentLives


class ResidentRun(NamedTuple):
    """A run that may be fused, at given widths, and the tensors around it.

    A bit of 0 stands for no tensor, or for one that cannot be resident.

    Attributes
    ----------
    run : FusedRun
    need : (int, int)
        SRAM bits, beside what is resident: with its input in DRAM, and with its input resident.
    cycles : int
        Of all its layers.
    weights : tuple of int
        DRAM bits of the weights of each layer.
    tensors : tuple of tuples of (str, int)
        And of what each reads and writes, unless that is resident.
    once : int
        DRAM bits that it moves wherever tensors are.
    input_bit : int
    moved : tuple of (bit, DRAM bits)
        What it reads and writes of tensors begun before that can be resident.
    touched : tuple of (bit, tensor)
        These, each once.
    held : tuple of (bit, tensor)
        Tensors begun before that, resident, take room during one of its layers.
    lasting : int
        Mask of tensors begun before that are touched again after it.
    born, born_bit, born_moves : int
        The tensor that its last layer is the first to write, or −1; its bit, and the DRAM bits of
        that unless it is resident.
    """

    run: FusedRun
    need: tuple[int, int]
    cycles: int
    weights: tuple[int, ...]
    tensors: tuple[tuple[tuple[str, int], ...], ...]
    once: int
    input_bit: int
    moved: tuple[tuple[int, int], ...]
    touched: tuple[tuple[int, int], ...]
    held: tuple[tuple[int, int], ...]
    lasting: int
    born: int
    born_bit: int
    born_moves: int

    @property
    def live(self) -> tuple[int, ...]:
        """Tensors that, if resident, take room during it."""
        return (*(t for _, t in self.held), *([self.born] if self.born >= 0 else []))


def resident_run(
    lives: ResidentLives,
    run: FusedRun,
    need: tuple[int, int],
    cycles: int,
    weights: Sequence[int],
    tensors: Sequence[Sequence[tuple[str, int]]],
) -> ResidentRun:
    """A run, of which the need, the cycles and the DRAM bits are known."""
    born = lives.number.get(lives.network.layers[run.last].output, -1)
    if born >= 0 and lives.first[born] < run.last:
        born = -1
    once, born_moves = sum(weights), 0
    moved, touched = list[tuple[int, int]](), dict[tuple[int, int], None]()
    for name, bits in (each for of_layer in tensors for each in of_layer):
        t = lives.number.get(name, -1)
        if t < 0:
            once += bits
        elif t == born:
            born_moves += bits
        else:
            moved.append((lives.bit[t], bits))
            touched[lives.bit[t], t] = None
    before = lives.going_on[run.first]
    return ResidentRun(
        run=run,
        need=need,
        cycles=cycles,
        weights=tuple(weights),
        tensors=tuple(tuple(each) for each in tensors),
        once=once,
        input_bit=lives.touched[run.first].input_bit,
        moved=tuple(moved),
        touched=tuple(touched),
        held=tuple((lives.bit[t], t) for t in before if lives.last[t] >= run.first),
        lasting=sum(lives.bit[t] for t in before if lives.end[t] > run.last),
        born=born,
        born_bit=0 if born < 0 else lives.bit[born],
        born_moves=born_moves,
    )


class ResidentRuns:
    """The runs of one network that may be fused, in a given SRAM.

    Only those whose inner tensors may all be bands, and that fit beside what is told to stay.

    Attributes
    ----------
    starting, ending : list of lists of ResidentRun
        By their first and by their last layer.
    longest : int
        Layers of the longest; 1 where there is none.
    """

    def __init__(
        self, layers: ResidentLayers, runs: Sequence[ResidentRun], places: Mapping[str, Place]
    ) -> None:
        self.layers = layers
        self.starting: list[list[ResidentRun]] = [[] for _ in layers.lives.touched]
        self.ending: list[list[ResidentRun]] = [[] for _ in layers.lives.touched]
        self._least_known: dict[tuple[tuple[int, ...], int, int], int | None] = {}
        self.longest = 1
        names = layers.lives.names
        for run in runs:
            stay = sum(layers.bits[t] for t in run.live if places.get(names[t]) == "chip")
            bands = all(places.get(name, "band") == "band" for name in run.run.inner)
            if bands and min(run.need) + stay <= layers.sram_bits:
                self.starting[run.run.first].append(run)
                self.ending[run.run.last].append(run)
                self.longest = max(self.longest, len(run.run.layers))

    @property
    def every(self) -> list[ResidentRun]:
        """All, in the order of their first layers."""
        return [run for runs in self.starting for run in runs]

    # At its best --------------------------------------------------------------------------------

    def cost(self, run: ResidentRun, mask: int, keeps: bool) -> int | None:
        """What a run costs; None where it does not fit.

        ``mask`` tells which of the tensors begun before are resident, ``keeps`` whether the one
        that its last layer begins is.
        """
        return self._cost(run, mask, mask, keeps)

    def _cost(self, run: ResidentRun, mask: int, takes_room: int, keeps: bool) -> int | None:
        """As `cost`, where of the residents only those of a mask take room."""
        bits = self.layers.bits
        room = self.layers.sram_bits - run.need[mask & run.input_bit != 0]
        room -= sum(bits[t] for bit, t in run.held if takes_room & bit)
        dram_bits = run.once + sum(moves for bit, moves in run.moved if not mask & bit)
        if keeps:
            room -= bits[run.born]
        else:
            dram_bits += run.born_moves
        if room < 0:
            return None
        return self.layers.cost_of(run.cycles * self.layers.of_cycle, dram_bits)

    def after(self, run: ResidentRun, mask: int, keeps: bool) -> int:
        """What is resident and touched again after a run.

        The bit of a tensor that ends during the run may be that of the one which the run begins.
        """
        lasting = self.layers.lives.touched[run.run.last].lasting
        return mask & run.lasting | (run.born_bit if keeps else 0) & lasting

    def places(self, run: ResidentRun) -> tuple[bool, ...]:
        """Whether the tensor that its last layer begins may be in DRAM, and resident."""
        return (False,) if run.born < 0 else self.layers.options[run.born]

    def chosen(self, run: ResidentRun, mask: int, keeps: bool) -> list[ResidentLayer]:
        """The layers of a run as they are worked off."""
        lives, bits = self.layers.lives, self.layers.bits
        on_chip = {t for bit, t in (*run.held, *run.touched) if mask & bit}
        on_chip |= {run.born} if keeps else set()
        held = sum(bits[t] for t in run.live if t in on_chip)
        names = {lives.names[t] for t in on_chip}
        found = []
        for n, (weights, tensors) in enumerate(zip(run.weights, run.tensors, strict=True)):
            dram_bits = weights + sum(moves for name, moves in tensors if name not in names)
            ifmap = n == 0 and mask & run.input_bit != 0
            found.append(ResidentLayer(False, ifmap, -1, held, dram_bits))
        return found

    # At least -----------------------------------------------------------------------------------

    def decided(self, run: ResidentRun, i: int) -> int:
        """Mask of the tensors around a run that are begun by layer ``i``."""
        first = self.layers.lives.first
        return sum(bit for bit, t in {*run.held, *run.touched} if first[t] <= i)

    def least(self, run: ResidentRun, decided: int, resident: int) -> int | None:
        """A lower bound on a run's cost; None where it cannot be.

        Of the tensors decided, a mask, those given are resident. The others that it touches are
        where they may be, and cost least; of more than a few, those that may be resident save
        their traffic and take no room. What it does not touch takes room only if it cannot be
        elsewhere. Every choice with this run costs at least as much: it has some set of these
        tensors on chip, whose traffic is counted, and no room is counted that it would not take.
        """
        key = (run.run.first, run.run.last), decided, resident
        if key not in self._least_known:
            options = self.layers.options
            around = {x: None for x in (*run.touched, *run.held) if not x[0] & decided}
            open_ = [x for x in run.touched if x in around and len(options[x[1]]) > 1]
            free = sum(bit for bit, _ in open_) if len(open_) > ENUMERATED else 0
            sets = [resident]
            for bit, t in around:
                if len(options[t]) > 1 and (free or (bit, t) not in open_):
                    continue
                sets = [s | bit if option else s for s in sets for option in options[t]]
            costs = (self._cost(run, s | free, s, x) for s in sets for x in self.places(run))
            self._least_known[key] = min((x for x in costs if x is not None), default=None)
        return self._least_known[key]
