"""A neural network as its layers over named activation tensors."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from fractions import Fraction
from functools import cached_property
from typing import Annotated

from pydantic import Field

from codesign.errors import SpecError
from codesign.specs.layer import Count, Layer, Name
from codesign.specs.schema import Displayed, nearest, spec_dataclass

__all__ = ["Layer", "Network"]

MAX_LAYERS = 10_000
LEAST_WEIGHT, MOST_WEIGHT = 1e-5, 1e6  # of members: sums keep the digits of all of them


@spec_dataclass
class Member:
    """One of several networks that are executed one after the other on one accelerator.

    Attributes
    ----------
    name : str
    layers : int
        How many layers it has, consecutive ones, after those of the members before.
    weight : float
        What its share of a sum over the members is multiplied by.
    tokens : int or None
        As of `Network`.
    """

    name: Name
    layers: Annotated[int, Field(strict=True, ge=1, le=MAX_LAYERS)]
    weight: Annotated[float, Field(ge=LEAST_WEIGHT, le=MOST_WEIGHT)] = 1.0
    tokens: Count | None = None


@spec_dataclass
class Network(Displayed):
    """Layers in execution order over named activation tensors.

    Attributes
    ----------
    name : str
    layers : tuple of Layer
    tensors : mapping of str to int
        Elements of each activation tensor, for the whole batch, as stored (after fused pooling).
    source : str
        Where the architecture is described.
    cache : tuple of str
        Tensors that outlast the run (the keys and values of a language model): always in DRAM. What
        no layer writes of them was there before.
    tokens : int or None
        New tokens of each image of the batch, which is a sequence then.
    members : tuple of Member
        Of a suite (`codesign.specs.suite`) the networks that it is made of, which share no tensor;
        empty of a network by itself.
    model : str or None
        In a suite, networks of one model share the weights of layers of one name.
    """

    name: Name
    layers: Annotated[tuple[Layer, ...], Field(min_length=1, max_length=MAX_LAYERS)]
    tensors: Mapping[Name, Count]
    source: str = ""
    cache: tuple[Name, ...] = ()
    tokens: Count | None = None
    members: tuple[Member, ...] = ()
    model: Name | None = field(default=None, compare=False)  # of a network before it is in a suite

    def __post_init__(self) -> None:
        if all(layer.moves for layer in self.layers):
            raise SpecError(
                f"network {self.name!r}: its layers only move data; at least one must multiply"
            )
        _check_names(self)
        _check_cache(self)
        _check_order(self)
        _check_sharing(self)
        for layer in self.layers:
            _check_shapes(self, layer)
        if self.members:
            _check_members(self)

    @cached_property
    def member_of(self) -> tuple[int, ...]:
        """Of each layer: the number of the member it is of; 0 of a network by itself."""
        counts = [member.layers for member in self.members] or [len(self.layers)]
        return tuple(m for m, count in enumerate(counts) for _ in range(count))

    @cached_property
    def layer_weights(self) -> tuple[float, ...]:
        """Of each layer: the weight of its member; 1 of a network by itself."""
        weights = [member.weight for member in self.members] or [1.0]
        return tuple(weights[m] for m in self.member_of)

    @property
    def executed_images(self) -> float:
        """Images of the batch, those of a member of a suite times its weight."""
        if not self.members:
            return self.images
        each = enumerate(self.members)
        return math.fsum(member.weight * self.images_of(m) for m, member in each)

    @property
    def executed_tokens(self) -> float | None:
        """New tokens of the batch, those of a member times its weight; None where none are told."""
        if not self.members:
            return None if self.tokens is None else self.images * self.tokens
        told = [(m, x.weight, x.tokens) for m, x in enumerate(self.members) if x.tokens is not None]
        return math.fsum(w * self.images_of(m) * n for m, w, n in told) if told else None

    def images_of(self, member: int) -> int:
        """Images of the batch of one member of a suite."""
        mine = zip(self.layers, self.member_of, strict=True)
        return math.gcd(*(x.N for x, m in mine if m == member and x.weight_tensor is None)) or 1

    @cached_property
    def members_of_source(self) -> dict[str, tuple[int, ...]]:
        """Of each ``weight:<layer>`` and ``tensor:<tensor>``: the numbers of its members.

        Those whose layers multiply with the weights; a tensor is of one.
        """
        found: dict[str, tuple[int, ...]] = {}
        for layer, member in zip(self.layers, self.member_of, strict=True):
            own = [layer.weight_source] * layer.uses_weights
            own += [f"tensor:{x}" for x in (*layer.reads, layer.output)]
            for source in own:
                if member not in (known := found.get(source, ())):
                    found[source] = *known, member
        return found

    @cached_property
    def first_uses(self) -> tuple[bool, ...]:
        """Of each layer: whether its member multiplies with these weights for the first time."""
        met: set[tuple[int, str]] = set()
        found = []
        for layer, member in zip(self.layers, self.member_of, strict=True):
            use = member, layer.weight_source
            found.append(layer.uses_weights and use not in met)
            met.add(use)
        return tuple(found)

    @cached_property
    def same_caches(self) -> tuple[tuple[str, ...], ...]:
        """Tensors of several members that are one cache: of one name, in members of one model.

        Such members share weights: the cache that one has written is read by the others.
        """
        home = [*range(len(self.members))]
        for members in {x for x in self.members_of_source.values() if len(x) > 1}:
            joined = {home[m] for m in members}
            home = [min(joined) if x in joined else x for x in home]
        found: dict[tuple[int, str], list[str]] = {}
        for name in self.cache:
            member = self.members_of_source[f"tensor:{name}"][0]
            if self.members:
                own = name.removeprefix(f"{self.members[member].name}/")
                found.setdefault((home[member], own), []).append(name)
        return tuple(tuple(names) for names in found.values() if len(names) > 1)

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """Tensors no layer reads: the results of the network, stored at a fixed width."""
        read = {name for layer in self.layers for name in layer.reads}
        return tuple(name for name in self.tensors if name not in read)

    @cached_property
    def inner_tensors(self) -> tuple[str, ...]:
        """Tensors some layer reads, in declared order: those whose bitwidth is a choice."""
        outputs = set(self.outputs)
        return tuple(name for name in self.tensors if name not in outputs)

    @cached_property
    def lifetimes(self) -> dict[str, tuple[int, int]]:
        """The first layer that writes each tensor, and the last that reads it, by their numbers.

        Only of tensors that some layer writes and some layer reads, in declared order: those that
        can stay on chip in between. The network's inputs, results and cache cannot.
        """
        first: dict[str, int] = {}
        last: dict[str, int] = {}
        for i, layer in enumerate(self.layers):
            last |= dict.fromkeys(layer.reads, i)
            first.setdefault(layer.output, i)
        both = (x for x in self.tensors if x in first and x in last and x not in self.cache)
        return {x: (first[x], last[x]) for x in both}

    @cached_property
    def noise_sources(self) -> tuple[str, ...]:
        """All that adds noise: ``weight:<layer>``, then ``tensor:<tensor>`` of all but results."""
        weights = (f"weight:{name}" for name in self.weight_layers)
        return (*weights, *(f"tensor:{name}" for name in self.inner_tensors))

    @cached_property
    def weight_layers(self) -> tuple[str, ...]:
        """Names of the layers that own weights."""
        return tuple(layer.name for layer in self.layers if layer.owns_weights)

    @cached_property
    def weight_uses(self) -> dict[str, int]:
        """How many layers multiply with each ``weight:<layer>``, of all members of a suite."""
        uses = Counter(layer.weight_source for layer in self.layers if layer.uses_weights)
        return {f"weight:{name}": uses[f"weight:{name}"] for name in self.weight_layers}

    def check_owners(self, sources: Iterable[str], where: str) -> None:
        """Refuse ``weight:<layer>`` of a layer whose weights are those of another.

        Raises
        ------
        SpecError
            Naming the layer that owns them.
        """
        for source in sources:
            if isinstance(source, str) and source in self._owner_of:
                raise SpecError(
                    f"{where} {source!r}: its weights are those of layer "
                    f"{self._owner_of[source]!r}; write {f'weight:{self._owner_of[source]}'!r}"
                )

    @cached_property
    def _owner_of(self) -> dict[str, str]:
        """Of ``weight:<layer>`` of layers that use another's weights: whose."""
        return {f"weight:{x.name}": x.weights_of for x in self.layers if x.weights_of is not None}

    @property
    def macs(self) -> int:
        """Multiply-accumulate operations of one inference of the batch."""
        return sum(layer.macs for layer in self.layers)

    @property
    def stored_macs(self) -> int:
        """The same without those of zeros that transposed convolutions insert."""
        return sum(layer.stored_macs for layer in self.layers)

    @property
    def weights(self) -> int:
        """Weight elements, shared ones once; no biases and normalisation parameters."""
        return sum(layer.weights for layer in self.layers if layer.owns_weights)

    @cached_property
    def images(self) -> int:
        """Images of the batch: as many as divide the batch of every layer with weights."""
        return math.gcd(*(x.N for x in self.layers if x.weight_tensor is None)) or 1

    def touched(self, layer: Layer, name: str) -> int:
        """Elements of a tensor that a layer reads or writes: all, unless ``parts`` says less."""
        return layer.parts.get(name, self.tensors[name])

    def stored_factor(self, name: str, multiple: int | None) -> Fraction:
        """By how much a tensor grows in DRAM where channels are stored in multiples of a number.

        What a layer writes has its G·K channels, and so has what a cache holds before; an input of
        the network has the channels of its first reader, G·C, or G·K where that adds it or takes it
        for weights.
        """
        if multiple is None:
            return Fraction(1)
        each = [(self.touched(x, name), x.G * x.K) for x in self.layers if x.output == name]
        if not each:
            reader = next(layer for layer in self.layers if name in layer.reads)
            channels = reader.C if reader.input == name else reader.K
            each = [(self.tensors[name], reader.G * channels)]
        elif left := self.tensors[name] - sum(n for n, _ in each):  # of a cache, as it goes on
            each.append((left, each[0][1]))
        stored = (Fraction(n * -(-count // multiple) * multiple, count) for n, count in each)
        return sum(stored, Fraction(0)) / self.tensors[name]

    def operand_factors(self, layer: Layer, multiple: int | None) -> tuple[Fraction, Fraction]:
        """The same of a layer's weight operand, and of its input."""
        weights = Fraction(1)
        if layer.weight_tensor is not None:
            weights = self.stored_factor(layer.weight_tensor, multiple)
        return weights, self.stored_factor(layer.input, multiple)

    def stored(self, layer: Layer, name: str, multiple: int | None) -> int:
        """Elements of a tensor that a layer reads from DRAM or writes to it, as they are stored."""
        return math.ceil(self.touched(layer, name) * self.stored_factor(name, multiple))

    def batched(self, images: int) -> Network:
        """The same network on ``images`` times as many images at once.

        A product of two activations has other operands for each image, so there the images are
        groups; everywhere else they share the weights.

        Raises
        ------
        SpecError
            Not a positive whole number, or a layer grows too large.
        """
        if not isinstance(images, int) or images < 1:
            raise SpecError(f"batch: {images!r} images; give a whole number of at least 1")
        return self if images == 1 else self.of_images(self.images * images)

    def of_images(self, images: int) -> Network:
        """The same network on ``images`` images in all, of as many as it may be batched to."""
        ratio = Fraction(images, self.images)

        def grown(size: int) -> int:
            found = size * ratio
            if found.denominator > 1:
                raise SpecError(f"batch: {images} images, which {self.name} cannot be of")
            return found.numerator

        def layer_of(layer: Layer) -> Layer:
            product = layer.weight_tensor is not None
            return replace(
                layer,
                N=layer.N if product else grown(layer.N),
                G=grown(layer.G) if product else layer.G,
                appended=grown(layer.appended),
                parts={name: grown(elements) for name, elements in layer.parts.items()},
            )

        return replace(
            self,
            layers=tuple(map(layer_of, self.layers)),
            tensors={name: grown(elements) for name, elements in self.tensors.items()},
        )


def _check_names(network: Network) -> None:
    seen: set[str] = set()
    used: set[str] = set()
    for layer in network.layers:
        if layer.name in seen:
            raise SpecError(f"network {network.name!r}: two layers are named {layer.name!r}")
        seen.add(layer.name)
    for layer in network.layers:
        for name in (*layer.reads, layer.output):
            if name not in network.tensors:
                raise SpecError(
                    f"network {network.name!r}, layer {layer.name!r}: tensor {name!r} is not in "
                    "[tensors]"
                )
            used.add(name)
    for name in network.tensors:
        if name not in used:
            raise SpecError(
                f"network {network.name!r}: tensor {name!r} is declared but no layer uses it"
            )


def _check_cache(network: Network) -> None:
    outputs = set(network.outputs)
    for name in network.cache:
        where = f"network {network.name!r}: cache: "
        if name not in network.tensors:
            raise SpecError(f"{where}no tensor {name!r}{nearest(name, tuple(network.tensors))}")
        if name in outputs:
            raise SpecError(f"{where}no layer reads tensor {name!r}; it is a result")
        if network.cache.count(name) > 1:
            raise SpecError(f"{where}tensor {name!r} is named twice")


def _check_members(network: Network) -> None:
    where, names = f"network {network.name!r}", [member.name for member in network.members]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise SpecError(f"{where}: two members are named {twice[0]!r}")
    if len(network.member_of) != len(network.layers):
        raise SpecError(
            f"{where}: its members have {len(network.member_of)} layers, it has "
            f"{len(network.layers)}"
        )
    touched: dict[str, int] = {}
    for layer, member in zip(network.layers, network.member_of, strict=True):
        for name in (*layer.reads, layer.output):
            if touched.setdefault(name, member) != member:
                raise SpecError(f"{where}: two members touch tensor {name!r}")


def _check_order(network: Network) -> None:
    writers: dict[str, list[Layer]] = {}
    for layer in network.layers:
        mine = writers.setdefault(layer.output, [])
        mine.append(layer)
        for other in mine[-2:-1]:  # those before it were compared when it came
            if not (layer.output in layer.parts and layer.output in other.parts):
                raise SpecError(
                    f"network {network.name!r}: layers {other.name!r} and {layer.name!r} both "
                    f"write tensor {layer.output!r}; a tensor has one writer, unless each writes "
                    "a part of it"
                )
    for name, mine in writers.items():
        written = sum(network.touched(layer, name) for layer in mine)
        goes_on = name in network.cache and all(name in layer.parts for layer in mine)
        if written != network.tensors[name] and not (goes_on and written < network.tensors[name]):
            raise SpecError(
                f"network {network.name!r}: the layers that write tensor {name!r} write {written} "
                f"of its {network.tensors[name]} elements"
            )
    left = {name: len(mine) for name, mine in writers.items()}
    for layer in network.layers:
        for name in layer.reads:
            missing = left.get(name, 0)
            if missing and (name not in layer.parts or missing == len(writers[name])):
                late = writers[name][len(writers[name]) - missing]
                raise SpecError(
                    f"network {network.name!r}, layer {layer.name!r}: reads tensor {name!r} before "
                    f"layer {late.name!r} writes it; list layers in execution order"
                )
        left[layer.output] -= 1


def _check_sharing(network: Network) -> None:
    """Shared weights are those of an earlier layer that owns them, all of them."""
    earlier: dict[str, Layer] = {}
    every = {layer.name for layer in network.layers}
    for layer in network.layers:
        owner, where = layer.weights_of, f"network {network.name!r}, layer {layer.name!r}"
        if owner is not None:
            if owner not in every:
                near = nearest(owner, tuple(earlier))
                raise SpecError(f"{where}: weights_of: no layer {owner!r}{near}")
            if owner not in earlier:
                raise SpecError(
                    f"{where}: weights_of: layer {owner!r} is no earlier layer; the first that "
                    "uses weights owns them"
                )
            of = earlier[owner]
            if not of.owns_weights:
                why = f"uses those of {of.weights_of!r}" if of.weights_of else "has none of its own"
                raise SpecError(f"{where}: weights_of: layer {owner!r} {why}; name an owner")
            if of.weights != layer.weights:
                raise SpecError(
                    f"{where}: its weight operand has G·K·C·R·S = {layer.weights} elements but "
                    f"layer {owner!r}, whose weights it uses, has {of.weights}"
                )
        earlier[layer.name] = layer


def _check_shapes(network: Network, layer: Layer) -> None:
    where = f"network {network.name!r}, layer {layer.name!r}"
    _check_parts(network, layer, where)
    operands = [(layer.input, layer.ifmap, "ifmap has N·G·C·H·W")]
    if layer.weight_tensor is not None:
        operands.append((layer.weight_tensor, layer.weights, "weight operand has G·K·C·R·S"))
    for name, elements, has in operands:
        if name not in layer.parts and elements != network.tensors[name]:
            raise SpecError(
                f"{where}: its {has} = {elements} elements but tensor {name!r} has "
                f"{network.tensors[name]}"
            )
    most, written = layer.computed_outputs + layer.appended, network.touched(layer, layer.output)
    if written > most:
        raise SpecError(
            f"{where}: computes {most} outputs but tensor {layer.output!r} has "
            f"{written} elements (a fused pooling can only make it smaller)"
        )
    for name in layer.residuals:
        read = network.touched(layer, name)
        if read > layer.computed_outputs and not layer.moves:
            raise SpecError(
                f"{where}: residual {name!r} has {read} elements, more than the "
                f"{layer.computed_outputs} outputs it is added to"
            )


def _check_parts(network: Network, layer: Layer, where: str) -> None:
    for name, part in layer.parts.items():
        if part > network.tensors[name]:
            raise SpecError(
                f"{where}: parts: {part} elements of tensor {name!r}, which has "
                f"{network.tensors[name]}"
            )
        roles = ((layer.input, layer.ifmap), (layer.weight_tensor, layer.weights))
        reads = max((elements for role, elements in roles if role == name), default=part)
        if part != reads:
            raise SpecError(
                f"{where}: parts: {part} elements of tensor {name!r}, of which its shape reads "
                f"{reads}"
            )
