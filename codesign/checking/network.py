"""The network of a file: layers and tensors, and all they must satisfy among each other.

Loop letters: ``N`` images, ``G`` groups, ``K`` output and ``C`` input channels per group, ``P × Q``
output rows × columns, ``R × S`` kernel, ``H × W`` ifmap as stored.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from codesign.checking.entries import Entry
from codesign.checking.findings import Unreadable

LOOPS = ("N", "G", "K", "C", "P", "Q", "R", "S", "H", "W")
NAMES = ("name", "input", "output", "residuals", "weight_tensor")
STEPS = ("stride", "dilation", "input_dilation", "input_repetition")  # vertical and horizontal
LATER = ("appended", "input_dilation", "moves", "parts", "weights_of")  # absent from older files
MOST_REPETITION = 256
MOST_MACS = 10**13  # of a layer
MOST_LAYERS = 10_000
MOST_PADDING = 4  # rows on a side, where the kernel has no more of them

PerAxis = tuple[int, int]


@dataclass(frozen=True)
class Layer:
    """A layer as its file describes it; ``moves``: reads and writes only, without MACs."""

    name: str
    N: int
    G: int
    K: int
    C: int
    P: int
    Q: int
    R: int
    S: int
    H: int
    W: int
    stride: PerAxis
    dilation: PerAxis
    input_dilation: PerAxis
    input_repetition: PerAxis
    input: str
    output: str
    residuals: tuple[str, ...]
    weight_tensor: str | None
    weights_of: str | None
    appended: int
    moves: bool
    parts: tuple[tuple[str, int], ...]

    @property
    def uses_weights(self) -> bool:
        """Whether it multiplies with weights, be they another layer's."""
        return self.weight_tensor is None and not self.moves

    @property
    def owns_weights(self) -> bool:
        """Whether it has weights of its own."""
        return self.uses_weights and self.weights_of is None

    @property
    def weight_source(self) -> str | None:
        """What its weight operand has its width from; weights of another layer from that."""
        if self.weight_tensor is not None:
            return f"tensor:{self.weight_tensor}"
        return None if self.moves else f"weight:{self.weights_of or self.name}"

    @property
    def weights(self) -> int:
        """``G·K·C·R·S``: elements of the weight operand."""
        return 0 if self.moves else self.G * self.K * self.C * self.R * self.S

    @property
    def macs(self) -> int:
        """``N·G·K·C·R·S·P·Q``; none where data only moves."""
        return self.N * self.P * self.Q * self.weights

    @property
    def ifmap(self) -> int:
        """``N·G·C·H·W``: elements read."""
        return self.N * self.G * self.C * self.H * self.W

    @property
    def outputs(self) -> int:
        """``N·G·K·P·Q``: elements computed, before a fused pooling."""
        return self.N * self.G * self.K * self.P * self.Q

    @property
    def reads(self) -> tuple[str, ...]:
        """All tensors read."""
        operand = () if self.weight_tensor is None else (self.weight_tensor,)
        return (self.input, *operand, *self.residuals)

    @property
    def reach(self) -> PerAxis:
        """Rows and columns that one dilated kernel covers."""
        return (self.R - 1) * self.dilation[0] + 1, (self.S - 1) * self.dilation[1] + 1


@dataclass(frozen=True)
class Member:
    """One of several networks that are executed one after the other, and how much it counts."""

    name: str
    layers: range
    weight: Fraction
    tokens: int | None = None


@dataclass(frozen=True)
class Network:
    """Layers in execution order over tensors of so many elements; of a suite with its members."""

    name: str
    layers: tuple[Layer, ...]
    tensors: dict[str, int]
    cache: tuple[str, ...] = ()  # tensors that outlast the run, in DRAM
    tokens: int | None = None  # of each image
    members: tuple[Member, ...] = ()

    @cached_property
    def layer_weights(self) -> tuple[Fraction, ...]:
        """What each layer counts for in a sum over the members."""
        if not self.members:
            return (Fraction(1),) * len(self.layers)
        return tuple(x.weight for x in self.members for _ in x.layers)

    @property
    def executed_images(self) -> Fraction:
        """Images of one such round."""
        if not self.members:
            return Fraction(self.images)
        each = ((x.weight, self.only(x).images) for x in self.members)
        return sum((weight * images for weight, images in each), Fraction(0))

    @property
    def executed_tokens(self) -> Fraction | None:
        """New tokens of one such round; None where none are told."""
        every = Member(self.name, range(len(self.layers)), Fraction(1), self.tokens)
        told = [x for x in self.members or (every,) if x.tokens is not None]
        each = (x.weight * self.only(x).images * (x.tokens or 0) for x in told)
        return sum(each, Fraction(0)) if told else None

    def only(self, member: Member) -> Network:
        """The layers of one member, over the tensors that they touch."""
        layers = self.layers[member.layers.start : member.layers.stop]
        touched = {name for layer in layers for name in (*layer.reads, layer.output)}
        tensors = {name: count for name, count in self.tensors.items() if name in touched}
        return Network(member.name, layers, tensors)

    @cached_property
    def first_uses(self) -> tuple[bool, ...]:
        """Of each layer: whether its member multiplies with its weights for the first time."""
        homes = [x.name for x in self.members for _ in x.layers] or [""] * len(self.layers)
        met: set[tuple[str, str | None]] = set()
        found = []
        for layer, home in zip(self.layers, homes, strict=True):
            use = home, layer.weight_source
            found.append(layer.uses_weights and use not in met)
            met.add(use)
        return tuple(found)

    @cached_property
    def results(self) -> tuple[str, ...]:
        """Tensors that no layer reads."""
        read = {name for layer in self.layers for name in layer.reads}
        return tuple(name for name in self.tensors if name not in read)

    @cached_property
    def inner(self) -> tuple[str, ...]:
        """Tensors that some layer reads."""
        results = set(self.results)
        return tuple(name for name in self.tensors if name not in results)

    @cached_property
    def lifetimes(self) -> dict[str, tuple[int, int]]:
        """First layer that writes and last that reads each tensor, of those that have both.

        And may therefore stay on chip, which what outlasts the run may not.
        """
        last = {name: n for n, layer in enumerate(self.layers) for name in layer.reads}
        first: dict[str, int] = {}
        for n, layer in enumerate(self.layers):
            first.setdefault(layer.output, n)
        passing = [x for x in self.tensors if x not in self.cache]
        return {x: (first[x], last[x]) for x in passing if x in first and x in last}

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """What has a width and a noise of its own: inner tensors, then weights."""
        weights = (layer.weight_source for layer in self.layers if layer.uses_weights)
        return (*(f"tensor:{name}" for name in self.inner), *dict.fromkeys(map(str, weights)))

    @cached_property
    def same_caches(self) -> tuple[tuple[str, ...], ...]:
        """Caches of one name, of members that share weights: one cache, and so one width."""
        of = {self.layers[n].name: member.name for member in self.members for n in member.layers}
        kin = {member.name: {member.name} for member in self.members}
        for name, owner in ((x.name, x.weights_of) for x in self.layers if of and x.weights_of):
            joined = kin[of[name]] | kin[of[owner]]
            kin |= dict.fromkeys(joined, joined)
        caches: dict[tuple[str, str], list[str]] = {}
        for member in self.members:
            for name in sorted({*self.only(member).tensors} & {*self.cache}):
                own = name.removeprefix(f"{member.name}/")
                caches.setdefault((min(kin[member.name]), own), []).append(name)
        return tuple(tuple(names) for names in caches.values() if len(names) > 1)

    @property
    def images(self) -> int:
        """The largest batch that divides those of all layers but products of two activations."""
        return math.gcd(*(x.N for x in self.layers if x.weight_tensor is None)) or 1

    def stored(self, name: str, elements: int, multiple: int | None) -> int:
        """Elements of a tensor on their way to or from DRAM, which keeps multiples of channels.

        The whole tensor takes what its writers' channels, or those that its first reader finds,
        take rounded up; any part of it grows alike, to whole elements.
        """
        grown = elements * self.padding(name, multiple)
        return -(-grown.numerator // grown.denominator)

    def padding(self, name: str | None, multiple: int | None) -> Fraction:
        """How many times as many elements of a tensor are kept, see `stored`; of none, as many."""
        if multiple is None or name is None:
            return Fraction(1)
        whole = Fraction(0)
        writers = [layer for layer in self.layers if layer.output == name]
        for layer in writers:
            whole += self.touched(layer, name) * _padding(layer.G * layer.K, multiple)
        if writers and name in self.cache:  # what was there before has the first writer's channels
            before = self.tensors[name] - sum(self.touched(layer, name) for layer in writers)
            whole += before * _padding(writers[0].G * writers[0].K, multiple)
        if not writers:
            reader = next(
                x for x in self.layers if name in (x.input, x.weight_tensor, *x.residuals)
            )
            kept = reader.G * (reader.C if name == reader.input else reader.K)
            whole = self.tensors[name] * _padding(kept, multiple)
        return whole / self.tensors[name]

    def touched(self, layer: Layer, name: str) -> int:
        """Elements of a tensor that a layer reads or writes: all, unless it says a part."""
        return dict(layer.parts).get(name, self.tensors[name])


def _padding(channels: int, multiple: int) -> Fraction:
    """How many times as many channels are kept."""
    return Fraction(-(-channels // multiple) * multiple, channels)


def read_network(entry: Entry) -> Network:
    """The network of a file, with all its faults noted."""
    entry.known_keys(("name", "layers", "tensors", "source", "cache", "tokens", "members"))
    items = entry["layers"].items()
    if len(items) > MOST_LAYERS:
        entry["layers"].fault(f"at most {MOST_LAYERS} layers")
    layers = tuple(map(_read_layer, items))
    tensors = {name: x.whole() for name, x in entry["tensors"].table().items()}
    tokens = entry.get("tokens", None)
    network = Network(
        name=entry["name"].text(),
        layers=layers,
        tensors=tensors,
        cache=entry.get("cache", []).texts(),
        tokens=None if tokens.value is None else tokens.whole(),
        members=_read_members(entry.get("members", []), len(layers)),
    )
    faults = [*_name_faults(network), *_member_faults(network)]
    faults = faults or [*_order_faults(network), *_sharing_faults(network)] + [
        fault for layer in layers for fault in _shape_faults(network, layer)
    ]
    for name, found, expected in faults:
        entry.ledger.wrong(f"{entry.where}.layers ({name!r})", found, expected)
    if faults:
        raise Unreadable
    return network


def _read_members(entry: Entry, layers: int) -> tuple[Member, ...]:
    """The members of a suite, none of a network by itself: each has the next so many layers."""
    found: list[Member] = []
    for given in entry.items():
        given.known_keys(("name", "layers", "weight", "tokens"))
        tokens = given.get("tokens", None)
        first = found[-1].layers.stop if found else 0
        mine = range(first, first + given["layers"].whole(1, MOST_LAYERS))
        told = None if tokens.value is None else tokens.whole()
        found.append(Member(given["name"].text(), mine, given["weight"].decimal(), told))
    if found and found[-1].layers.stop != layers:
        entry.fault(f"members of {layers} layers together")
    if len({member.name for member in found}) < len(found):
        entry.fault("members of different names")
    return tuple(found)


def _member_faults(network: Network) -> Iterator[tuple[str, object, str]]:
    """Tensors that two members touch; weights they may share."""
    home: dict[str, str] = {}
    for member in network.members:
        for layer in network.only(member).layers:
            for name in (*layer.reads, layer.output):
                if home.setdefault(name, member.name) != member.name:
                    yield layer.name, name, f"nothing that {home[name]} has"


def _read_layer(entry: Entry) -> Layer:
    entry.known_keys((*LOOPS, *NAMES, *STEPS, *LATER))
    operand, owner = entry["weight_tensor"], entry.get("weights_of", None)
    return Layer(
        **{letter: entry[letter].whole() for letter in LOOPS},
        stride=_pair(entry["stride"]),
        dilation=_pair(entry["dilation"]),
        input_dilation=_pair(entry.get("input_dilation", 1)),
        input_repetition=_pair(entry.get("input_repetition", 1)),
        name=entry["name"].text(),
        input=entry["input"].text(),
        output=entry["output"].text(),
        residuals=entry["residuals"].texts(),
        weight_tensor=None if operand.value is None else operand.text(),
        weights_of=None if owner.value is None else owner.text(),
        appended=entry.get("appended", 0).whole(0),
        moves=entry.get("moves", False).flag(),
        parts=tuple((k, x.whole()) for k, x in entry.get("parts", {}).table().items()),
    )


def _pair(entry: Entry) -> PerAxis:
    """One number for both directions, or vertical and horizontal."""
    if not isinstance(entry.value, list):
        return entry.whole(), entry.whole()
    both = [item.whole() for item in entry.items()]
    if len(both) != 2:
        entry.fault("a whole number, or two")
    return both[0], both[1]


Fault = tuple[str, object, str]  # layer or tensor, found, expected


def _name_faults(network: Network) -> list[Fault]:
    counts = Counter(layer.name for layer in network.layers)
    used = {name for layer in network.layers for name in (*layer.reads, layer.output)}
    faults: list[Fault] = [(n, n, "one layer of a name") for n in counts if counts[n] > 1]
    for name in sorted(used ^ set(network.tensors)):
        faults.append((name, name, "a declared tensor that a layer uses"))
    kept = Counter(network.cache)
    for name in kept:
        if kept[name] > 1 or name not in network.inner:
            faults.append((name, "a cache", "a tensor that a layer reads, named once"))
    if all(layer.moves for layer in network.layers):
        faults.append((network.name, "only movements", "a layer that multiplies"))
    return faults


def _order_faults(network: Network) -> list[Fault]:
    """One whole writer or several of parts, which in a cache may leave some; no early reads."""
    faults: list[Fault] = []
    writers: dict[str, list[Layer]] = {}
    for layer in network.layers:
        writers.setdefault(layer.output, []).append(layer)
    for name, mine in writers.items():
        written = sum(network.touched(layer, name) for layer in mine)
        parts = all(name in dict(layer.parts) for layer in mine)
        whole = written == network.tensors[name]
        whole |= name in network.cache and parts and written < network.tensors[name]
        if not whole or (len(mine) > 1 and not parts):
            faults.append((name, written, f"{network.tensors[name]} elements written once each"))
    left = {name: len(mine) for name, mine in writers.items()}
    for layer in network.layers:
        for name in layer.reads:
            missing = left.get(name, 0)
            if missing and (name not in dict(layer.parts) or missing == len(writers[name])):
                faults.append((layer.name, name, "tensors read after they are written"))
        left[layer.output] -= 1
    return faults


def _sharing_faults(network: Network) -> list[Fault]:
    """Shared weights belong to an earlier layer, which has as many and uses nobody else's."""
    owned: dict[str, int] = {}
    faults: list[Fault] = []
    for layer in network.layers:
        if layer.owns_weights:
            owned[layer.name] = layer.weights
        elif layer.weights_of is not None:
            alike = owned.get(layer.weights_of) == layer.weights
            if layer.moves or layer.weight_tensor is not None or not alike:
                expected = f"an earlier layer that owns {layer.weights} weights"
                faults.append((layer.name, layer.weights_of, expected))
    return faults


def _shape_faults(network: Network, layer: Layer) -> list[Fault]:
    """Tensors as large as the loops say, windows that see data, movements without arithmetic."""
    faults: list[Fault] = []

    def must(right: bool, found: object, expected: str) -> None:
        if not right:
            faults.append((layer.name, found, expected))

    parts = dict(layer.parts)
    roles = [(layer.input, layer.ifmap)]
    if layer.weight_tensor is not None:
        roles.append((layer.weight_tensor, layer.weights))
    for name, elements in roles:
        if name not in parts:
            must(network.tensors[name] == elements, network.tensors[name], f"{elements} elements")
    for name, part in parts.items():
        must(name in (*layer.reads, layer.output), name, "parts of tensors it touches")
        must(part <= network.tensors.get(name, 0), part, "no more than the tensor has")
        read = max((elements for role, elements in roles if role == name), default=part)
        must(part == read, part, f"{read} elements, as its shape reads")
    written = network.touched(layer, layer.output)
    must(written <= layer.outputs + layer.appended, written, "no more than it computes")
    for name in layer.residuals:
        read = network.touched(layer, name)
        added = layer.moves or read <= layer.outputs
        must(added, read, "a residual no larger than the outputs")
    if layer.moves:
        steps = *layer.stride, *layer.dilation, *layer.input_dilation, *layer.input_repetition
        plain = {layer.R, layer.S, *steps} == {1}
        must(plain and layer.weight_tensor is None, "arithmetic", "a movement without any")
        return faults
    must(layer.macs <= MOST_MACS, layer.macs, f"at most {MOST_MACS} MACs")
    for axis, out, size in ((0, layer.P, layer.H), (1, layer.Q, layer.W)):
        zeros, again = layer.input_dilation[axis], layer.input_repetition[axis]
        must(again <= MOST_REPETITION, again, f"repeated at most {MOST_REPETITION} times")
        must(min(zeros, again) == 1, again, "zeros between rows or columns, or these repeated")
        reach, stored = layer.reach[axis], size * zeros * again
        needed = (out - 1) * layer.stride[axis] + reach
        padding = 2 * max(reach - 1, MOST_PADDING)
        must(needed <= stored + padding, needed, f"windows within {stored} and padding")
    return faults
