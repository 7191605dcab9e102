"""Which weights and tensors take one common width: classes of sources.

A source is ``weight:<layer>`` or ``tensor:<tensor>``. Groups that overlap are one class.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from codesign.errors import SpecError
from codesign.specs.network import Network
from codesign.specs.schema import nearest

Classes = tuple[tuple[str, ...], ...]


def width_classes(network: Network, groups: Sequence[Sequence[str]], tied: bool) -> Classes:
    """All sources of a network, those of one common width together; so are caches that are one.

    Classes stand in the order of their first members: inner tensors as declared, then the layers'
    weights; so do the members of a class.

    Parameters
    ----------
    groups : sequence of sequences of str
        Sources that share a width.
    tied : bool
        Every layer's weights share the width of the layer's input tensor; those that several
        layers use, that of all their inputs.

    Raises
    ------
    SpecError
        A group names what has no width of its own.
    """
    sources = tuple(f"tensor:{name}" for name in network.inner_tensors)
    sources += tuple(f"weight:{name}" for name in network.weight_layers)
    first = {source: source for source in sources}

    def class_of(source: str) -> str:
        while first[source] != source:
            source = first[source]
        return source

    for group in groups:
        network.check_owners(group, "shared:")
        for source in group:
            _check_source(network, source, first)
    users = [layer for layer in network.layers if tied and layer.uses_weights]
    ties = [(layer.weight_source, f"tensor:{layer.input}") for layer in users]
    caches = [[f"tensor:{name}" for name in names] for names in network.same_caches]
    for group in (*groups, *caches, *ties):
        for source in group[1:]:
            first[class_of(source)] = class_of(group[0])
    members: dict[str, list[str]] = {}
    for source in sources:
        members.setdefault(class_of(source), []).append(source)
    return tuple(tuple(each) for each in members.values())


def _check_source(network: Network, source: str, known: Collection[str]) -> None:
    kind, _, name = source.partition(":")
    if kind == "tensor" and name in network.outputs:
        raise SpecError(
            f"shared: {name!r} is a result of network {network.name!r}; its width is output_bits"
        )
    if source not in known:
        near = nearest(source, tuple(k for k in known if k.startswith(kind + ":")))
        raise SpecError(
            f"shared: network {network.name!r} has no weight-owning layer or inner tensor "
            f"{source!r}{near or '; write weight:<layer> or tensor:<tensor>'}"
        )
