"""The words in which a problem is posed: options of the command line, keys of a study's grid.

Both are made from the one table here: `ProblemWords` and `SolveWords` name each word, how its value
is read, what help shows in its place and its default. Only the standard library is imported up
here, so that ``--help`` is immediate.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

from codesign.errors import SpecError
from codesign.problem.metrics import WORDS, metric_of
from codesign.problem.places import (
    DEFAULT_FUSED_LAYERS,
    DEFAULT_ON_CHIP,
    MOST_FUSED_LAYERS,
    OnChip,
    Place,
)
from codesign.problem.readers import (
    LIMIT,
    ONE_WIDTH,
    WIDTHS,
    Number,
    Numbers,
    OneMetric,
    OneOf,
    Pin,
    Reader,
    WholeNumber,
    WholeNumbers,
    group,
    pin,
)
from codesign.units import (
    BITS_PER_GBIT,
    BITS_PER_KBIT,
    BITS_PER_MBIT,
    BOPS_PER_GBOP,
    HZ_PER_MHZ,
    MS_PER_S,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from codesign.problem.choices import Choices
    from codesign.problem.problem import Problem
    from codesign.quality import SensitivityTable
    from codesign.quality.quantise import Granularity
    from codesign.specs.machine import Precision
    from codesign.specs.network import Network
    from codesign.specs.technology import Memory, Technology

DEFAULT_QUALITY = "uniform:6"
DEFAULT_TECHNOLOGY, DEFAULT_MEMORY = "tsmc28", "ddr4-2400"
CAPACITY, ARRAY_SIDES = Number(1e-3, 1e12), WholeNumbers(65536)
CLOCK, FACTOR = Number(1e-3, 1e6), Number(1e-3, 1e3)
BANDWIDTH, TIME_LIMIT = Number(1e-6, 1e9), Number(1e-9, 1e9)

LIMITS = {  # word: (metric, how many of the metric's unit make one of the word's)
    "max_area_mm2": ("area_mm2", 1.0),
    "max_latency_ms": ("latency_s", 1 / MS_PER_S),
    "max_dram_mbit": ("dram_bits", BITS_PER_MBIT),
    "max_model_mbit": ("model_bits", BITS_PER_MBIT),
    "max_gbops": ("bops", BOPS_PER_GBOP),
    "max_noise": ("noise", 1.0),
}
PLATFORM_CONTRADICTIONS = (
    ("bits", "weight_bits"),
    ("bits", "activation_bits"),
    ("pe_bits", "pe_weight_bits"),
    ("pe_bits", "pe_activation_bits"),
    ("memory", "dram_gbit_per_s"),
    ("json", "quiet"),
)
SOLVE_CONTRADICTIONS = (
    *PLATFORM_CONTRADICTIONS,
    ("quality", "max_noise"),
    ("max_latency_ms", "min_fps"),
    ("sram_kbit", "min_sram_kbit"),
    ("sram_kbit", "max_sram_kbit"),
)


class Word(NamedTuple):
    """How the value of a word is given."""

    read: Reader | None  # None for a word that is said or not
    metavar: str = ""  # what help shows in place of a value
    default: str | None = None
    repeated: bool = False  # may be said several times, whose values together are one

    @property
    def is_list(self) -> bool:
        """Whether one value is a list, written with commas."""
        return isinstance(self.read, Numbers | WholeNumbers)


def _word(metavar: str, read: Reader = str, default: str | None = None) -> Any:
    value = None if default is None else read(default)
    return field(default=value, metadata={"word": Word(read, metavar, default)})


def _choice(metavar: str, default: str | None = None) -> Any:
    return _word(metavar, OneOf(tuple(metavar.split("|"))), default)


def _words(metavar: str, read: Reader) -> Any:
    return field(default=(), metadata={"word": Word(read, metavar, repeated=True)})


def _flag() -> Any:
    return field(default=False, metadata={"word": Word(None)})


@dataclass(kw_only=True, eq=False, repr=False)  # made at every start
class ProblemWords:
    """What is said of a problem beside its network; None where nothing is said.

    ``weights`` is no word: the arrays of an ONNX file by layer.
    """

    batch: int | None = _word("N", WholeNumber(1, 10**6))
    sensitivity: str | SensitivityTable | None = _word("WHAT")
    granularity: Granularity | None = _choice("channel|tensor")
    technology: str | Technology = _word("NAME", default=DEFAULT_TECHNOLOGY)
    sram: str | None = _word("KIND")
    memory: str | Memory | None = _word("NAME")
    dram_gbit_per_s: float | None = _word("X", BANDWIDTH)
    clock_mhz: float = _word("X", CLOCK, "800")
    area_overhead: float = _word("X", FACTOR, "1")
    minimize: str = _word("|".join(WORDS), OneMetric((*WORDS,)), "latency")
    max_area_mm2: float | None = _word("X", LIMIT)
    max_latency_ms: float | None = _word("X", LIMIT)
    min_fps: float | None = _word("X", Number(1e-9, 1e15))
    max_dram_mbit: float | None = _word("X", LIMIT)
    max_model_mbit: float | None = _word("X", LIMIT)
    max_gbops: float | None = _word("X", LIMIT)
    quality: str | None = _word("uniform:BITS|sqnr:DB")
    max_noise: float | None = _word("X", LIMIT)
    bits: tuple[int, ...] | None = _word("LIST", WIDTHS)
    weight_bits: tuple[int, ...] | None = _word("LIST", WIDTHS)
    activation_bits: tuple[int, ...] | None = _word("LIST", WIDTHS)
    pin: tuple[Pin, ...] = _words("WHAT", pin)
    tie: bool = _flag()
    group: tuple[tuple[str, ...], ...] = _words("WHAT,WHAT", group)
    output_bits: int = _word("B", ONE_WIDTH, "8")
    pe_bits: tuple[int, ...] | None = _word("LIST", WIDTHS)
    pe_weight_bits: tuple[int, ...] | None = _word("LIST", WIDTHS)
    pe_activation_bits: tuple[int, ...] | None = _word("LIST", WIDTHS)
    precision: Precision = _choice("fixed|multi-pass", "fixed")
    rows: tuple[int, ...] | None = _word("LIST", ARRAY_SIDES)
    cols: tuple[int, ...] | None = _word("LIST", ARRAY_SIDES)
    square: bool = _flag()
    sram_kbit: tuple[float, ...] | None = _word("LIST", Numbers(CAPACITY))
    min_sram_kbit: float | None = _word("X", CAPACITY)
    max_sram_kbit: float | None = _word("X", CAPACITY)
    on_chip: OnChip = _choice("bands|tensors|none", DEFAULT_ON_CHIP)
    fused_layers: int | None = _word("N", WholeNumber(2, MOST_FUSED_LAYERS))
    weights: Mapping[str, ArrayLike] | None = None

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> ProblemWords:
        """These words out of more."""
        return cls(**{each.name: given[each.name] for each in fields(cls) if each.name in given})


@dataclass(kw_only=True, eq=False, repr=False)  # made at every start
class SolveWords:
    """What is said of the search."""

    method: Literal["search", "whole"] = _choice("search|whole", "search")
    time_limit_s: float | None = _word("X", TIME_LIMIT)
    rel_gap: float = _word("X", Number(0, 0.999999), "1e-6")
    ties: Literal["break", "leave"] = _choice("break|leave", "break")


_FIELDS = [x for kind in (ProblemWords, SolveWords) for x in fields(kind) if x.metadata]
ALL_WORDS: dict[str, Word] = {each.name: each.metadata["word"] for each in _FIELDS}
DEFAULTS: dict[str, Any] = {each.name: each.default for each in _FIELDS}


Item = TypeVar("Item")


def flag_of(word: str) -> str:
    """A word as the command line writes it: ``--max-area-mm2``."""
    return "--" + word.replace("_", "-")


def name_or_path(text: str) -> str | Path:
    """A path where the text has a dot or a path separator, else a shipped name."""
    signs = [sign for sign in (".", os.sep, os.altsep) if sign]
    return Path(text) if any(sign in text for sign in signs) else text


def problem_of(
    words: ProblemWords, network: Network, technology: Technology, memory: Memory
) -> Problem:
    """The problem that is posed, given the descriptions that the words name."""
    from codesign.problem.problem import Problem

    gbit_per_s = words.dram_gbit_per_s
    return Problem(
        network=network,
        technology=technology if words.sram is None else technology.with_sram(words.sram),
        dram_bits_per_s=memory.bits_per_s if gbit_per_s is None else gbit_per_s * BITS_PER_GBIT,
        clock_hz=words.clock_mhz * HZ_PER_MHZ,
        area_overhead=words.area_overhead,
        **wanted(words, network),
    )


def wanted(words: ProblemWords, network: Network) -> dict[str, Any]:
    """The fields of `Problem` that say what is free to choose and what is wanted."""
    from codesign.quality import uniform_bits

    choices, quality = _choices(words, network), _quality(words)
    bits = {*choices.weight_bits, *choices.activation_bits, *choices.pinned.values()}
    bits |= {width for width in [quality and uniform_bits(quality)] if width}
    budgets = {
        metric: limit * factor
        for word, (metric, factor) in LIMITS.items()
        if (limit := getattr(words, word)) is not None
    }
    if words.min_fps is not None:
        budgets["latency_s"] = network.images / words.min_fps
    return {
        "choices": choices,
        "sensitivity": sensitivity_of(
            words.sensitivity, words.granularity, words.weights, network, bits
        ),
        "quality": quality,
        "objective": metric_of(words.minimize),
        "budgets": budgets,
    }


def sensitivity_of(
    asked: str | SensitivityTable | None,
    granularity: Granularity | None,
    weights: Mapping[str, ArrayLike] | None,
    network: Network,
    bits: Iterable[int],
) -> SensitivityTable | None:
    """The table asked for: given, read from a file, or measured on the weights at some widths.

    Raises
    ------
    SpecError
        A granularity without weights to measure, or a file that is no such table.
    """
    from codesign.quality import read_sensitivity, weight_sensitivity

    if granularity is not None and asked != "weights":
        raise SpecError("--granularity says how --sensitivity weights measures; give both.")
    if asked != "weights":
        return read_sensitivity(asked) if isinstance(asked, str) else asked
    assert weights is not None  # refused where the network is read
    return weight_sensitivity(network, weights, bits, granularity or "channel")


def _quality(words: ProblemWords) -> str | None:
    if words.quality is None:
        limited = words.max_noise is None and words.minimize != "noise"
        return DEFAULT_QUALITY if limited else None
    return None if words.quality == "none" else words.quality


def by_name(pairs: Iterable[tuple[str, Item]], refusal: str) -> dict[str, Item]:
    """What is given for each name.

    Raises
    ------
    SpecError
        Two different things for one name: ``refusal`` with the name and both in its places.
    """
    found: dict[str, Item] = {}
    for name, value in pairs:
        if found.setdefault(name, value) != value:
            raise SpecError(refusal.format(name, found[name], value))
    return found


def pinned(pins: Iterable[Pin]) -> dict[str, int]:
    """Widths that are pinned by operand, each given once."""
    widths = ((name, bits) for name, bits in pins if isinstance(bits, int))
    return by_name(widths, "--pin {}: given as {} and as {} bits")


def placed(pins: Iterable[Pin], on_chip: OnChip) -> dict[str, Place]:
    """Places that are pinned by tensor, each given once.

    Raises
    ------
    SpecError
        Two places for one tensor, or a place that tensors do not have.
    """
    places = [(name, place) for name, place in pins if not isinstance(place, int)]
    for name, place in places:
        if place == "band" and on_chip != "bands":
            raise SpecError(f"--pin band:{name}: tensors are held as bands with --on-chip bands")
        if on_chip == "none":
            raise SpecError(f"--pin {place}:{name}: tensors have places with --on-chip tensors")
    return by_name(places, "--pin of tensor {}: given as {} and as {}")


def most_fused(fused_layers: int | None, on_chip: OnChip) -> int:
    """Layers of a fused run at most.

    Raises
    ------
    SpecError
        Given where no layers are fused.
    """
    if fused_layers is not None and on_chip != "bands":
        raise SpecError(f"--fused-layers {fused_layers}: layers are fused with --on-chip bands")
    return DEFAULT_FUSED_LAYERS if fused_layers is None else fused_layers


def sram_bits(word: str, kbit: float) -> int:
    """A capacity as a whole number of bits.

    Raises
    ------
    SpecError
        Less than one.
    """
    bits = round(kbit * BITS_PER_KBIT)
    if bits < 1:
        raise SpecError(f"{flag_of(word)} {kbit:g}: less than a bit")
    return bits


def _choices(words: ProblemWords, network: Network) -> Choices:
    from codesign.problem.choices import Choices

    rows, cols = words.rows, words.cols
    if words.square:
        rows, cols = rows or cols, cols or rows
    ends = {
        word: None if (kbit := getattr(words, word)) is None else sram_bits(word, kbit)
        for word in ("min_sram_kbit", "max_sram_kbit")
    }
    listed: dict[str, Any] = {
        "weight_bits": words.weight_bits or words.bits,
        "activation_bits": words.activation_bits or words.bits,
        "rows": rows,
        "cols": cols,
        "pe_weight_bits": words.pe_weight_bits or words.pe_bits,
        "pe_activation_bits": words.pe_activation_bits or words.pe_bits,
    }
    return Choices(
        **{key: values for key, values in listed.items() if values is not None},
        square=words.square,
        precision=words.precision,
        sram_bits=tuple(sram_bits("sram_kbit", kbit) for kbit in words.sram_kbit or ()),
        min_sram_bits=ends["min_sram_kbit"],
        max_sram_bits=ends["max_sram_kbit"],
        on_chip=words.on_chip,
        fused_layers=most_fused(words.fused_layers, words.on_chip),
        places=placed(words.pin, words.on_chip),
        pinned=pinned(words.pin),
        output_bits=words.output_bits,
        shared=_shared(words.group, network),
        tied=words.tie,
    )


def _shared(groups: Iterable[tuple[str, ...]], network: Network) -> tuple[tuple[str, ...], ...]:
    """Groups of operands that share a width, every pattern replaced by what it matches."""
    known = [f"weight:{name}" for name in network.weight_layers]
    known += [f"tensor:{name}" for name in network.inner_tensors]
    found = []
    for words in groups:
        members: dict[str, None] = {}
        for word in words:
            # What is no pattern is left to the problem, which knows what else a name may be.
            pattern = word not in known and any(sign in word for sign in "*?[")
            matched = [x for x in known if fnmatchcase(x, word)] if pattern else [word]
            if not matched:
                raise SpecError(f"--group {word}: matches nothing in network {network.name!r}")
            members |= dict.fromkeys(matched)
        found.append(tuple(members))
    return tuple(found)
