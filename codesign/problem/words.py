"""The words in which a problem is posed: options of the command line, keys of a study's grid.

Both are made from the one table here: `ProblemWords` and `SolveWords` name each word, how its value
is read, what help shows in its place and its default. Only the standard library is imported up
here, so that ``--help`` is immediate.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from codesign.problem.metrics import REGRET, WORDS
from codesign.problem.places import (
    DEFAULT_ON_CHIP,
    MOST_FUSED_LAYERS,
    MOST_SEGMENTS,
    OnChip,
)
from codesign.problem.readers import (
    LIMIT,
    ONE_WIDTH,
    WIDTHS,
    Limits,
    Number,
    Numbers,
    OneMetric,
    OneOf,
    Pin,
    Reader,
    SomeOf,
    WholeNumber,
    WholeNumbers,
    cycle_factor,
    group,
    pin,
)
from codesign.units import (
    BITS_PER_MBIT,
    BOPS_PER_GBOP,
    MJ_PER_J,
    MS_PER_S,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from codesign.problem.choices import Architecture
    from codesign.quality import SensitivityTable
    from codesign.quality.quantise import Granularity
    from codesign.specs.decoder import Phase
    from codesign.specs.fpga import AnyTechnology
    from codesign.specs.machine import Mapping as ArrayMapping
    from codesign.specs.machine import Precision
    from codesign.specs.technology import Memory

DEFAULT_QUALITY = "uniform:6"
DEFAULT_TECHNOLOGY, DEFAULT_MEMORY = "tsmc28", "ddr4-2400"
CAPACITY, ARRAY_SIDES = Number(1e-3, 1e12), WholeNumbers(65536)
MOST_PORT_BITS = 10**9  # of an SRAM, in a cycle
CLOCK, FACTOR = Number(1e-3, 1e6), Number(1e-3, 1e3)
BANDWIDTH, TIME_LIMIT = Number(1e-6, 1e9), Number(1e-9, 1e9)
MAPPINGS = ("window", "im2col", "output")  # of specs.machine, which is slow to import
ARCHITECTURES = ("array", "dataflow", "hybrid")  # of problem.choices, likewise
BIT_ENERGY = Number(1e-9, 1e9)

OBJECTIVES = (*WORDS, "interval")
OF_SUITES = (*OBJECTIVES, REGRET)
SHARED = ("latency", "dram", "noise", "model", "bops")  # metrics that members have shares of
LIMITS = {  # word: (metric, how many of the metric's unit make one of the word's)
    "max_area_mm2": ("area_mm2", 1.0),
    "max_lut": ("lut", 1.0),
    "max_dsp": ("dsp", 1.0),
    "max_bram": ("bram", 1.0),
    "max_latency_ms": ("latency_s", 1 / MS_PER_S),
    "max_interval_ms": ("interval_s", 1 / MS_PER_S),
    "max_energy_mj": ("energy_j", 1 / MJ_PER_J),
    "max_dram_mbit": ("dram_bits", BITS_PER_MBIT),
    "max_model_mbit": ("model_bits", BITS_PER_MBIT),
    "max_gbops": ("bops", BOPS_PER_GBOP),
    "max_noise": ("noise", 1.0),
}
PHASE_WORDS = ("phase", "tokens", "context")  # of a decoder by its parameters
BUFFERS = ("weight_buffer_kbit", "ifmap_buffer_kbit", "accumulator_kbit")
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
    ("max_interval_ms", "min_fps"),
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
        return isinstance(self.read, Numbers | WholeNumbers | SomeOf)


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
    phase: Phase | None = _choice("prefill|decode")
    tokens: int | None = _word("N", WholeNumber(1, 10**9))
    context: int | None = _word("N", WholeNumber(1, 10**9))
    sensitivity: str | SensitivityTable | None = _word("WHAT")
    granularity: Granularity | None = _choice("channel|tensor")
    technology: str | AnyTechnology = _word("NAME", default=DEFAULT_TECHNOLOGY)
    sram: str | None = _word("KIND")
    memory: str | Memory | None = _word("NAME")
    dram_gbit_per_s: float | None = _word("X", BANDWIDTH)
    dram_pj_per_bit: float | None = _word("X", BIT_ENERGY)
    clock_mhz: float = _word("X", CLOCK, "800")
    area_overhead: float = _word("X", FACTOR, "1")
    minimize: str = _word("|".join(OF_SUITES), OneMetric(OF_SUITES), "latency")
    max_area_mm2: Limits | None = _word("X", LIMIT)
    max_lut: Limits | None = _word("X", LIMIT)
    max_dsp: Limits | None = _word("X", LIMIT)
    max_bram: Limits | None = _word("X", LIMIT)
    max_latency_ms: Limits | None = _word("X", LIMIT)
    max_interval_ms: Limits | None = _word("X", LIMIT)
    min_fps: Limits | None = _word("X", Number(1e-9, 1e15))
    max_energy_mj: Limits | None = _word("X", LIMIT)
    max_dram_mbit: Limits | None = _word("X", LIMIT)
    max_model_mbit: Limits | None = _word("X", LIMIT)
    max_gbops: Limits | None = _word("X", LIMIT)
    quality: str | None = _word("uniform:BITS|sqnr:DB")
    max_noise: Limits | None = _word("X", LIMIT)
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
    precision: Precision = _choice("fixed|multi-pass|widening", "fixed")
    mapping: tuple[ArrayMapping, ...] = _word("LIST", SomeOf(MAPPINGS), "window")
    reconfigurable: bool = _flag()
    fill_cycles: bool = _flag()
    weight_load: bool = _flag()
    zero_skipping: bool = _flag()
    overlap: float = _word("X", Number(0, 1), "1")
    sram_bits_per_cycle: int | None = _word("N", WholeNumber(1, MOST_PORT_BITS))
    stored_channels: int | None = _word("N", WholeNumber(1, 65536))
    cycle_factor: tuple[tuple[str, str], ...] = _words("KERNEL=X", cycle_factor)
    rows: tuple[int, ...] | None = _word("LIST", ARRAY_SIDES)
    cols: tuple[int, ...] | None = _word("LIST", ARRAY_SIDES)
    square: bool = _flag()
    sram_kbit: tuple[float, ...] | None = _word("LIST", Numbers(CAPACITY))
    min_sram_kbit: float | None = _word("X", CAPACITY)
    max_sram_kbit: float | None = _word("X", CAPACITY)
    weight_buffer_kbit: float | None = _word("X", CAPACITY)
    ifmap_buffer_kbit: float | None = _word("X", CAPACITY)
    accumulator_kbit: float | None = _word("X", CAPACITY)
    on_chip: OnChip = _choice("bands|tensors|none", DEFAULT_ON_CHIP)
    architecture: tuple[Architecture, ...] = _word("LIST", SomeOf(ARCHITECTURES), "array")
    segments: int = _word("N", WholeNumber(1, MOST_SEGMENTS), "1")
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
    regret_of: str | None = _choice("|".join(SHARED))


_FIELDS = [x for kind in (ProblemWords, SolveWords) for x in fields(kind) if x.metadata]
ALL_WORDS: dict[str, Word] = {each.name: each.metadata["word"] for each in _FIELDS}
DEFAULTS: dict[str, Any] = {each.name: each.default for each in _FIELDS}


def flag_of(word: str) -> str:
    """A word as the command line writes it: ``--max-area-mm2``."""
    return "--" + word.replace("_", "-")


def name_or_path(text: str) -> str | Path:
    """A path where the text has a dot or a path separator, else a shipped name."""
    signs = [sign for sign in (".", os.sep, os.altsep) if sign]
    return Path(text) if any(sign in text for sign in signs) else text
