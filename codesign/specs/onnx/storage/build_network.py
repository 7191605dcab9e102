"""From drafts to a network: names, parts of tensors, and the copies that these make necessary."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from operator import itemgetter

from codesign.errors import SpecError
from codesign.specs.network import MAX_LAYERS, Layer, Network
from codesign.specs.onnx.graph.graph import Graph, Names
from codesign.specs.onnx.graph.operators import MACS
from codesign.specs.onnx.products.loops import Loops
from codesign.specs.onnx.storage.layout import Draft, Layout, Place, Tensor, new_part
from codesign.specs.onnx.storage.shared_weights import owners


@dataclass(eq=False)
class BuiltNetwork:
    """The network, with the names its layers and tensors got.

    Attributes
    ----------
    network : Network
    layer_names : dict of Draft to str
    tensor_names : dict of Tensor to str
    """

    network: Network
    layer_names: dict[Draft, str]
    tensor_names: dict[Tensor, str]


@dataclass(eq=False)
class _Names:
    layers: Names = field(default_factory=Names)
    tensors: dict[Tensor, str] = field(default_factory=dict)
    elements: dict[Tensor, int] = field(default_factory=dict)  # each counted once
    taken: Names = field(default_factory=Names)

    def layer(self, wanted: str) -> str:
        return self.layers.new(wanted)

    def tensor(self, tensor: Tensor) -> str:
        if tensor not in self.tensors:
            self.tensors[tensor] = self.taken.new(tensor.name)
        return self.tensors[tensor]

    def size(self, tensor: Tensor) -> int:
        if tensor not in self.elements:
            self.elements[tensor] = tensor.elements
        return self.elements[tensor]


def build_network(layout: Layout, name: str, source: str) -> BuiltNetwork:
    """Make the network of the drafted layers.

    A layer touches one number of elements of each tensor. Where it would touch two (it reads one
    part of a concatenation and writes another, of another size), what it reads is copied first.

    Raises
    ------
    SpecError
        No layer multiplies, or one is beyond what a network may hold.
    """
    if all(draft.moves for draft in layout.drafts):
        raise SpecError(
            "no layer that multiplies and accumulates; there is nothing to design for"
            + _without_elements(layout.graph)
        )
    if len(layout.drafts) > MAX_LAYERS:
        raise SpecError(
            f"{len(layout.drafts)} layers, and a network has at most {MAX_LAYERS}; each step of a "
            "recurrent operator or a loop has its own (--dim shortens a sequence left open)"
        )
    names, owner_of = _Names(), owners(layout.graph, layout.drafts)
    layer_names: dict[Draft, str] = {}
    layers: list[Layer] = []
    tensors: dict[str, int] = {}
    for draft in layout.drafts:
        for other in (*draft.reads, Place((draft.output,), 0)):
            tensors[names.tensor(other.tensor)] = names.size(other.tensor)
        own = names.layer(draft.name)
        reads = []
        for place, copy in _consistent(draft):
            if copy is None:
                reads.append((names.tensor(place.tensor), place))
                continue
            moved = names.layer(f"{own}.copy")
            tensors[names.tensor(copy)] = copy.elements
            origin = names.tensor(place.tensor)
            layers.append(_copying(moved, origin, tensors[origin], place, names.tensor(copy)))
            reads.append((names.tensor(copy), Place(tuple(copy.parts), copy.elements)))
        owner = layer_names[owner_of[draft]] if draft in owner_of else None
        written = names.tensor(draft.output.tensor)
        layers.append(_layer(draft, own, reads, written, tensors, owner))
        layer_names[draft] = own
    cache = tuple(known for tensor, known in names.tensors.items() if tensor.goes_on)
    network = Network(name=name, layers=tuple(layers), tensors=tensors, source=source, cache=cache)
    return BuiltNetwork(network, layer_names, names.tensors)


def _without_elements(graph: Graph) -> str:
    """What to say of products that are empty, as those of images too small for a window are."""
    empty = [
        node.name
        for node in graph.nodes
        if node.operator in MACS and not any(graph.size(name) for name in node.outputs if name)
    ]
    return f": at these sizes, results have no elements from node {empty[0]!r} on" if empty else ""


def _consistent(draft: Draft) -> Iterator[tuple[Place, Tensor | None]]:
    """Each place the layer reads, with a tensor to copy it to where that must be.

    Its two operands may be parts of one tensor of two sizes, which its loops tell.
    """
    operands = draft.reads[: 1 if draft.weight_place is None else 2]
    touched = {place.tensor: place.elements for place in sorted(operands, key=_size)}
    touched[draft.output.tensor] = draft.output.elements
    for position, place in enumerate(draft.reads):
        own = position < len(operands) and place.tensor is not draft.output.tensor
        if own or touched.setdefault(place.tensor, place.elements) == place.elements:
            yield place, None
            continue
        yield place, new_part(f"{place.tensor.name}.copy", place.elements).tensor


def _size(place: Place) -> int:
    return place.elements


def _copying(name: str, source: str, stored: int, place: Place, target: str) -> Layer:
    return Layer(
        name=name,
        moves=True,
        input=source,
        output=target,
        **asdict(Loops(C=place.elements, K=place.elements)),
        parts={} if place.elements == stored else {source: place.elements},
    )


def _layer(
    draft: Draft,
    name: str,
    reads: list[tuple[str, Place]],
    output: str,
    stored: Mapping[str, int],
    owner: str | None,
) -> Layer:
    touched = [(tensor, place.elements) for tensor, place in reads]
    touched += [(output, draft.output.elements)]
    partial = {tensor for tensor, part in touched if part != stored[tensor]}
    first = 1 if draft.weight_place is None else 2
    residuals: dict[int, str] = {}
    for (tensor, _), place in zip(reads[first:], draft.residuals, strict=True):
        residuals[id(place)] = tensor  # read once for two additions on the way
    return Layer(
        name=name,
        **asdict(draft.loops),
        input=reads[0][0],
        output=output,
        weight_tensor=None if draft.weight_place is None else reads[1][0],
        weights_of=owner,
        residuals=tuple(residuals.values()),
        appended=draft.appended,
        moves=draft.moves,
        parts={name: part for name, part in sorted(touched, key=itemgetter(1)) if name in partial},
    )
