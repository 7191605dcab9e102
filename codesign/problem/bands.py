"""Whether tensors that are to be held as bands can be, whatever else is chosen."""

from __future__ import annotations

from collections.abc import Mapping

from codesign.costs.fusion import FusedRun, fused_runs, why_no_band
from codesign.errors import SpecError, first_few
from codesign.problem.places import Place
from codesign.specs.network import Network


def check_bands(network: Network, places: Mapping[str, Place], fused_layers: int) -> None:
    """Refuse bands that no fused runs of at most so many layers have, the other places as given.

    Raises
    ------
    SpecError
        Of the first such tensor, and why; or of several that cannot be together.
    """
    bands = [name for name, place in places.items() if place == "band"]
    if not bands:
        return
    runs = fused_runs(network, fused_layers)
    for name in bands:
        if not any(name in run.inner for run in runs):
            raise SpecError(f"place of {name!r}: no band, for {_why(network, name, fused_layers)}")
    if not _all_held(network, places, runs):
        given = first_few([f"{name} {place}" for name, place in places.items()])
        raise SpecError(
            f"places {given}: no fused runs of at most {fused_layers} layers have them all"
        )


def _why(network: Network, name: str, fused_layers: int) -> str:
    """Why a tensor is inside no run."""
    first, last = network.lifetimes[name]
    reason = why_no_band(network, first)
    if reason is not None:
        return reason
    ends = f"{network.layers[first].name!r} and {network.layers[last].name!r}, the last to read it"
    return f"no run of at most {fused_layers} layers may have both {ends}"


def _all_held(network: Network, places: Mapping[str, Place], runs: tuple[FusedRun, ...]) -> bool:
    """Whether some runs side by side hold every band that is given, and nothing placed elsewhere.

    From layer to layer: each is alone, or the first of a run.
    """
    count = len(network.layers)
    possible = [True] + [False] * count  # whether the layers before this one can be divided so
    ends_run = [places.get(layer.output) != "band" for layer in network.layers]
    starting = dict[int, list[int]]()
    for run in runs:
        if ends_run[run.last] and all(places.get(x, "band") == "band" for x in run.inner):
            starting.setdefault(run.first, []).append(run.last)
    for first in range(count):
        if possible[first]:
            for last in (*([first] if ends_run[first] else []), *starting.get(first, ())):
                possible[last + 1] = True
    return possible[count]
