"""The problem that words pose, given the descriptions that they name.

Only the standard library is imported up here, so that ``--help`` is immediate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, TypeVar

from codesign.errors import SpecError
from codesign.problem.dram_energy import dram_energy_j_per_bit
from codesign.problem.metrics import INTERVAL, MEMBER_METRICS, metric_of
from codesign.problem.places import DEFAULT_FUSED_LAYERS, OnChip, Place
from codesign.problem.readers import Limits, Pin
from codesign.problem.words import BUFFERS, DEFAULT_QUALITY, LIMITS, ProblemWords, flag_of
from codesign.units import BITS_PER_GBIT, BITS_PER_KBIT, HZ_PER_MHZ, kind_of, member_of, of_member

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from codesign.problem.choices import Choices
    from codesign.problem.problem import Problem
    from codesign.quality import SensitivityTable
    from codesign.quality.quantise import Granularity
    from codesign.specs.fpga import AnyTechnology
    from codesign.specs.network import Network
    from codesign.specs.technology import Memory

Item = TypeVar("Item")


def problem_of(
    words: ProblemWords, network: Network, technology: AnyTechnology, memory: Memory
) -> Problem:
    """The problem that is posed, given the descriptions that the words name."""
    from codesign.problem.problem import Problem

    gbit_per_s = words.dram_gbit_per_s
    return Problem(
        network=network,
        technology=technology if words.sram is None else technology.with_sram(words.sram),
        dram_bits_per_s=memory.bits_per_s if gbit_per_s is None else gbit_per_s * BITS_PER_GBIT,
        dram_energy_j_per_bit=dram_energy_j_per_bit(words.dram_pj_per_bit, gbit_per_s, memory),
        clock_hz=words.clock_mhz * HZ_PER_MHZ,
        area_overhead=words.area_overhead,
        **wanted(words, network),
    )


def wanted(words: ProblemWords, network: Network) -> dict[str, Any]:
    """The fields of `Problem` that say what is free to choose and what is wanted."""
    from codesign.quality import quality_of_members, uniform_bits

    choices, quality = _choices(words, network), _quality(words, network)
    bits = {*choices.weight_bits, *choices.activation_bits, *choices.pinned.values()}
    members = [member.name for member in network.members]
    qualities = [quality] if quality else []
    if members and quality:
        qualities = [*quality_of_members(quality, members).values()]
    bits |= {width for width in map(uniform_bits, qualities) if width}
    budgets: dict[str, float] = {}
    for word, (metric, factor) in LIMITS.items():
        if metric == INTERVAL and members:
            continue
        limits = limits_by_metric(word, metric, getattr(words, word), network)
        budgets |= {name: limit * factor for name, limit in limits.items()}
    if members:  # an interval of each is a latency of its images
        word, (_, factor) = "max_interval_ms", LIMITS["max_interval_ms"]
        each = limits_by_metric(word, "latency_s", getattr(words, word), network)
        for name, limit in each.items():
            most = limit * factor * network.images_of(members.index(str(member_of(name))))
            budgets[name] = min(most, budgets.get(name, most))
    for name, rate in limits_by_metric("min_fps", "latency_s", words.min_fps, network).items():
        if choices.pipelined:
            budgets[INTERVAL] = 1 / rate
            continue
        images = network.images_of(members.index(member_of(name) or "")) if members else None
        budgets[name] = (images or network.images) / rate
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


def limits_by_metric(
    word: str, metric: str, given: Limits | None, network: Network
) -> dict[str, float]:
    """What a word limits, by metric: of a suite each of its members, or those that are named.

    Raises
    ------
    SpecError
        A name of no member, or where nothing is limited by name.
    """
    if given is None:
        return {}
    flag, members = flag_of(word), [member.name for member in network.members]
    named: dict[str | None, float] = given if isinstance(given, dict) else {None: given}
    if metric not in MEMBER_METRICS or not members:
        if [*named] != [None]:
            why = "not of one network by itself" if members else "there is one network"
            raise SpecError(f"{flag} {next(x for x in named if x)}=…: {why}; give a number")
        return {metric: named[None]}
    unknown = [name for name in named if name is not None and name not in members]
    if unknown:
        from codesign.specs.schema import nearest

        near = nearest(unknown[0], tuple(members))
        raise SpecError(f"{flag} {unknown[0]}=…: no such network ({', '.join(members)}){near}")
    told = [name for name in members if name in named or None in named]
    return {of_member(metric, x): named[x if x in named else None] for x in told}


def _quality(words: ProblemWords, network: Network) -> str | None:
    """The quality asked for; by default one of what no noise is limited of otherwise."""
    if words.quality is not None:
        return None if words.quality == "none" else words.quality
    noise, minimized = words.max_noise, metric_of(words.minimize)
    free = {*noise} if isinstance(noise, dict) else set[str | None]()
    if kind_of(minimized) == "noise":
        free.add(member_of(minimized))
    if None in free or isinstance(noise, float | int):
        return None
    if not free:
        return DEFAULT_QUALITY
    left = [member.name for member in network.members if member.name not in free]
    return ",".join(f"{name}={DEFAULT_QUALITY}" for name in left) or None


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


def factors(given: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Factors on cycles by kernel, each given once."""
    return by_name(given, "--cycle-factor {}: given as {} and as {}")


def check_reconfigurable(reconfigurable: bool, mapping: tuple[str, ...]) -> None:
    """Refuse a choice by layer where there is none.

    Raises
    ------
    SpecError
    """
    if reconfigurable and len(mapping) < 2:
        raise SpecError(
            "--reconfigurable lets each layer choose its mapping; give several, as in "
            "--mapping window,output"
        )


def _check_pe_bits(words: ProblemWords) -> None:
    """Refuse widths of PEs where each layer has PEs of its own, at its widths."""
    for word in ("pe_bits", "pe_weight_bits", "pe_activation_bits"):
        if getattr(words, word) is not None and not {"array", "hybrid"} & {*words.architecture}:
            raise SpecError(
                f"{flag_of(word)}: PEs of architecture 'dataflow' have the widths of their layers; "
                "leave it out, or give --bits"
            )


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


def buffer_bits(given: Mapping[str, Any]) -> dict[str, Any]:
    """Capacities of the buffers that are given, by field of a machine."""
    return {
        word.replace("_kbit", "_bits"): sram_bits(word, given[word])
        for word in BUFFERS
        if given[word] is not None
    }


def _choices(words: ProblemWords, network: Network) -> Choices:
    from codesign.problem.choices import Choices

    check_reconfigurable(words.reconfigurable, words.mapping)
    _check_pe_bits(words)
    rows, cols = words.rows, words.cols
    if words.square:
        rows, cols = rows or cols, cols or rows
    ends = {
        word: None if (kbit := getattr(words, word)) is None else sram_bits(word, kbit)
        for word in ("min_sram_kbit", "max_sram_kbit")
    }
    buffers = {word: getattr(words, word) for word in BUFFERS}
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
        mapping=words.mapping,
        reconfigurable=words.reconfigurable,
        fill_cycles=words.fill_cycles,
        weight_load=words.weight_load,
        zero_skipping=words.zero_skipping,
        overlap=words.overlap,
        sram_bits_per_cycle=words.sram_bits_per_cycle,
        stored_channels=words.stored_channels,
        cycle_factors=factors(words.cycle_factor),
        sram_bits=tuple(sram_bits("sram_kbit", kbit) for kbit in words.sram_kbit or ()),
        **buffer_bits(buffers),
        min_sram_bits=ends["min_sram_kbit"],
        max_sram_bits=ends["max_sram_kbit"],
        on_chip=words.on_chip,
        fused_layers=most_fused(words.fused_layers, words.on_chip),
        places=placed(words.pin, words.on_chip),
        pinned=pinned(words.pin),
        output_bits=words.output_bits,
        shared=_shared(words.group, network),
        tied=words.tie,
        architecture=words.architecture,
        segments=words.segments,
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
