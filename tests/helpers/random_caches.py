"""Tiny random networks some of whose tensors outlast the run: attention, and whatever is marked."""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import replace

from random_networks import random_network

from codesign.specs.decoder import Decoder, DecoderSizes
from codesign.specs.network import Network

OF_ATTENTION = ("q", "k", "v", "qk", "av", "o")


def random_cached(rng: random.Random) -> Network:
    """A network with a cache that is written in part, or all of it, or by nobody."""
    return random_attention(rng) if rng.random() < 0.5 else random_marked(rng)


def random_attention(rng: random.Random) -> Network:
    """The attention of a decoder's block: new keys and values behind those there are."""
    decoder, length = _tiny(rng), rng.randint(1, 9)
    decodes = rng.random() < 0.7
    network = decoder.network("decode", None, length) if decodes else decoder.network("prefill", 3)
    return _attention_of(network, OF_ATTENTION).batched(rng.choice((1, 1, 2)))


def random_phases(rng: random.Random) -> tuple[Network, Network]:
    """Keys and their products with queries of a decoder's block, in both its phases."""
    decoder = _tiny(rng)
    both = decoder.network("prefill", rng.randint(1, 3)), decoder.network("decode", None, 5)
    prefill, decode = (_attention_of(network, ("k", "qk")) for network in both)
    return prefill, decode


def _tiny(rng: random.Random) -> Decoder:
    groups = rng.choice((1, 1, 2))
    sizes = DecoderSizes(
        blocks=1,
        hidden=rng.randint(1, 6),
        heads=groups * rng.choice((1, 2, 3)),
        kv_heads=groups,
        head_size=rng.randint(1, 4),
        ffn=1,
        vocabulary=1,
        max_context=9,
    )
    return Decoder(name="tiny", decoder=sizes)


def _attention_of(network: Network, kept: Collection[str]) -> Network:
    """Some layers of a block."""
    layers = tuple(x for x in network.layers if x.name.rpartition(".")[2] in kept)
    used = {name for layer in layers for name in (*layer.reads, layer.output)}
    tensors = {name: elements for name, elements in network.tensors.items() if name in used}
    cache = tuple(name for name in network.cache if name in used)
    return replace(network, layers=layers, tensors=tensors, cache=cache)


def random_marked(rng: random.Random) -> Network:
    """A network of any kind; some of the tensors that are read outlast the run."""
    network = random_network(rng, rng.choice((2, 3, 3, 4)), moving=rng.random() < 0.4)
    read = [*network.inner_tensors]
    return replace(network, cache=tuple(rng.sample(read, rng.randint(1, min(2, len(read))))))
