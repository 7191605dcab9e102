"""Which tensors may be held as bands: what is refused, and why; against plain enumeration."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations

import pytest
from fused_designs import CHAIN
from random_networks import random_network
from seeds import mostly_long

from codesign import Choices, Layer, Network, Problem, SpecError
from codesign.costs.fusion import runs_of
from codesign.problem.choices import Place


def problem(network: Network, places: Mapping[str, Place], fused_layers: int = 4) -> Problem:
    given = Choices(on_chip="bands", fused_layers=fused_layers, places=places)
    return Problem(network=network, choices=given)


def refusal(network: Network, places: Mapping[str, Place], fused_layers: int = 4) -> str:
    with pytest.raises(SpecError) as caught:
        problem(network, places, fused_layers)
    return str(caught.value)


@pytest.mark.parametrize("name", ["y1", "y2", "y3"])
def test_bands_that_may_be(name: str) -> None:
    assert problem(CHAIN, {name: "band"}).choices.places == {name: "band"}


def changed(*layers: Layer, **tensors: int) -> Network:
    """`CHAIN` with other layers of the same names."""
    new = {layer.name: layer for layer in layers}
    kept = tuple(new.get(layer.name, layer) for layer in CHAIN.layers)
    return replace(CHAIN, layers=kept, tensors=CHAIN.tensors | tensors)


C1, C2, C3, C4, FC = CHAIN.layers
HALF = {"y2": 128}
PRODUCT = Network(
    name="product",
    layers=(
        Layer(name="a", K=4, C=4, P=4, H=4, input="x", output="y"),
        Layer(name="b", K=4, C=4, P=4, H=4, input="y", output="z", weight_tensor="x"),
        Layer(name="c", K=4, C=4, P=4, H=4, input="z", output="u"),
        Layer(name="d", K=4, C=4, P=4, H=4, input="u", output="v", residuals=("z",)),
        Layer(name="e", K=4, C=4, P=4, H=4, input="u", output="w"),
    ),
    tensors=dict.fromkeys("xyzuvw", 16),
)
POOLED = Network(
    name="pooled",
    layers=(
        Layer(name="a", K=4, C=4, P=4, Q=4, H=4, W=4, input="x", output="y"),
        Layer(name="b", K=4, C=4, P=2, Q=2, H=2, W=2, input="y", output="z"),
    ),
    tensors={"x": 64, "y": 16, "z": 16},
)
REASONS: dict[str, tuple[Network, str, str]] = {
    "an input": (CHAIN, "x", "place of 'x': an input or a result of the network"),
    "a result": (CHAIN, "scores", "place of 'scores': an input or a result of the network"),
    "no tensor": (CHAIN, "y", "place of 'y': network 'chain' has no such tensor; did you mean"),
    "read flattened": (CHAIN, "y4", "layer 'fc' does not read all of it in rows as 'c4' writes"),
    "pooled": (
        POOLED,
        "y",
        "layer 'a' pools what it computes into it",
    ),
    "read in parts": (
        changed(replace(C3, C=2, parts=HALF)),
        "y2",
        "layer 'c3' does not read all of it in rows as 'c2' writes",
    ),
    "passed over by the next": (
        changed(replace(C3, input="y1", residuals=("y2",))),
        "y2",
        "it is not the input of layer 'c3', the next after 'c2'",
    ),
    "read again as an input": (
        changed(replace(C3, input="y2", residuals=()), replace(C4, input="y2")),
        "y2",
        "layer 'c4' reads it as well, and not as a residual",
    ),
    "read by a product": (PRODUCT, "y", "layer 'b', which touches it, multiplies with no weights"),
    "written by a product": (PRODUCT, "z", "layer 'b', which touches it, multiplies with no w"),
    "read by two": (PRODUCT, "u", "layer 'e' reads it as well, and not as a residual"),
    "added after a stride": (
        changed(
            replace(C2, P=4, Q=4, stride=2),
            replace(C3, K=16, P=4, Q=4, H=4, W=4),
            replace(C4, C=16, H=4, W=4, stride=1),
            y2=64,
        ),
        "y1",
        "layer 'c3' does not add it row by row as it is read",
    ),
}


@pytest.mark.parametrize("case", REASONS)
def test_why_a_tensor_is_no_band(case: str) -> None:
    network, name, told = REASONS[case]
    assert told in refusal(network, {name: "band"})


def test_runs_are_limited() -> None:
    """``y1`` is read by ``c2`` and, as a residual, by ``c3``: layers 1 to 3."""
    told = "place of 'y1': no band, for no run of at most 2 layers may have both 'c1' and 'c3', the"
    assert told in refusal(CHAIN, {"y1": "band"}, 2)
    problem(CHAIN, {"y2": "band"}, 2)


def test_places_that_contradict_each_other() -> None:
    """Between ``c1`` and ``c3``, where ``y1`` is read last, ``y2`` must be a band too."""
    told = "places y1 band, y2 chip: no fused runs of at most 4 layers have them all"
    assert told in refusal(CHAIN, {"y1": "band", "y2": "chip"})
    assert "no fused runs of at most 3 layers" in refusal(CHAIN, {"y1": "band", "y3": "band"}, 3)
    problem(CHAIN, {"y1": "band", "y3": "band"}, 4)


def possible(network: Network, places: Mapping[str, Place], fused_layers: int) -> bool:
    """Whether any set of bands has all that is given, by trying all."""
    must = [name for name, place in places.items() if place == "band"]
    free = [name for name in network.lifetimes if name not in places]
    for count in range(len(free) + 1):
        for more in combinations(free, count):
            runs = runs_of(network, [*must, *more])
            if runs is not None and all(len(run.layers) <= fused_layers for run in runs):
                return True
    return False


@pytest.mark.parametrize("seed", mostly_long(range(60), 20))
def test_what_is_refused_is_what_no_runs_have(seed: int) -> None:
    rng = random.Random(f"places {seed}")
    for _ in range(4):
        network = random_network(rng, layers=rng.randint(2, 6), moving=rng.random() < 0.2)
        share, most = rng.uniform(0.2, 0.9), rng.choice((2, 3, 4))
        kinds: tuple[Place, ...] = ("band", "band", "band", "chip", "dram")
        places = {x: rng.choice(kinds) for x in network.lifetimes if rng.random() < share}
        if possible(network, places, most):
            problem(network, places, most)
        else:
            assert re.search("no band, for|no fused runs of", refusal(network, places, most))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"on_chip": "tensors", "places": {"y1": "band"}}, "place is 'band', but on_chip is not"),
        ({"on_chip": "tensors", "fused_layers": 3}, "fused_layers is given, but on_chip is not"),
        ({"on_chip": "bands", "fused_layers": 1}, "fused_layers: "),
        ({"on_chip": "bands", "fused_layers": 101}, "fused_layers: "),
        ({"on_chip": "bands", "fused_layers": True}, "fused_layers: "),
    ],
)
def test_choices_refused(given: dict[str, object], told: str) -> None:
    with pytest.raises(SpecError, match=told):
        Choices(**given)
