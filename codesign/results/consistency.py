"""What a result shares with its network: a width per tensor, a row per layer, what is known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from codesign.costs.layers import LayerDesign
from codesign.errors import SpecError
from codesign.specs.network import Network

OF_TILES = ("tile", "order", "cycles", "sram_bits")  # None where there are no tiles
OF_TIMES = ("memory_s", "latency_s", "bound_by")  # None where no DRAM bandwidth is known


class Named(Protocol):
    """What is said of one layer."""

    @property
    def name(self) -> str:
        """The layer's."""


def check_tensor_bits(network: Network, tensor_bits: Mapping[str, int]) -> None:
    """Refuse widths that are not those of the network's activation tensors, one for each.

    Raises
    ------
    SpecError
    """
    check_names("tensor_bits", network.tensors, tensor_bits)


def check_names(what: str, right: Iterable[str], given: Iterable[str]) -> None:
    """Refuse names that are not the right ones, naming one that is missing or unknown.

    Raises
    ------
    SpecError
    """
    known = {*right}
    odd = known ^ {*given}
    if odd:
        name = min(odd)
        raise SpecError(f"{what}: {name!r} is {'missing' if name in known else 'unknown'}")


def check_positive(metrics: Mapping[str, float]) -> None:
    """Refuse a design without time or area, which rates are divided by.

    Raises
    ------
    SpecError
    """
    for name in ("latency_s", "area_mm2"):
        if metrics.get(name) == 0:
            raise SpecError(f"metrics.{name}: must be above 0")


def check_layers(network: Network, rows: Sequence[Named]) -> None:
    """Refuse rows that are not one for each layer of the network, in its order.

    Raises
    ------
    SpecError
    """
    if [row.name for row in rows] != [layer.name for layer in network.layers]:
        raise SpecError(
            f"layers: {len(rows)} that are not the network's {len(network.layers)}, in its order"
        )


def check_rows(network: Network, rows: Sequence[LayerDesign], tiled: bool, timed: bool) -> None:
    """Refuse rows of figures that are not those of the network, or lack or have what they may not.

    Parameters
    ----------
    tiled, timed : bool
        Whether tiles, and whether latencies, are known.

    Raises
    ------
    SpecError
    """
    check_layers(network, rows)
    for layer, row in zip(network.layers, rows, strict=True):
        known = dict.fromkeys(OF_TILES, tiled) | dict.fromkeys(OF_TIMES, timed)
        known["weight_bits"] = True
        if layer.moves:
            known |= dict.fromkeys(("weight_bits", "tile", "order"), False)
        for name, there in known.items():
            if (getattr(row, name) is not None) != there:
                fault = "not known of this accelerator and roofline"
                fault = "a layer that only moves data has none" if layer.moves else fault
                raise SpecError(f"layers ({row.name!r}).{name}: {'missing' if there else fault}")
        if (row.compute_s == 0) != layer.moves:
            fault = "must be above 0" if row.compute_s == 0 else "a layer that only moves has none"
            raise SpecError(f"layers ({row.name!r}).compute_s: {fault}")
