"""A problem: a network, a technology, the choices that are free, one objective, any budgets."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from functools import cached_property, partial
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from codesign.costs.area import check_areas
from codesign.costs.energy import Rates, check_energies
from codesign.costs.fpga import check_blocks
from codesign.errors import SpecError, first_few
from codesign.problem.bands import check_bands
from codesign.problem.choices import Choices
from codesign.problem.metrics import (
    ADDITIVE_METRICS,
    ENERGY,
    INTERVAL,
    REGRET,
    by_metric,
    check_members_named,
    check_metrics_on,
    known_limit,
    metrics_on,
    of_interval,
)
from codesign.problem.places import DEFAULT_FUSED_LAYERS, Place
from codesign.problem.tolerances import beyond, same_total
from codesign.problem.width_groups import Classes, width_classes
from codesign.quality import (
    check_table,
    noise_by,
    noise_limit,
    quality_of_members,
    table_notes,
    uniform_bits,
    zero_if_negligible,
)
from codesign.specs.fpga import AnyTechnology, Fpga
from codesign.specs.given_stage import check_stages
from codesign.specs.load import load_memory, load_technology
from codesign.specs.network import Network
from codesign.specs.schema import Displayed, nearest, spec_dataclass
from codesign.specs.suite import one_network, refuse_suite
from codesign.specs.technology import MOST, Amount, Positive, refuse_negligible
from codesign.units import distinct_texts, kind_of, of_member

Metric = Annotated[str, AfterValidator(known_limit)]
Limit = Annotated[Amount, AfterValidator(refuse_negligible)]
Loss = Annotated[Amount, AfterValidator(zero_if_negligible)]
Budgets = Annotated[Mapping[Metric, Limit], BeforeValidator(by_metric)]


@spec_dataclass
class Problem(Displayed):
    """Which accelerator is best for this network within these budgets?

    Attributes
    ----------
    network : Network
        Or a `Suite`, which becomes one; its latency, DRAM bits, bit operations and energy are then
        sums over the members, each times its weight, its model size and noise their plain sums.
        The share of one member, by itself and without its weight, is ``latency_s@<member>``.
    technology : Technology or Fpga
    dram_bits_per_s, clock_hz : float
    dram_energy_j_per_bit : float or None
        Of a bit moved from or to DRAM; default: that of the default memory.
    area_overhead : float
        Factor on the PE array's area (wiring, control).
    choices : Choices
    sensitivity : mapping or None
        ``{"weight:<layer>" or "tensor:<tensor>": {bits: noise}}``; None means ``4^(−bits)``
        for every tensor. So does a table without any weight for the weights, and one without any
        tensor for the tensors; see `notes`.
    quality : str or None
        ``"uniform:q"``: at most the noise of the same network at ``q`` bits everywhere.
        ``"sqnr:DB"``: at most ``10^(−DB/10)``, see `codesign.quality.budget`. Becomes the budget
        ``noise``; of a suite that of each member, ``noise@<member>``, which may have qualities of
        their own: ``"uniform:6,vit_b_16=uniform:5"``.
    objective : str
        The metric to minimise, one of `METRICS`: ``latency_s``, ``area_mm2``, ``dram_bits``,
        ``noise``, ``model_bits``, ``bops``; on an FPGA in place of area ``lut``, ``dsp``, ``bram``.
        Short names (``latency``, ``area``, ``dram``,
        ``model``) are understood here and below.
    budgets : mapping of str to float
        Upper limits of metrics, each in the unit that the full name ends with. An ``interval_s``,
        seconds for each image of the batch, becomes a limit on ``latency_s`` (and is that as an
        objective) unless layers may work at once (``choices.architecture``); at least so many
        images per second are an interval of their reciprocal.

    references : mapping of str to float
        Of the objective ``regret`` of a suite, the largest ratio of a member's share to its own
        best: the best of each, ``{"latency_s@<member>": seconds}``. Left empty, `codesign.solve`
        proves the least latency of each alone.

    Raises
    ------
    SpecError
        Anything that does not fit together.
    """

    network: Annotated[Network, BeforeValidator(one_network)]
    technology: AnyTechnology = field(default_factory=lambda: load_technology("tsmc28"))
    dram_bits_per_s: Positive = field(default_factory=lambda: load_memory("ddr4-2400").bits_per_s)
    dram_energy_j_per_bit: Positive | None = field(
        default_factory=lambda: load_memory("ddr4-2400").energy_j_per_bit
    )
    clock_hz: Positive = 800e6
    area_overhead: Positive = 1.0
    choices: Choices = field(default_factory=Choices)
    sensitivity: Mapping[str, Mapping[int, Loss]] | None = None
    quality: str | None = None
    objective: Metric = "latency_s"
    budgets: Budgets = field(default_factory=dict)
    references: Budgets = field(default_factory=dict)

    def __post_init__(self) -> None:
        for metric, limit in self.budgets.items():
            if kind_of(metric) != "noise" and limit == 0:
                raise SpecError(f"budgets: {metric} must be above 0")
        if self.choices.pipelined:
            self._check_pipelined()
        else:
            self._hold_interval()
        check_members_named((self.objective,), self.network, "objective")
        check_members_named(self.budgets, self.network, "budgets")
        self._check_references()
        choices = self.choices
        pe_bits = choices.pe_weight_bits, choices.pe_activation_bits
        check_metrics_on(self.technology, [self.objective], "objective")
        check_metrics_on(self.technology, self.budgets, "budgets")
        if isinstance(self.technology, Fpga):
            check_blocks(self.technology, choices.sram_bits)
        else:
            check_areas(self.technology, *pe_bits, self.area_overhead, choices.buffers)
        self._check_energies()
        self._check_pins()
        check_places(self.network, choices.places, choices.fused_layers)
        self._check_shared()
        self._check_sensitivity()
        for metric, limit in self._noise_limits().items():
            if limit > MOST:
                raise SpecError(f"quality {self.quality!r}: a noise of {limit:g}, above {MOST:g}")
            given = self.budgets.get(metric, limit)
            if not same_total(given, limit):
                less, (more,) = distinct_texts(min(given, limit), [max(given, limit)])
                means, given_as = (less, more) if limit < given else (more, less)
                raise SpecError(
                    f"quality {self.quality!r} means a noise budget of {means}, but budgets give "
                    f"{given_as}; give one of the two"
                )
            object.__setattr__(self, "budgets", {**self.budgets, metric: limit})

    def _check_energies(self) -> None:
        """Refuse energies that add up to no number, where all are known."""
        given, dram_j_per_bit = self.technology.energy, self.dram_energy_j_per_bit
        if given is None or dram_j_per_bit is None:
            return
        macs_j = given.j_per_bop or 0.0, given.j_per_mac or 0.0
        sram_j = given.sram_read_j_per_bit or 0.0, given.sram_write_j_per_bit or 0.0
        rates = Rates(*macs_j, *sram_j, dram_j_per_bit, 0.0)
        check_energies(self.network, rates, self.technology.name)

    def _check_references(self) -> None:
        """Refuse what regret is not measured by."""
        check_members_named(self.references, self.network, "references")
        if REGRET in self.budgets or REGRET in self.references:
            raise SpecError("regret: an objective alone; limit shares of members instead")
        if self.objective == REGRET and not self.network.members:
            raise SpecError(f"objective: regret is of a suite; {self.network.name!r} is none")
        if self.references:
            kinds = {kind_of(name) for name in self.references}
            every = {of_member(x, m.name) for x in kinds for m in self.network.members}
            one = len(kinds) == 1 and kinds < {*ADDITIVE_METRICS}
            if self.objective != REGRET or not one or {*self.references} != every:
                raise SpecError("references: the best of one metric of each member, for regret")

    @property
    def qualities(self) -> dict[str | None, str]:
        """The quality of each member of a suite, by name; of a network by itself, of None."""
        members = [member.name for member in self.network.members]
        if self.quality is None:
            return {}
        if not members:
            return {None: self.quality}
        each = quality_of_members(self.quality, members)
        return {name: each[name] for name in members if name in each}

    def _noise_limits(self) -> dict[str, float]:
        """What the qualities mean: limits by metric."""
        numbers = {x.name: n for n, x in enumerate(self.network.members)}
        return {
            "noise" if name is None else of_member("noise", name): noise_limit(
                quality, partial(self.uniform_noise, member=0 if name is None else numbers[name])
            )
            for name, quality in self.qualities.items()
        }

    def _check_pipelined(self) -> None:
        """Refuse networks that no pipeline is for."""
        where = f"architecture {', '.join(self.choices.architecture)}"
        refuse_suite(self.network, f"{where}: layers that work at once are of")
        if self.network.images > 1:
            raise SpecError(
                f"{where}: images follow each other, one at a time; give a batch of 1, not "
                f"{self.network.images}, whose last result comes N − 1 intervals after the first"
            )
        if not isinstance(self.technology, Fpga) and self.technology.sram_area_um2.intercept < 0:
            raise SpecError(
                f"{where}: the SRAM fit of {self.technology.name!r} has an intercept of "
                f"{self.technology.sram_area_um2.intercept:g} µm², which gives small memories no "
                "area; take a fit that holds for them"
            )
        if self.network.cache:
            raise SpecError(
                f"{where}: {self.network.name!r} has a cache: each token waits for the one before "
                "it, and stages would idle; it needs architecture 'array'"
            )
        if "hybrid" in self.choices.architecture:
            self._check_hybrid(where)
        check_stages(self.network, self.choices.stages, "stages")

    def _check_hybrid(self, where: str) -> None:
        """Refuse what no hybrid is for."""
        if sum(not layer.moves for layer in self.network.layers) < 2:
            raise SpecError(
                f"{where}: of {self.network.name!r} no layers can share an array beside others; a "
                "hybrid takes two layers with MACs or more"
            )

    def _hold_interval(self) -> None:
        """Take the interval for the latency of the batch, and of two limits the lesser."""
        object.__setattr__(self, "objective", of_interval(self.objective))
        budgets = dict(self.budgets)
        interval_s = budgets.pop(INTERVAL, None)
        if interval_s is not None:
            refuse_suite(self.network, f"{INTERVAL} is of")
            latency_s = interval_s * self.network.images
            budgets["latency_s"] = min(latency_s, budgets.get("latency_s", latency_s))
            object.__setattr__(self, "budgets", budgets)

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that a design has: in the technology, area or what it takes of an FPGA.

        Of a suite with the shares of its members.
        """
        known = *metrics_on(self.technology), *self._shares_of(ADDITIVE_METRICS)
        if self.choices.pipelined:
            known = INTERVAL, *known
        return (*known, REGRET) if self.objective == REGRET else known

    @property
    def minimised_kind(self) -> str:
        """What is minimised, of whichever member; of regret, that whose ratios count."""
        named = next(iter(self.references), "latency_s")
        return kind_of(named if self.objective == REGRET else self.objective)

    @property
    def energies(self) -> tuple[str, ...]:
        """The energy that a design has, where it is known, and its members' shares."""
        return (ENERGY, *self._shares_of([ENERGY]))

    def _shares_of(self, kinds: Iterable[str]) -> list[str]:
        names = [member.name for member in self.network.members]
        return [of_member(kind, name) for name in names for kind in kinds]

    @cached_property
    def noise_sources(self) -> tuple[str, ...]:
        """Keys of all tensors that add noise: ``weight:<layer>`` then ``tensor:<tensor>``."""
        return self.network.noise_sources

    def noise_of(self, source: str, bits: int) -> float:
        """``e_t(b)`` of one noise source at ``bits``."""
        return self._noise(source, bits)

    @cached_property
    def _noise(self) -> Callable[[str, int], float]:
        return noise_by(self.sensitivity, self.noise_sources)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is assumed where the sensitivity is silent, and what of it is ignored."""
        return table_notes(self.sensitivity, self.noise_sources, self._results)

    @property
    def _results(self) -> list[str]:
        return [f"tensor:{name}" for name in self.network.outputs]

    def uniform_noise(self, bits: int, member: int = 0) -> float:
        """``Σ_t e_t(bits)``: noise of the network, or of a member, at one width everywhere."""
        of = self.network.members_of_source
        return math.fsum(self.noise_of(x, bits) for x in self.noise_sources if member in of[x])

    @cached_property
    def width_classes(self) -> Classes:
        """All sources of noise, those that take one common width together."""
        return width_classes(self.network, self.choices.shared, self.choices.tied)

    @cached_property
    def _class_bits(self) -> dict[str, tuple[int, ...]]:
        """Widths that every member of a source's class may take, ascending."""
        found: dict[str, tuple[int, ...]] = {}
        for members in self.width_classes:
            common = set.intersection(*(set(self._own_bits(source)) for source in members))
            found |= dict.fromkeys(members, tuple(sorted(common)))
        return found

    @cached_property
    def _class_of(self) -> dict[str, int]:
        """Number of each source's class in `width_classes`."""
        return {x: n for n, members in enumerate(self.width_classes) for x in members}

    def share_width(self, source: str, other: str) -> bool:
        """Whether two sources of noise take one common width."""
        return self._class_of[source] == self._class_of[other]

    def allowed_bits(self, source: str, within_noise: bool = False) -> tuple[int, ...]:
        """Bitwidths a ``weight:<layer>`` or ``tensor:<tensor>`` may take, ascending.

        ``within_noise``: without those that no choice within the limit on the noise has.
        """
        return (self._bits_within_noise if within_noise else self._class_bits)[source]

    @cached_property
    def _bits_within_noise(self) -> Mapping[str, tuple[int, ...]]:
        """`_class_bits` that some choice within the limit on the noise has.

        All where there is no limit, or nothing keeps it, and in suites.
        """
        limit, bits_of = self.budgets.get("noise"), self._class_bits
        if limit is None or len(self.network.members) > 1:
            return bits_of
        noise = {
            members: {
                b: math.fsum(self.noise_of(x, b) for x in members) for b in bits_of[members[0]]
            }
            for members in self.width_classes
        }
        least = math.fsum(min(of_bits.values()) for of_bits in noise.values())
        found: dict[str, tuple[int, ...]] = {}
        for members, of_bits in noise.items():
            left = beyond(limit) - (least - min(of_bits.values()))
            found |= dict.fromkeys(members, tuple(b for b, own in of_bits.items() if own <= left))
        return found if all(found.values()) else bits_of

    def _own_bits(self, source: str) -> tuple[int, ...]:
        """The `allowed_bits`, leaving aside what it shares its width with."""
        if source in self.choices.pinned:
            return (self.choices.pinned[source],)
        weight = source.startswith("weight:")
        return self.choices.weight_bits if weight else self.choices.activation_bits

    def _check_pins(self) -> None:
        known, results = dict.fromkeys(self.noise_sources), set(self.network.outputs)
        self.network.check_owners(self.choices.pinned, "pin")
        for key in self.choices.pinned:
            kind, _, name = key.partition(":")
            if kind == "tensor" and name in results:
                raise SpecError(
                    f"pin {key!r}: {name!r} is a result of the network; its width is output_bits"
                )
            if key not in known:
                kind_keys = tuple(k for k in known if k.startswith(kind + ":"))
                raise SpecError(
                    f"pin {key!r}: network {self.network.name!r} has no such "
                    f"{'weight-owning layer' if kind == 'weight' else 'tensor'}"
                    f"{nearest(key, kind_keys)}"
                )

    def _check_shared(self) -> None:
        for members in self.width_classes:
            if not self.allowed_bits(members[0]):
                offered = {x: ", ".join(map(str, self._own_bits(x))) for x in members}
                named = first_few([f"{x!r} ({bits} bit)" for x, bits in offered.items()])
                raise SpecError(
                    f"no width suits all that share one: {named}; "
                    "allow them a common width, or loosen the group or tie"
                )

    def _check_sensitivity(self) -> None:
        if self.sensitivity is None:
            return
        self.network.check_owners(self.sensitivity, "sensitivity:")
        sources = self.noise_sources
        allowed = [(source, bits) for source in sources for bits in self.allowed_bits(source)]
        check_table(self.sensitivity, allowed, self._results)
        numbers = {member.name: n for n, member in enumerate(self.network.members)}
        for name, quality in self.qualities.items():
            uniform, member = uniform_bits(quality), 0 if name is None else numbers[name]
            if uniform is not None:
                why = f", which quality {self.quality!r} is measured by"
                mine = [x for x in sources if member in self.network.members_of_source[x]]
                needed = [(source, uniform) for source in mine]
                check_table(self.sensitivity, needed, self._results, why)


def check_places(
    network: Network, places: Mapping[str, Place], fused_layers: int = DEFAULT_FUSED_LAYERS
) -> None:
    """Refuse places of tensors that a network does not have, or where they cannot be.

    Parameters
    ----------
    fused_layers : int
        Of a fused run at most.

    Raises
    ------
    SpecError
    """
    lifetimes = network.lifetimes
    for name, place in places.items():
        if name not in network.tensors:
            raise SpecError(
                f"place of {name!r}: network {network.name!r} has no such tensor"
                f"{nearest(name, tuple(lifetimes))}"
            )
        if place != "dram" and name in network.cache:
            raise SpecError(f"place of {name!r}: a cache, which outlasts the run in DRAM")
        if place != "dram" and name not in lifetimes:
            raise SpecError(
                f"place of {name!r}: an input or a result of the network, which is in DRAM"
            )
    check_bands(network, places, fused_layers)
