"""A given accelerator, evaluated: where each layer of a network stands under its roofline.

The analysis of Karbachevsky et al. 2021, Section 2.5, at two levels: their ideal roofline, and
the same with the array's ragged edges, tiles that fit the SRAM, and partial sums that travel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from functools import cached_property
from typing import Any, Literal, Self, get_args

from codesign.costs.layers import LayerDesign
from codesign.costs.totals import extrapolations, no_energy
from codesign.errors import SpecError
from codesign.problem.choices import Place
from codesign.problem.metrics import ADDITIVE_METRICS, ENERGY, metrics_on
from codesign.results.consistency import (
    check_mappings,
    check_names,
    check_positive,
    check_rows,
    without_usual,
)
from codesign.results.energy import energy_notes
from codesign.results.hardware_result import ROWS, HardwareResult
from codesign.results.result_file import parse_content, read_content, with_digest
from codesign.specs.accelerator import Accelerator, Bits
from codesign.specs.layer import Name
from codesign.specs.machine import MACHINE_FIELDS
from codesign.specs.network import Network
from codesign.specs.schema import require_keys, spec_dataclass
from codesign.specs.technology import Amount
from codesign.specs.write_network import network_record
from codesign.units import METRIC_UNITS, of_member

Roofline = Literal["tiled", "ideal"]
ENERGIES = ("energy", "dram_energy_j_per_bit")  # of an accelerator; absent from files if unknown
ROOFLINES = get_args(Roofline)
Widths = int | tuple[int, int] | Mapping[str, int]


@spec_dataclass
class Evaluation(HardwareResult):
    """A network on a given accelerator, with every figure that is known.

    Attributes
    ----------
    network : Network
    accelerator : Accelerator
    roofline : "tiled" or "ideal"
    tensor_bits : mapping of str to int
        Width of every activation tensor, the network's results included.
    layer_designs : tuple of LayerDesign
    metrics : mapping of str to float
        Of ``latency_s``, ``area_mm2``, ``dram_bits``, ``noise``, ``model_bits``, ``bops``,
        ``energy_j`` those that are known; of a suite with those of its members.
    absent : mapping of str to str
        Why each of the others is not.
    on_chip : mapping of str to "chip", "dram" or "band", or None
        Where every tensor is between the layers that touch it; None where all go to DRAM and back.
    residency_bound : float or None
        Which tensors stay is a choice, the best of all that fit the SRAM, and proven so, or else
        this bound on its latency is known (in s; on its DRAM bits without a DRAM bandwidth).
    given_tiles : tuple of str
        Layers whose tiles and order of loops were given, in the network's order; the others have
        their best.
    """

    network: Network
    accelerator: Accelerator
    roofline: Roofline
    tensor_bits: Mapping[Name, Bits]
    layer_designs: tuple[LayerDesign, ...]
    metrics: Mapping[Name, Amount]
    absent: Mapping[Name, str]
    on_chip: Mapping[Name, Place] | None = None
    residency_bound: Amount | None = None
    given_tiles: tuple[Name, ...] = ()

    FORMAT = "codesign-evaluation/1"

    def __post_init__(self) -> None:
        self._check_metrics()
        check_positive(self.metrics)
        check_names("tensor_bits", self.network.tensors, self.tensor_bits)
        tiled, timed = self.roofline == "tiled", self.accelerator.dram_bits_per_s is not None
        if tiled and self.accelerator.sram_bits is None:
            raise SpecError("accelerator.sram_bits: missing, and tiles need it")
        if timed != ("latency_s" in self.metrics):
            raise SpecError("metrics.latency_s: does not suit accelerator.dram_bits_per_s")
        if "energy_j" in self.metrics and self._no_energy:
            raise SpecError(f"metrics.energy_j: cannot be known: {'; '.join(self._no_energy)}")
        if not tiled and self.on_chip is not None:
            raise SpecError("on_chip: the ideal roofline moves every tensor")
        if self.residency_bound is not None:
            reached = self.metrics["latency_s" if timed else "dram_bits"]
            if self.on_chip is None or not 0 < self.residency_bound <= reached:
                raise SpecError("residency_bound: of no latency or DRAM traffic of these tensors")
        tiled_rows = [row.name for row in self.layer_designs if row.tile is not None]
        if [name for name in tiled_rows if name in self.given_tiles] != [*self.given_tiles]:
            raise SpecError("given_tiles: not layers with tiles, in the network's order")
        given = self.layer_designs, tiled, timed, self.on_chip, self.tensor_bits
        check_rows(self.network, *given, self.accelerator)
        check_mappings(self.network, self.layer_designs, self.accelerator, tiled)

    def _check_metrics(self) -> None:
        """Refuse metrics that are neither known nor absent, or without a share of a member's."""
        known = metrics_on(self.accelerator.technology)
        shared = [x for x in self.metrics if x in (*ADDITIVE_METRICS, ENERGY)]
        shares = [of_member(x, member.name) for member in self.network.members for x in shared]
        given = sorted([*self.metrics, *self.absent])
        if given not in (sorted([*known, *shares]), sorted([*known, ENERGY, *shares])):
            every = ", ".join([*known, ENERGY])
            told = "; of a suite also those of each member" if self.network.members else ""
            raise SpecError(f"metrics and absent: each of {every} once, in one of two{told}")

    @cached_property
    def _no_energy(self) -> tuple[str, ...]:
        """Why the energy is not known; nothing where it is."""
        return no_energy(self.accelerator, self.layer_designs, self.metrics.get("area_mm2"))

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """Which metrics are absent and why, what is not proven, where an area is extrapolated."""
        absent = (f"no {METRIC_UNITS[name].label}: {why}" for name, why in self.absent.items())
        return (
            *absent,
            *self._of_tiles,
            *self._unproven,
            *energy_notes(self.accelerator, self.metrics),
            *extrapolations(self.accelerator),
        )

    @property
    def _of_tiles(self) -> tuple[str, ...]:
        """That tiles are given, and of how many layers."""
        tiled = sum(row.tile is not None for row in self.layer_designs)
        given, said = len(self.given_tiles), "tiles and orders are given, not chosen, of"
        if given == tiled > 0:
            return (f"{said} all layers",)
        return (f"{said} {given} of {tiled} layers; the others have their best",) * (given > 0)

    @property
    def _unproven(self) -> tuple[str, ...]:
        """By how much another choice of what stays on chip may be better, where one may."""
        if self.residency_bound is None:
            return ()
        unit = METRIC_UNITS["dram_bits" if "latency_s" in self.absent else "latency_s"]
        least = unit.amount(self.residency_bound)
        return (f"which tensors stay on chip is not proven best: {unit.label} is at least {least}",)

    def to_dict(self) -> dict[str, Any]:
        """The content of the evaluation's file."""
        content = asdict(self)
        content["network"] = network_record(self.network)
        content["layers"] = content.pop(ROWS)
        content |= self._rates_section
        content |= self._energy_section
        _without_energies(content["accelerator"])
        if self.residency_bound is None:
            del content["residency_bound"]
        if not self.given_tiles:
            del content["given_tiles"]
        return with_digest({"format": self.FORMAT, **without_usual(content, "layers")})

    @classmethod
    def from_dict(cls, data: Any, where: str) -> Self:
        """An evaluation from the content of its file; errors as of `ResultFile.from_dict`."""
        content = read_content(cls, ROWS, data, where)
        accelerator = content.get("accelerator")
        if isinstance(accelerator, Mapping):
            later = (*MACHINE_FIELDS, *ENERGIES)
            names = (x.name for x in fields(Accelerator) if x.name not in later)
            require_keys(accelerator, names, f"{where}: accelerator")
        return parse_content(cls, ROWS, content, where)


def _without_energies(accelerator: dict[str, Any]) -> None:
    """Leave out of a file what is not known of energies."""
    for part in (accelerator, accelerator["technology"] or {}):
        for name in ENERGIES:
            if name in part and part[name] is None:
                del part[name]
