"""What was asked on the command line, as problems, accelerators, widths and paths.

Only click and the standard library are imported up here, so that ``--help`` is immediate.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from codesign.cli.options import LIMITS, MEMORY, QUALITY, TECHNOLOGY
from codesign.errors import SpecError, one_line
from codesign.problem.metrics import COST, metric_of
from codesign.units import BITS_PER_GBIT, BITS_PER_KBIT, HZ_PER_MHZ

if TYPE_CHECKING:
    from codesign.problem.choices import Choices
    from codesign.problem.problem import Problem
    from codesign.quality import Sensitivity
    from codesign.specs.accelerator import Accelerator
    from codesign.specs.network import Network
    from codesign.specs.onnx.read import Imported

PLOT_SUFFIXES = (".png", ".pdf", ".svg")


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def name_or_path(text: str) -> str | Path:
    """A path where the text has a dot or a path separator, else a shipped name."""
    signs = [sign for sign in (".", os.sep, os.altsep) if sign]
    return Path(text) if any(sign in text for sign in signs) else text


def check_files(given: dict[str, Any]) -> None:
    """Refuse, before any work, files that cannot or should not be written."""
    from codesign.files import check_writable

    read = [given.get(key) or "" for key in ("network", "technology", "memory", "accelerator")]
    taken = [Path(text) for text in read if isinstance(name_or_path(text), Path)]
    taken += [Path(text) for text in [given.get("sensitivity")] if text]
    named = ("measured", "latency_table", "widths", "design", "model")
    taken += [given[key] for key in named if given.get(key) is not None]
    taken += [path for _, path in given.get("cost", ())]
    if given.get("designs") is not None:
        _check_folder(given["designs"])
    for key in ("out", "plot", "csv", "certificate"):
        path = given.get(key)
        if path is None:
            continue
        if key == "plot" and path.suffix.lower() not in PLOT_SUFFIXES:
            raise SpecError(f"--plot {path}: must end in {', '.join(PLOT_SUFFIXES)}")
        check_writable(path)
        if path.exists() and not path.is_file():
            raise SpecError(f"{path}: cannot be written: not a regular file")
        if any(path.resolve() == other.resolve() for other in taken):
            raise SpecError(f"{path}: given twice, for two different files")
        taken.append(path)


def _check_folder(folder: Path) -> None:
    """Refuse a folder for designs that is something else, or that would lie in something else."""
    there = next((path for path in (folder, *folder.parents) if path.exists()), None)
    if there is None or there.is_dir():
        return
    fault = "not a folder" if there == folder else f"cannot be made: {there} is not a folder"
    raise SpecError(f"--designs {folder}: {fault}")


def check_contradictions(given: dict[str, Any], pairs: Iterable[tuple[str, str]]) -> None:
    """Refuse two options that exclude each other; ``--quality none`` excludes nothing."""
    said = {key for key, value in given.items() if value not in (None, False)}
    if given.get("quality") == "none":
        said.remove("quality")
    for one, other in pairs:
        if one in said and other in said:
            raise click.UsageError(f"{_flag(one)} and {_flag(other)} contradict each other.")


def accelerator(given: dict[str, Any]) -> Accelerator:
    """The accelerator of a file or of the flags alone, every flag given taken over."""
    from codesign.specs.accelerator import Accelerator
    from codesign.specs.load import load_accelerator, load_technology

    flags = {
        "rows": given["rows"],
        "cols": given["cols"],
        "engine": given["engine"],
        "pe_weight_bits": given["pe_weight_bits"] or given["pe_bits"],
        "pe_activation_bits": given["pe_activation_bits"] or given["pe_bits"],
        "precision": given["precision"],
        "psum_bits": given["psum_bits"],
        "sram_bits": _sram_bits("sram_kbit", given["sram_kbit"]),
        "clock_hz": None if given["clock_mhz"] is None else given["clock_mhz"] * HZ_PER_MHZ,
        "dram_bits_per_s": _dram_bits_per_s(given),
        "pe_area_um2": given["pe_area_um2"],
        "area_overhead": given["area_overhead"],
    }
    if given["technology"] is not None:
        flags["technology"] = load_technology(name_or_path(given["technology"]))
    flags = {key: value for key, value in flags.items() if value is not None}
    name = given["accelerator"]
    known = None if name is None else load_accelerator(name_or_path(name))
    usual = load_technology(TECHNOLOGY) if known is None else known.technology
    if given["sram"] is not None:
        technology = flags.get("technology", usual)
        if technology is None:
            raise SpecError("--sram: the accelerator names no technology; give --technology")
        flags["technology"] = technology.with_sram(given["sram"])
    if known is not None:
        return _changed(known, flags)
    _check_described(flags)
    dram_bits_per_s = _dram_bits_per_s({**given, "memory": MEMORY})
    rest = {"engine": 9, "clock_hz": 800e6, "dram_bits_per_s": dram_bits_per_s, "technology": usual}
    return Accelerator(name=f"{flags['rows']} × {flags['cols']} PEs", **{**rest, **flags})


def _check_described(flags: dict[str, Any]) -> None:
    """Refuse flags that leave open what an accelerator without a file needs, one option at a time.

    Where neither width of the PE is given, that is the option for both.
    """
    pe_widths = ["pe_weight_bits", "pe_activation_bits"]
    missing = [key for key in ("rows", "cols", *pe_widths) if key not in flags]
    if missing:
        flag = _flag("pe_bits" if missing == pe_widths else missing[0])
        raise click.UsageError(f"Missing option {flag}; or name an accelerator with --accelerator.")


def _changed(accelerator: Accelerator, flags: dict[str, Any]) -> Accelerator:
    """An accelerator that differs in what the flags say: no longer the one of that name.

    A measured PE area holds for that PE alone.
    """
    from dataclasses import replace

    new = {key: value for key, value in flags.items() if value != getattr(accelerator, key)}
    if not new:
        return accelerator
    if {"engine", "pe_weight_bits", "pe_activation_bits"} & {*new}:
        new.setdefault("pe_area_um2", None)
    return replace(accelerator, **new, name=f"{accelerator.name}, changed"[:200])


def _sram_bits(name: str, kbit: float | None) -> int | None:
    if kbit is None:
        return None
    bits = round(kbit * BITS_PER_KBIT)
    if bits < 1:
        raise SpecError(f"{_flag(name)} {kbit:g}: less than a bit")
    return bits


def _dram_bits_per_s(given: dict[str, Any]) -> float | None:
    """The bandwidth asked for; None where nothing is said of it."""
    from codesign.specs.load import load_memory

    if given["dram_gbit_per_s"] is not None:
        return float(given["dram_gbit_per_s"] * BITS_PER_GBIT)
    memory = given["memory"]
    return None if memory is None else load_memory(name_or_path(memory)).bits_per_s


def widths(given: dict[str, Any], network: Network, accelerator: Accelerator) -> dict[str, int]:
    """Every width by name: as given, else the PE's, pins above all."""
    if given["widths"] is not None:
        return _widths_of(given["widths"]) | _pinned(given)
    weight_bits = given["weight_bits"] or given["bits"] or accelerator.pe_weight_bits
    activation_bits = given["activation_bits"] or given["bits"] or accelerator.pe_activation_bits
    results = dict.fromkeys(network.outputs, given["output_bits"] or activation_bits)
    widths = {f"weight:{name}": weight_bits for name in network.weight_layers}
    widths |= {f"tensor:{name}": results.get(name, activation_bits) for name in network.tensors}
    return widths | _pinned(given)


def _widths_of(path: Path) -> dict[str, int]:
    """The widths of a design or assignment file."""
    from codesign.results.load import load_widths

    return load_widths(path).widths


def _pinned(given: dict[str, Any]) -> dict[str, int]:
    pinned: dict[str, int] = {}
    for key, bits in (*given["pin"], *given.get("fixed", ())):
        if pinned.setdefault(key, bits) != bits:
            raise SpecError(f"--pin {key}: given as {pinned[key]} and as {bits} bits")
    return pinned


def imported(path: Path, given: dict[str, Any]) -> Imported:
    """What an ONNX file says; what had to be assumed goes to standard error."""
    from codesign.specs.onnx import import_onnx

    dims: dict[str, int] = {}
    for name, size in given["dim"]:
        if dims.setdefault(name, size) != size:
            raise SpecError(f"--dim {name}: given as {dims[name]} and as {size}")
    found = import_onnx(
        path, batch=given["batch"], dims=dims, ignore_unknown=given["ignore_unknown"]
    )
    for warning in found.warnings:
        click.echo(f"codesign: warning: {one_line(warning)}", err=True)
    if given["keep_widths"] and not found.pins:
        raise SpecError(f"--keep-widths: {path} declares no integer widths")
    return found


def network(given: dict[str, Any]) -> tuple[Network, dict[str, Any]]:
    """The network, and what is given, with weights and widths to be kept of an ONNX file."""
    from codesign.specs.load import load_network

    source = name_or_path(given["network"])
    if isinstance(source, Path) and source.suffix.lower() == ".onnx":
        found = imported(source, given)
        kept = found.pins if given["keep_widths"] else {}
        named = {key for key, _ in given["pin"]}  # what is said here is above what the file says
        pins = [(key, bits) for key, bits in kept.items() if key not in named]
        of_file = {"weights": found.weights, "pin": (*pins, *given["pin"])}
        return found.network, {**given, **of_file}
    for key in ("dim", "keep_widths", "ignore_unknown"):
        if given[key]:
            raise SpecError(f"{_flag(key)}: only for a network that is an .onnx file")
    return load_network(source).batched(given["batch"] or 1), given


def problem(given: dict[str, Any]) -> Problem:
    """What ``solve`` is asked."""
    from codesign.specs.load import load_technology

    dram_bits_per_s = _dram_bits_per_s({**given, "memory": given["memory"] or MEMORY})
    assert dram_bits_per_s is not None
    described, given = network(given)
    return posed(
        given,
        network=described,
        technology=load_technology(name_or_path(given["technology"]), given["sram"]),
        dram_bits_per_s=dram_bits_per_s,
    )


def posed(given: dict[str, Any], **platform: Any) -> Problem:
    """The problem of what is given and, already read, what it is about: fields of `Problem`."""
    from codesign.problem.problem import Problem

    return Problem(
        clock_hz=given["clock_mhz"] * HZ_PER_MHZ,
        area_overhead=given["area_overhead"],
        **_wanted(given, platform["network"]),
        **platform,
    )


def assignment(given: dict[str, Any]) -> Problem:
    """What ``assign`` is asked: a problem whose platform is of no account."""
    from codesign.problem.problem import Problem

    described, given = network(given)
    wanted = _wanted(given, described)
    for name, limit in given["max_cost"]:
        if wanted["budgets"].setdefault(COST + name, limit) != limit:
            raise SpecError(f"--max-cost {name}: given twice")
    return Problem(network=described, **wanted)


def costs(given: dict[str, Any]) -> dict[str, Path]:
    """Tables of costs by name."""
    found: dict[str, Path] = {}
    for name, path in given["cost"]:
        if found.setdefault(name, path) != path:
            raise SpecError(f"--cost {name}: given twice, with {found[name]} and {path}")
    return found


def _wanted(given: dict[str, Any], network: Network) -> dict[str, Any]:
    """The fields of `Problem` that say what is free to choose and what is wanted."""
    from codesign.quality import uniform_bits

    choices, quality = _choices(given, network), _quality(given)
    wanted = {*choices.weight_bits, *choices.activation_bits, *choices.pinned.values()}
    wanted |= {bits for bits in [quality and uniform_bits(quality)] if bits}
    budgets = {
        metric: given[name] * factor
        for name, (metric, factor) in LIMITS.items()
        if given.get(name) is not None
    }
    if given.get("min_fps") is not None:
        budgets["latency_s"] = network.images / given["min_fps"]
    return {
        "choices": choices,
        "sensitivity": sensitivity(given, network, wanted),
        "quality": quality,
        "objective": metric_of(given["minimize"]),
        "budgets": budgets,
    }


def sensitivity(given: dict[str, Any], network: Network, bits: Iterable[int]) -> Sensitivity | None:
    """The table asked for: given, read from a file, or measured on the weights at some widths."""
    from codesign.quality import read_sensitivity, weight_sensitivity

    asked, granularity = given["sensitivity"], given["granularity"]
    if granularity is not None and asked != "weights":
        raise click.UsageError("--granularity says how --sensitivity weights measures; give both.")
    if asked == "weights":
        weights = given.get("weights")
        if weights is None:
            raise SpecError(
                f"--sensitivity weights: {given['network']} holds no weights; give an .onnx file, "
                "or a table"
            )
        return weight_sensitivity(network, weights, bits, granularity or "channel")
    return read_sensitivity(asked) if isinstance(asked, str) else asked  # a study has a table


def tell_of_table(table: Sensitivity | None, network: Network | None = None) -> None:
    """Say on stderr where more bits lose more, and what is assumed of what a table leaves out.

    Such a table is taken, but not in silence.
    """
    from codesign.quality import rises, table_notes

    found = None if table is None else rises(table)
    if found is not None:
        click.echo(f"codesign: warning: {one_line(found)}", err=True)
    if network is not None:
        results = [f"tensor:{name}" for name in network.outputs]
        for note in table_notes(table, network.noise_sources, results):
            click.echo(f"codesign: note: {one_line(note)}", err=True)


def _quality(given: dict[str, Any]) -> str | None:
    if given["quality"] is None:
        return QUALITY if quality_is_default(given) else None
    return None if given["quality"] == "none" else str(given["quality"])


def quality_is_default(given: dict[str, Any]) -> bool:
    """Whether nothing is said of the quality."""
    return given["quality"] is None and given["max_noise"] is None and given["minimize"] != "noise"


def _groups(given: dict[str, Any], network: Network) -> tuple[tuple[str, ...], ...]:
    """Groups of operands that share a width, every pattern replaced by what it matches."""
    known = [f"weight:{name}" for name in network.weight_layers]
    known += [f"tensor:{name}" for name in network.inner_tensors]
    groups = []
    for words in given["group"]:
        members: dict[str, None] = {}
        for word in words:
            # What is no pattern is left to the problem, which knows what else a name may be.
            pattern = word not in known and any(sign in word for sign in "*?[")
            matched = [x for x in known if fnmatchcase(x, word)] if pattern else [word]
            if not matched:
                raise SpecError(f"--group {word}: matches nothing in network {network.name!r}")
            members |= dict.fromkeys(matched)
        groups.append(tuple(members))
    return tuple(groups)


def _choices(given: dict[str, Any], network: Network) -> Choices:
    from codesign.problem.choices import Choices

    wanted = {
        "weight_bits": given["weight_bits"] or given["bits"],
        "activation_bits": given["activation_bits"] or given["bits"],
    }
    if "rows" in given:  # a command that chooses hardware
        wanted |= _arrays(given)
    return Choices(
        **{key: values for key, values in wanted.items() if values is not None},
        pinned=_pinned(given),
        output_bits=given["output_bits"],
        shared=_groups(given, network),
        tied=given["tie"],
    )


def _arrays(given: dict[str, Any]) -> dict[str, Any]:
    """The fields of `Choices` that say which PE arrays and SRAMs are on offer."""
    rows, cols = given["rows"], given["cols"]
    if given["square"]:
        rows, cols = rows or cols, cols or rows
    return {
        "rows": rows,
        "cols": cols,
        "square": given["square"],
        "pe_weight_bits": given["pe_weight_bits"] or given["pe_bits"],
        "pe_activation_bits": given["pe_activation_bits"] or given["pe_bits"],
        "precision": given["precision"],
        "sram_bits": tuple(_sram_bits("sram_kbit", kbit) for kbit in given["sram_kbit"] or ()),
        "min_sram_bits": _sram_bits("min_sram_kbit", given["min_sram_kbit"]),
        "max_sram_bits": _sram_bits("max_sram_kbit", given["max_sram_kbit"]),
    }


def ranges(given: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """Ranges of objectives by metric, in the metrics' own units."""
    scale = dict(LIMITS.values())
    found: dict[str, tuple[float, float]] = {}
    for word, low, high in given["range"]:
        metric = metric_of(word)
        if word not in given["objectives"]:
            raise SpecError(f"--range {word}: no objective ({', '.join(given['objectives'])})")
        if metric in found:
            raise SpecError(f"--range {word}: given twice")
        found[metric] = low * scale[metric], high * scale[metric]
    return found
