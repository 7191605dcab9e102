"""Energy of a result: by layer and part, per image, and the rates made of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar

from codesign.costs.fusion import FusedRun
from codesign.costs.layer_energy import PARTS, LayerEnergy, energies_of
from codesign.costs.layers import LayerDesign
from codesign.costs.pipeline import ENERGY_PARTS
from codesign.costs.totals import energies
from codesign.problem.choices import Place
from codesign.problem.metrics import ENERGY as ENERGY_J
from codesign.results.consistency import names_on_chip
from codesign.specs.accelerator import Accelerator
from codesign.specs.network import Network
from codesign.units import METRIC_UNITS, OPS_PER_MAC, OPS_PER_TOP

NO_ENERGY = f"no {METRIC_UNITS[ENERGY_J].label}"


@dataclass(frozen=True)
class StageEnergy:
    """What a stage of a pipeline takes for an image.

    Attributes
    ----------
    parts_j : mapping of str to float
        By part: `codesign.costs.pipeline.ENERGY_PARTS`.
    """

    parts_j: Mapping[str, float]

    @cached_property
    def total_j(self) -> float:
        """All parts together."""
        return math.fsum(self.parts_j.values())


Spent = TypeVar("Spent", LayerEnergy, StageEnergy)


@dataclass(frozen=True)
class EnergyFigures(Generic[Spent]):
    """What a network takes on an accelerator.

    Attributes
    ----------
    names : tuple of str
        Of the layers, in order.
    layers : tuple of LayerEnergy, or of StageEnergy
    parts_j : mapping of str to float
        Of the whole batch, or of all members of a suite, each times its weight: MACs, the SRAM by
        operand or the memories of stages by what they hold, DRAM, and what is spent at all times.
    total_j, per_image_j : float
    tops_per_w : float or None
        10¹² operations per J, two a MAC; None of energies of 0.
    average_w, energy_delay_js : float or None
        Energy over, and times, the latency of the whole batch; None where that is not known. Of a
        pipeline power is that at its full rate, an image every interval.
    """

    names: tuple[str, ...]
    layers: tuple[Spent, ...]
    parts_j: dict[str, float]
    total_j: float
    per_image_j: float
    tops_per_w: float | None
    average_w: float | None
    energy_delay_js: float | None

    def to_dict(self) -> dict[str, Any]:
        """A section of a result's file; the rates that are known, the energy of layers by name."""
        rates = {
            "per_image_j": self.per_image_j,
            "tops_per_w": self.tops_per_w,
            "average_w": self.average_w,
            "energy_delay_js": self.energy_delay_js,
        }
        return {
            **{name: rate for name, rate in rates.items() if rate is not None},
            "parts_j": dict(self.parts_j),
            "layers": [
                {"name": name, "parts_j": dict(x.parts_j)}
                for name, x in zip(self.names, self.layers, strict=True)
            ],
        }


def energy_figures(
    network: Network,
    accelerator: Accelerator,
    tensor_bits: Mapping[str, int],
    rows: Sequence[LayerDesign],
    metrics: Mapping[str, float],
    on_chip: Mapping[str, Place] | None,
    runs: Sequence[FusedRun],
) -> EnergyFigures[LayerEnergy] | None:
    """Of a result; None where its metrics have no energy."""
    if ENERGY_J not in metrics:
        return None
    stays = names_on_chip(on_chip), runs
    layers, _ = energies(network, accelerator, tensor_bits, rows, metrics.get("area_mm2"), *stays)
    total_j, latency_s = metrics[ENERGY_J], metrics.get("latency_s")
    products = accelerator.executed_products(network)
    return EnergyFigures(
        names=tuple(layer.name for layer in network.layers),
        layers=tuple(layers),
        parts_j={
            part: math.fsum(
                weight * x.parts_j[part]
                for weight, x in zip(network.layer_weights, layers, strict=True)
            )
            for part in PARTS
        },
        total_j=total_j,
        per_image_j=total_j / network.executed_images,
        tops_per_w=OPS_PER_MAC * products / OPS_PER_TOP / total_j if total_j else None,
        average_w=None if latency_s is None else total_j / latency_s,
        energy_delay_js=None if latency_s is None else total_j * latency_s,
    )


def pipeline_energy_figures(
    network: Network,
    products: float,
    stages_j: Sequence[Mapping[str, float]],
    metrics: Mapping[str, float],
) -> EnergyFigures[StageEnergy]:
    """Of a pipeline, for an image, of what each of its stages spends on what.

    Parameters
    ----------
    products : float
        Of all layers, those skipped left out.
    """
    total_j = metrics[ENERGY_J]
    return EnergyFigures(
        names=tuple(layer.name for layer in network.layers),
        layers=tuple(StageEnergy(parts_j) for parts_j in stages_j),
        parts_j={part: math.fsum(each[part] for each in stages_j) for part in ENERGY_PARTS},
        total_j=total_j,
        per_image_j=total_j,
        tops_per_w=OPS_PER_MAC * products / OPS_PER_TOP / total_j if total_j else None,
        average_w=total_j / metrics["interval_s"],
        energy_delay_js=total_j * metrics["latency_s"],
    )


def energy_notes(accelerator: Accelerator, metrics: Mapping[str, float]) -> tuple[str, ...]:
    """What the energy of a result leaves out."""
    given = energies_of(accelerator)
    if ENERGY_J not in metrics or given is None:
        return ()
    if given.static_w is None and given.static_w_per_mm2 is None:
        return ("energy without static power: none is given",)
    return ()


def absence(why: Sequence[str]) -> str:
    """Why there is no energy, in a report."""
    return f"{NO_ENERGY}: {'; '.join(why)}"
