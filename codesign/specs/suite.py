"""Several networks that one accelerator executes, one after the other.

They become one network: all their layers, named ``member/layer``, over all their tensors, named
``member/tensor``. The members share the accelerator and nothing else: each has widths, places and a
quality of its own, and of what adds up over layers each counts with its weight. But members of one
model, such as two phases of a decoder, share the weights of layers of one name: these are stored
once, at one width, and so are caches of one name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from codesign.errors import SpecError
from codesign.specs.layer import MAX_NAME, Layer
from codesign.specs.network import LEAST_WEIGHT, MOST_WEIGHT, Member, Network

MOST_MEMBERS = 100


class Suite:
    """Networks with a weight each.

    Parameters
    ----------
    networks : sequence of Network
        A name that comes again is numbered: ``resnet18``, ``resnet18.2``.
    weights : sequence of float, optional
        How often each is executed, say; by default 1.

    Attributes
    ----------
    networks : tuple of Network
    weights : tuple of float
    names : tuple of str
        Of the members, no two alike.

    Raises
    ------
    SpecError
        No network, a suite among them, weights that do not fit, or networks of one model that have
        different layers of one name.
    """

    def __init__(self, networks: Sequence[Network], weights: Sequence[float] | None = None) -> None:
        if isinstance(networks, Network):
            raise SpecError("suite: give a list of networks")
        self.networks = tuple(networks)
        if not 1 <= len(self.networks) <= MOST_MEMBERS:
            raise SpecError(f"suite: give 1 to {MOST_MEMBERS} networks, got {len(self.networks)}")
        for network in self.networks:
            if not isinstance(network, Network) or network.members:
                name = network.name if isinstance(network, Network) else repr(network)
                raise SpecError(f"suite: {name} is not a network by itself")
        given = (1.0,) * len(self.networks) if weights is None else tuple(weights)
        self.weights = _checked_weights(given, len(self.networks))
        self.names = _names(self.networks)

    @cached_property
    def network(self) -> Network:
        """The members as one network."""
        layers, tensors = list[Layer](), dict[str, int]()
        owners: dict[str, dict[str, Layer]] = {}  # by model: layers that own weights, by name
        for name, member in zip(self.names, self.networks, strict=True):
            known = {} if member.model is None else owners.setdefault(member.model, {})
            layers += _sharing(name, member, known)
            tensors |= {f"{name}/{x}": elements for x, elements in member.tensors.items()}
        joined = " + ".join(self.names)
        members = zip(self.names, self.networks, self.weights, strict=True)
        named = [*zip(self.names, self.networks, strict=True)]
        return Network(
            name=joined if len(joined) <= MAX_NAME else f"{len(self.names)} networks",
            layers=tuple(layers),
            tensors=tensors,
            source="; ".join(dict.fromkeys(x.source for x in self.networks if x.source)),
            cache=tuple(f"{name}/{x}" for name, net in named for x in net.cache),
            members=tuple(
                Member(name=name, layers=len(network.layers), weight=weight, tokens=network.tokens)
                for name, network, weight in members
            ),
        )


def _sharing(name: str, member: Network, known: dict[str, Layer]) -> list[Layer]:
    """The layers of a member, with weights that it shares with members before it.

    Parameters
    ----------
    known : dict
        Of members of the same model: layers that own weights, by their own names. Grows.
    """
    found = []
    for layer in member.layers:
        mine = _renamed(layer, f"{name}/".__add__)
        if layer.uses_weights:
            owner = known.setdefault(layer.weights_of or layer.name, mine)
            if owner.weights != layer.weights:
                raise SpecError(
                    f"suite: {mine.name!r} has {layer.weights} weights and {owner.name!r} "
                    f"{owner.weights}; they are of one model, {member.model!r}, whose networks "
                    "share weights"
                )
            mine = mine if owner is mine else replace(mine, weights_of=owner.name)
        found.append(mine)
    return found


def refuse_suite(network: Network, what: str) -> None:
    """Refuse a suite where only networks by themselves are served.

    Raises
    ------
    SpecError
    """
    if network.members:
        raise SpecError(f"{network.name}: {what} one network, not a suite of several")


def one_network(given: Any) -> Any:
    """A suite as one network; anything else as it is."""
    return given.network if isinstance(given, Suite) else given


def _checked_weights(weights: tuple[float, ...], count: int) -> tuple[float, ...]:
    if len(weights) != count:
        raise SpecError(f"suite: {len(weights)} weights for {count} networks; give one for each")
    for weight in weights:
        number = isinstance(weight, int | float) and not isinstance(weight, bool)
        if not number or not math.isfinite(weight) or not LEAST_WEIGHT <= weight <= MOST_WEIGHT:
            raise SpecError(
                f"suite: weight {weight!r}: give a number from {LEAST_WEIGHT:g} to {MOST_WEIGHT:g}"
            )
    return tuple(map(float, weights))


def _names(networks: Sequence[Network]) -> tuple[str, ...]:
    """Names of the members: of networks of one name all but the first are numbered."""
    taken, found = {network.name for network in networks}, list[str]()
    for network in networks:
        name, number = network.name, 1
        while name in found or (number > 1 and name in taken):
            number += 1
            name = f"{network.name}.{number}"
        found.append(name)
    return tuple(found)


def alone(network: Network, member: int) -> Network:
    """A member of a suite as the network that it was."""
    name = network.members[member].name

    def without(text: str) -> str:
        return text.removeprefix(f"{name}/")

    mine = part(network, member)
    return replace(
        mine,
        layers=tuple(_renamed(layer, without) for layer in mine.layers),
        tensors={without(x): n for x, n in mine.tensors.items()},
        cache=tuple(map(without, mine.cache)),
    )


def part(network: Network, member: int) -> Network:
    """The same under the names that its layers and tensors have in the suite.

    Weights that it shares with other members are those of the first of its layers that uses them.
    """
    own = sources_alone(network, member)
    mine = [
        replace(x, weights_of=own[x.weight_source].removeprefix("weight:"))
        if x.weights_of is not None
        else x
        for x, m in zip(network.layers, network.member_of, strict=True)
        if m == member
    ]
    mine = [x if x.weights_of != x.name else replace(x, weights_of=None) for x in mine]
    touched = {x for layer in mine for x in (*layer.reads, layer.output)}
    return Network(
        name=network.members[member].name,
        layers=tuple(mine),
        tensors={x: n for x, n in network.tensors.items() if x in touched},
        source=network.source,
        cache=tuple(x for x in network.cache if x in touched),
        tokens=network.members[member].tokens,
    )


def sources_alone(network: Network, member: int) -> dict[str, str]:
    """Of what has a width in a member of a suite: what it is in `part`, of that member alone."""
    found: dict[str, str] = {}
    each = zip(network.layers, network.member_of, network.first_uses, strict=True)
    for layer, m, first in each:
        if m == member:
            tensors = (f"tensor:{x}" for x in (*layer.reads, layer.output))
            found |= {x: x for x in tensors}
            found |= {layer.weight_source: f"weight:{layer.name}"} if first else {}
    return found


def _renamed(layer: Layer, rename: Callable[[str], str]) -> Layer:
    """A layer with other names of itself and of its tensors."""
    return replace(
        layer,
        name=rename(layer.name),
        input=rename(layer.input),
        output=rename(layer.output),
        residuals=tuple(map(rename, layer.residuals)),
        weight_tensor=None if layer.weight_tensor is None else rename(layer.weight_tensor),
        weights_of=None if layer.weights_of is None else rename(layer.weights_of),
        parts={rename(name): elements for name, elements in layer.parts.items()},
    )
