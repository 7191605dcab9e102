"""The question: a network, a technology, the choices that are free, one objective, any budgets."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from codesign.amounts import told_apart
from codesign.budgets import keeps
from codesign.costs.area import check_areas
from codesign.errors import SpecError
from codesign.hardware import MAX_BITS, ArraySide, Bits, Precision
from codesign.metrics import METRICS, by_metric, known_metric, metric_of
from codesign.network import Name, Network
from codesign.quality import (
    check_table,
    noise_by,
    noise_limit,
    table_notes,
    uniform_bits,
    without_dust,
)
from codesign.schema import Displayed, described, nearest
from codesign.sharing import Classes, width_classes
from codesign.specs import load_memory, load_technology
from codesign.technology import MOST, Positive, Technology, no_trace

BitsList = Annotated[tuple[Bits, ...], Field(min_length=1, max_length=MAX_BITS)]
SideList = Annotated[tuple[ArraySide, ...], Field(min_length=1, max_length=1000)]
Metric = Annotated[str, AfterValidator(known_metric)]
Group = Annotated[tuple[Name, ...], Field(min_length=1)]
NonNegative = Annotated[float, Field(ge=0, le=MOST, allow_inf_nan=False), AfterValidator(no_trace)]

Loss = Annotated[float, Field(ge=0, le=MOST, allow_inf_nan=False), AfterValidator(without_dust)]
Budgets = Annotated[Mapping[Metric, NonNegative], BeforeValidator(by_metric)]

DEFAULT_BITS = (2, 3, 4, 5, 6, 7, 8)
DEFAULT_SIDES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
MAX_HARDWARE_OPTIONS = 1_000_000
MAX_SRAM_BITS = 10**15
MAX_SRAM_RATIO = 10**6  # of sizes on offer: beyond, a solver's tolerances hide the smaller ones
SramBits = Annotated[int, Field(strict=True, ge=1, le=MAX_SRAM_BITS)]
SramSizes = Annotated[tuple[SramBits, ...], Field(max_length=1000)]


@described
class Choices:
    """The declared space.

    Attributes
    ----------
    rows, cols : tuple of int
        Sides of the PE array on offer.
    square : bool
        Only arrays with as many rows as columns.
    weight_bits, activation_bits : tuple of int
        Bitwidths each layer's weights and each activation tensor may take, 1 to 32.
    pe_weight_bits, pe_activation_bits : tuple of int
        PE operand widths on offer; left empty, the operand widths above and every pinned width.
    precision : "fixed" or "multi-pass"
        Fixed: a layer runs only at widths the PE holds. Multi-pass: wider operands take
        ``⌈bw/Bw⌉·⌈ba/Ba⌉`` times the cycles.
    sram_bits : tuple of int
        SRAM capacities on offer; left empty, any whole number of bits. A design has, and pays, a
        whole one, used or not.
    min_sram_bits, max_sram_bits : int or None
        The least and the most SRAM where no capacities are listed.
    pinned : mapping of str to int
        ``"weight:<layer>"`` or ``"tensor:<tensor>"`` to its given bitwidth.
    output_bits : int
        Width at which the network's results are stored.
    shared : tuple of tuples of str
        Groups of ``"weight:<layer>"`` and ``"tensor:<tensor>"`` that take one common width, one
        that every member may take. Groups that overlap are one.
    tied : bool
        Every layer's weights take the width of its input tensor.
    """

    rows: SideList = DEFAULT_SIDES
    cols: SideList = DEFAULT_SIDES
    square: bool = False
    weight_bits: BitsList = DEFAULT_BITS
    activation_bits: BitsList = DEFAULT_BITS
    pe_weight_bits: tuple[Bits, ...] = ()
    pe_activation_bits: tuple[Bits, ...] = ()
    precision: Precision = "fixed"
    pinned: Mapping[Name, Bits] = field(default_factory=dict)
    output_bits: Bits = 8
    shared: tuple[Group, ...] = ()
    tied: bool = False
    sram_bits: SramSizes = ()
    min_sram_bits: SramBits | None = None
    max_sram_bits: SramBits | None = None

    def __post_init__(self) -> None:
        pins = {"weight": set[int](), "tensor": set[int]()}
        for key, bits in self.pinned.items():
            if key.partition(":")[0] not in pins:
                raise SpecError(
                    f"pin {key!r}: write weight:<layer> or tensor:<tensor>, as in weight:conv1"
                )
            pins[key.partition(":")[0]].add(bits)
        resolved = {
            "pe_weight_bits": self.pe_weight_bits or {*self.weight_bits, *pins["weight"]},
            "pe_activation_bits": self.pe_activation_bits
            or {*self.activation_bits, *pins["tensor"]},
        }
        for name in ("rows", "cols", "weight_bits", "activation_bits", "sram_bits"):
            resolved[name] = getattr(self, name)
        for name, values in resolved.items():
            object.__setattr__(self, name, tuple(sorted(set(values))))
        self._check_sram()
        if self.square and not set(self.rows) & set(self.cols):
            raise SpecError("square arrays asked for, but rows and cols have no side in common")
        sides = len(self.rows) * len(self.cols)
        options = sides * len(self.pe_weight_bits) * len(self.pe_activation_bits)
        if options > MAX_HARDWARE_OPTIONS:
            raise SpecError(
                f"{options} hardware options; at most {MAX_HARDWARE_OPTIONS} are searched, "
                "shorten rows, cols or the PE bitwidths"
            )

    def _check_sram(self) -> None:
        least, most = self.min_sram_bits, self.max_sram_bits
        if self.sram_bits and (least is not None or most is not None):
            raise SpecError(
                "sram_bits lists the capacities on offer; leave out min_sram_bits and "
                "max_sram_bits, or the list"
            )
        if self.sram_bits and self.sram_bits[-1] > MAX_SRAM_RATIO * self.sram_bits[0]:
            raise SpecError(
                f"sram_bits: {self.sram_bits[-1]} is more than {MAX_SRAM_RATIO} times "
                f"{self.sram_bits[0]}; leave out sizes that are of no use"
            )
        if least is not None and most is not None and least > most:
            raise SpecError(f"min_sram_bits {least} is above max_sram_bits {most}")


@described
class Problem(Displayed):
    """Which accelerator is best for this network within these budgets?

    Attributes
    ----------
    network : Network
    technology : Technology
    dram_bits_per_s, clock_hz : float
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
        ``noise``.
    objective : str
        The metric to minimise, one of `METRICS`: ``latency_s``, ``area_mm2``, ``dram_bits``,
        ``noise``, ``model_bits``, ``bops``. Short names (``latency``, ``area``, ``dram``,
        ``model``) are understood here and below.
    budgets : mapping of str to float
        Upper limits of metrics, each in the unit that the full name ends with. At least so many
        images per second are a ``latency_s`` of ``network.images`` divided by that.

    Raises
    ------
    SpecError
        Anything that does not fit together.
    """

    network: Network
    technology: Technology = field(default_factory=lambda: load_technology("tsmc28"))
    dram_bits_per_s: Positive = field(default_factory=lambda: load_memory("ddr4-2400").bits_per_s)
    clock_hz: Positive = 800e6
    area_overhead: Positive = 1.0
    choices: Choices = field(default_factory=Choices)
    sensitivity: Mapping[str, Mapping[int, Loss]] | None = None
    quality: str | None = None
    objective: Metric = "latency_s"
    budgets: Budgets = field(default_factory=dict)

    def __post_init__(self) -> None:
        for metric, limit in self.budgets.items():
            if metric != "noise" and limit == 0:
                raise SpecError(f"budgets: {metric} must be above 0")
        choices = self.choices
        check_areas(self.technology, choices.pe_weight_bits, choices.pe_activation_bits)
        self._check_pins()
        self._check_shared()
        self._check_sensitivity()
        if self.quality is not None:
            limit = noise_limit(self.quality, self.uniform_noise)
            if limit > MOST:
                raise SpecError(f"quality {self.quality!r}: a noise of {limit:g}, above {MOST:g}")
            given = self.budgets.get("noise", limit)
            if not math.isclose(given, limit, rel_tol=1e-12):
                less, (more,) = told_apart(min(given, limit), [max(given, limit)])
                means, given_as = (less, more) if limit < given else (more, less)
                raise SpecError(
                    f"quality {self.quality!r} means a noise budget of {means}, but budgets give "
                    f"{given_as}; give one of the two"
                )
            object.__setattr__(self, "budgets", {**self.budgets, "noise": limit})

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
        """What is assumed where the sensitivity is silent, and what of it is of no account."""
        return table_notes(self.sensitivity, self.noise_sources, self._results)

    @property
    def _results(self) -> list[str]:
        return [f"tensor:{name}" for name in self.network.outputs]

    def uniform_noise(self, bits: int) -> float:
        """``Σ_t e_t(bits)``: noise of the network at one width everywhere."""
        return math.fsum(self.noise_of(source, bits) for source in self.noise_sources)

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

    def allowed_bits(self, source: str) -> tuple[int, ...]:
        """Bitwidths a ``weight:<layer>`` or ``tensor:<tensor>`` may take, ascending."""
        return self._class_bits[source]

    def _own_bits(self, source: str) -> tuple[int, ...]:
        """The same, leaving aside what it shares its width with."""
        if source in self.choices.pinned:
            return (self.choices.pinned[source],)
        weight = source.startswith("weight:")
        return self.choices.weight_bits if weight else self.choices.activation_bits

    def _check_pins(self) -> None:
        known, results = dict.fromkeys(self.noise_sources), set(self.network.outputs)
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
                named = [f"{x!r} ({_listed(self._own_bits(x))})" for x in members[:3]]
                more = f" and {len(members) - 3} more" if len(members) > 3 else ""
                raise SpecError(
                    f"no width suits all that share one: {', '.join(named)}{more}; "
                    "allow them a common width, or loosen the group or tie"
                )

    def _check_sensitivity(self) -> None:
        uniform = None if self.quality is None else uniform_bits(self.quality)
        if self.sensitivity is None:
            return
        sources = self.noise_sources
        allowed = [(source, bits) for source in sources for bits in self.allowed_bits(source)]
        check_table(self.sensitivity, allowed, self._results)
        if uniform is not None:
            why = f", which quality {self.quality!r} is measured by"
            needed = [(source, uniform) for source in sources]
            check_table(self.sensitivity, needed, self._results, why)


def front_objectives(names: Sequence[Any], where: str = "objectives") -> tuple[str, ...]:
    """What a front is between: two or three different metrics, by their full names.

    Raises
    ------
    SpecError
        Unknown, repeated, too few or too many, at ``where``.
    """
    names = [metric_of(name) for name in names]
    for name in names:
        if name not in METRICS:
            known = f"(known: {', '.join(METRICS)})"
            raise SpecError(f"{where}: unknown {name!r}{nearest(str(name), METRICS)} {known}")
    if len(set(names)) != len(names) or not 2 <= len(names) <= 3:
        given = ", ".join(names) or "none"
        raise SpecError(f"{where}: give two or three different metrics, got {given}")
    return tuple(names)


@dataclass(frozen=True)
class Goal:
    """One step of a solve: a metric to minimise while others stay within limits.

    Attributes
    ----------
    metric : str
    limits : mapping of str to float
    """

    metric: str
    limits: Mapping[str, float]

    def kept_by(self, metrics: Mapping[str, float]) -> bool:
        """Whether a design with these metrics is within every limit."""
        return all(keeps(metrics[name], limit) for name, limit in self.limits.items())


def _listed(bits: tuple[int, ...]) -> str:
    return f"{', '.join(map(str, bits))} bit"
