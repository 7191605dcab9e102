"""When each tensor that can be resident lives, and what each layer touches of them.

A set of tensors is a mask: a whole number with a bit for each. Tensors that never live side by side
may have the same bit, so that masks stay small however long a network is.
"""

from __future__ import annotations

from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

from codesign.specs.network import Layer, Network


class Touched(NamedTuple):
    """What one layer touches; a bit of 0 stands for a tensor that cannot be resident, or for none.

    Attributes
    ----------
    born : int
        Number of the tensor that this layer is the first to write, or −1.
    born_bit, input_bit, weight_bit : int
    lasting : int
        Mask of what has been written by then and is touched again later.
    held : tuple of (bit, tensor)
        What takes room while it runs, by the tensor's number.
    moved : tuple of (bit, name, elements)
        Its output and its residuals, as DRAM stores them.
    tensors : tuple of (bit, tensor)
        All it reads or writes of tensors that can be resident, each once.
    """

    born: int
    born_bit: int
    input_bit: int
    weight_bit: int
    lasting: int
    held: tuple[tuple[int, int], ...]
    moved: tuple[tuple[int, str, int], ...]
    tensors: tuple[tuple[int, int], ...]


class ResidentLives:
    """Lives of the tensors of a network that can be resident.

    Attributes
    ----------
    network : Network
    stored_channels : int or None
        Of which DRAM stores multiples, see `codesign.costs.stored`.
    names : tuple of str
        In the network's order; a tensor's number is its place here.
    number : dict of str to int
    first, last : list of int
        Layers during which each takes room: from the first that writes it to the last that reads
        it.
    end : list of int
        The last layer that touches each: a part of it may be written when all is read.
    bit : list of int
    reach : list of int
        The last layer that touches anything written by each layer or before.
    touched : list of Touched
    """

    def __init__(self, network: Network, stored_channels: int | None = None) -> None:
        self.network, self.stored_channels = network, stored_channels
        self.names = tuple(network.lifetimes)
        self.first = [first for first, _ in network.lifetimes.values()]
        self.last = [last for _, last in network.lifetimes.values()]
        self.number = {name: t for t, name in enumerate(self.names)}
        self.end = [*self.last]
        for i, layer in enumerate(network.layers):
            if layer.output in self.number:
                t = self.number[layer.output]
                self.end[t] = max(self.end[t], i)
        self.bit = self._bits()
        self.reach = [*range(len(network.layers))]
        for first, end in zip(self.first, self.end, strict=True):
            self.reach[first] = max(self.reach[first], end)
        self.reach = [*accumulate(self.reach, max)]
        held: list[list[tuple[int, int]]] = [[] for _ in network.layers]
        lasting = [0] * len(network.layers)
        for t, bit in enumerate(self.bit):
            for i in range(self.first[t], self.last[t] + 1):
                held[i].append((bit, t))
            for i in range(self.first[t], self.end[t]):
                lasting[i] |= bit
        self.touched = [
            self._touched(i, layer, tuple(held[i]), lasting[i])
            for i, layer in enumerate(network.layers)
        ]

    @cached_property
    def going_on(self) -> list[list[int]]:
        """Of each layer, the tensors begun before it that it or a later one touches."""
        found: list[list[int]] = [[] for _ in self.touched]
        for t, (first, end) in enumerate(zip(self.first, self.end, strict=True)):
            for i in range(first + 1, end + 1):
                found[i].append(t)
        return found

    def _bits(self) -> list[int]:
        """A bit for each tensor, taken again once its last owner's end has passed."""
        found, free, owned = [0] * len(self.names), list[int](), 0
        ending: dict[int, list[int]] = {}
        layer = 0
        for t in sorted(range(len(self.names)), key=self.first.__getitem__):
            for passed in range(layer, self.first[t]):
                free += ending.pop(passed, [])
            layer = self.first[t]
            if not free:
                free.append(1 << owned)
                owned += 1
            found[t] = free.pop()
            ending.setdefault(self.end[t], []).append(found[t])
        return found

    def _touched(
        self,
        i: int,
        layer: Layer,
        held: tuple[tuple[int, int], ...],
        lasting: int,
    ) -> Touched:
        def bit(name: str | None) -> int:
            return 0 if name not in number else self.bit[number[name]]

        number = self.number
        born = number.get(layer.output, -1)
        if born >= 0 and self.first[born] < i:
            born = -1
        return Touched(
            born=born,
            born_bit=0 if born < 0 else self.bit[born],
            input_bit=bit(layer.input),
            weight_bit=bit(layer.weight_tensor),
            lasting=lasting,
            held=held,
            moved=tuple(
                (bit(name), name, self.network.stored(layer, name, self.stored_channels))
                for name in (layer.output, *layer.residuals)
            ),
            tensors=tuple(
                (self.bit[number[name]], number[name])
                for name in dict.fromkeys((*layer.reads, layer.output))
                if name in number
            ),
        )
