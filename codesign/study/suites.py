"""Suites in a grid: networks of one cell, which one accelerator executes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from codesign.errors import SpecError
from codesign.specs.network import Network
from codesign.specs.schema import nearest
from codesign.specs.suite import Suite

KEYS = ("networks", "weights")


def is_suite(raw: Any) -> bool:
    """Whether what stands for a network are several."""
    return isinstance(raw, Suite | Mapping | list | tuple)


def read_suite(raw: Any, described: Callable[[Any], tuple[Any, Any]]) -> tuple[str, Network]:
    """What a table calls a suite, and the suite as one network.

    Parameters
    ----------
    raw : Suite, list or mapping
        ``["resnet18", "vgg16"]``, or ``{networks = ["resnet18", "vgg16"], weights = [2, 1]}``.
    described : callable
        What a table calls a network of it, and the network.

    Raises
    ------
    SpecError
        Other keys, or what makes no suite.
    """
    if isinstance(raw, Suite):
        return _label(raw.names, raw.weights), raw.network
    given = raw if isinstance(raw, Mapping) else {"networks": raw}
    for key in given:
        if key not in KEYS:
            raise SpecError(f"unknown {key!r}{nearest(str(key), KEYS)} (known: {', '.join(KEYS)})")
    listed, weights = given.get("networks"), given.get("weights")
    for name, value in (("networks", listed), ("weights", weights)):
        if not isinstance(value, list | tuple) and (name == "networks" or value is not None):
            raise SpecError(f"{name} of a suite: give a list")
    read = [described(each) for each in listed or ()]
    for label, network in read:
        if not isinstance(network, Network):
            raise SpecError(f"{label}: a decoder by its parameters stands in no suite of a study")
    suite = Suite([network for _, network in read], weights)
    return _label([str(label) for label, _ in read], suite.weights), suite.network


def _label(names: Sequence[str], weights: Sequence[float]) -> str:
    """``2*resnet18 + vgg16``."""
    each = zip(names, weights, strict=True)
    return " + ".join(x if w == 1 else f"{str(w).removesuffix('.0')}*{x}" for x, w in each)
