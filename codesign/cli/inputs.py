"""What the options name, read and checked: networks, problems, accelerators, widths, files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from codesign.cli.terminal import note
from codesign.errors import SpecError
from codesign.problem.dram_energy import dram_energy_j_per_bit
from codesign.problem.metrics import COST, metric_of
from codesign.problem.posed import (
    buffer_bits,
    by_name,
    check_reconfigurable,
    factors,
    pinned,
    problem_of,
    sram_bits,
    wanted,
)
from codesign.problem.words import (
    DEFAULT_MEMORY,
    DEFAULT_TECHNOLOGY,
    LIMITS,
    PHASE_WORDS,
    ProblemWords,
    flag_of,
    name_or_path,
)
from codesign.units import BITS_PER_GBIT, HZ_PER_MHZ, kind_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from codesign.problem.problem import Problem
    from codesign.problem.readers import Pin
    from codesign.quality import SensitivityTable
    from codesign.specs.accelerator import Accelerator
    from codesign.specs.given_pipeline import GivenPipeline
    from codesign.specs.network import Network
    from codesign.specs.onnx.read import Imported

Given = Mapping[str, Any]  # options as click hands them over, by their words

PLOT_SUFFIXES = (".png", ".pdf", ".svg")
MACHINE_FLAGS = ("reconfigurable", "fill_cycles", "weight_load", "zero_skipping")
COPIED = (  # options of evaluate that are fields of an accelerator as they are
    *("rows", "cols", "engine", "precision", "overlap"),
    *("sram_bits_per_cycle", "stored_channels"),
    *("psum_bits", "pe_area_um2", "area_overhead"),
)
ONNX_WORDS = ("dim", "input", "keep_widths", "ignore_unknown")
PE_WIDTHS = ("pe_weight_bits", "pe_activation_bits")


class NetworkInput(NamedTuple):
    """A network, what an ONNX file says beside it, and all that is pinned."""

    network: Network
    weights: Mapping[str, ArrayLike] | None
    pins: tuple[Pin, ...]


def check_files(given: Given) -> None:
    """Refuse, before any work, files that cannot or should not be written."""
    from codesign.files import check_writable

    read = [given.get(key) or "" for key in ("technology", "memory", "accelerator")]
    for name in (given.get("network") or "", *given.get("networks", ())):
        read.append(name.rpartition("@")[0] or name)
    taken = [Path(text) for text in read if isinstance(name_or_path(text), Path)]
    taken += [Path(text) for text in [given.get("sensitivity")] if text]
    named = (
        "measured",
        "latency_table",
        "widths",
        "design",
        "model",
        "tiling",
        "folding",
        "pipeline",
    )
    taken += [given[key] for key in named if given.get(key) is not None]
    taken += [path for _, path in given.get("cost", ())]
    if given.get("designs") is not None:
        check_folder("--designs", given["designs"])
    for key in ("out", "plot", "plot_sram", "csv", "certificate"):
        path = given.get(key)
        if path is None:
            continue
        if key in ("plot", "plot_sram"):
            check_picture(key, path)
        check_writable(path)
        if path.exists() and not path.is_file():
            raise SpecError(f"{path}: cannot be written: not a regular file")
        if any(path.resolve() == other.resolve() for other in taken):
            raise SpecError(f"{path}: given twice, for two different files")
        taken.append(path)


def check_holds(path: Path) -> None:
    """Refuse a result's file whose figures do not hold when they are recomputed."""
    from codesign.checking import check

    report = check(path)
    if not report.holds:
        raise SpecError(f"{path}: {report.findings[0]}; codesign check tells all")


def check_picture(word: str, path: Path) -> None:
    """Refuse a picture of an unknown format."""
    if path.suffix.lower() not in PLOT_SUFFIXES:
        raise SpecError(f"{flag_of(word)} {path}: must end in {', '.join(PLOT_SUFFIXES)}")


def check_toml(given: Given) -> None:
    """Refuse a description, which is TOML, under a name that says otherwise."""
    path = given.get("out")
    if path is not None and path.suffix.lower() != ".toml":
        raise SpecError(f"--out {path}: must end in .toml")


def check_folder(word: str, folder: Path) -> None:
    """Refuse a folder to write into that is something else, or would lie in something else."""
    there = next((path for path in (folder, *folder.parents) if path.exists()), None)
    if there is None or there.is_dir():
        return
    fault = "not a folder" if there == folder else f"cannot be made: {there} is not a folder"
    raise SpecError(f"{word} {folder}: {fault}")


def check_contradictions(given: Given, pairs: Iterable[tuple[str, str]]) -> None:
    """Refuse two options that exclude each other; ``--quality none`` excludes nothing."""
    said = {key for key, value in given.items() if value not in (None, False)}
    if given.get("quality") == "none":
        said.remove("quality")
    for one, other in pairs:
        if one in said and other in said:
            raise SpecError(f"{flag_of(one)} and {flag_of(other)} contradict each other.")


def network(given: Given) -> NetworkInput:
    """The network, with the weights and, where asked for, the widths of an ONNX file."""
    from codesign.specs.load import load_network

    source = name_or_path(given["network"])
    weights, pins, phase = None, given["pin"], {word: given[word] for word in PHASE_WORDS}
    if isinstance(source, Path) and source.suffix.lower() == ".onnx":
        if any(phase.values()):
            raise SpecError("--phase: only for a decoder by its parameters, not an .onnx file")
        found = imported(source, given)
        described, weights = found.network, found.weights
        if given["keep_widths"]:  # what is said here is above what the file says
            named = {key for key, _ in pins}
            pins = (*((key, bits) for key, bits in found.pins.items() if key not in named), *pins)
    else:
        for key in ONNX_WORDS:
            if given[key]:
                raise SpecError(f"{flag_of(key)}: only for a network that is an .onnx file")
        described = load_network(source, **phase).batched(given["batch"] or 1)
    if given["sensitivity"] == "weights" and weights is None:
        raise SpecError(
            f"--sensitivity weights: {given['network']} holds no weights; give an .onnx file, "
            "or a table"
        )
    return NetworkInput(described, weights, pins)


def one_network(given: Given) -> NetworkInput:
    """The network asked about, or the suite of several.

    Raises
    ------
    SpecError
        As of `network`, or weights of members that do not fit.
    """
    names = given.get("networks") or (given["network"],)
    if len(names) == 1:
        if given.get("weights") is not None:
            raise SpecError("--weights: only for several networks")
        return network({**given, "network": names[0]})
    from codesign.specs.suite import Suite

    read = [network(_of_member(given, name)) for name in names]
    suite = Suite([each.network for each in read], given["weights"])
    named = [*zip(suite.names, read, strict=True)]
    weights = {name: x.weights for name, x in named if x.weights is not None}
    pins = [_within(name, pin) for name, x in named for pin in x.pins]
    said = {key for key, _ in given["pin"]}
    every = (*given["pin"], *(pin for pin in pins if pin[0] not in said))
    return NetworkInput(suite.network, _Weights(weights) if weights else None, every)


def _of_member(given: Given, name: str) -> dict[str, Any]:
    """The options as of one of several networks: those of ONNX files are for these alone.

    What is pinned by name is of the whole.
    """
    source = name_or_path(name)
    onnx = isinstance(source, Path) and source.suffix.lower() == ".onnx"
    files = [x for x in given["networks"] if x.lower().endswith(".onnx")]
    nothing = {} if onnx or not files else dict.fromkeys(ONNX_WORDS)
    return {**given, **nothing, "network": name, "pin": ()}


def _within(member: str, pin: Pin) -> Pin:
    """A width that a member's file declares, by its name in the suite."""
    kind, _, name = pin[0].partition(":")
    return f"{kind}:{member}/{name}", pin[1]


@dataclass
class _Weights(Mapping[str, "ArrayLike"]):
    """Weights of all members by the names of their layers, each loaded when it is asked for."""

    members: Mapping[str, Mapping[str, ArrayLike]]

    def __getitem__(self, layer: str) -> ArrayLike:
        for name, weights in self.members.items():
            own = layer.removeprefix(f"{name}/")
            if own != layer and own in weights:
                return weights[own]
        raise KeyError(layer)

    def __iter__(self) -> Iterator[str]:
        return (f"{name}/{layer}" for name, own in self.members.items() for layer in own)

    def __len__(self) -> int:
        return sum(map(len, self.members.values()))


def imported(path: Path, given: Given) -> Imported:
    """What an ONNX file says; what had to be assumed goes to standard error."""
    from codesign.specs.onnx import import_onnx

    dims = by_name(given["dim"], "--dim {}: given as {} and as {}")
    values = by_name(given["input"], "--input {}: given as {} and as {}")
    found = import_onnx(
        path,
        batch=given["batch"],
        dims=dims,
        inputs=values,
        ignore_unknown=given["ignore_unknown"],
    )
    for warning in () if given.get("told") else found.warnings:
        note(f"warning: {warning}")
    if given["keep_widths"] and not found.pins:
        raise SpecError(f"--keep-widths: {path} declares no integer widths")
    return found


def problem(given: Given) -> Problem:
    """What ``solve`` or ``pareto`` is asked."""
    from codesign.specs.load import load_memory, load_technology

    memory = load_memory(name_or_path(given["memory"] or DEFAULT_MEMORY))
    read = one_network(given)
    technology = load_technology(name_or_path(given["technology"]))
    return problem_of(_words(given, read), read.network, technology, memory)


def problems(given: Given) -> list[Problem]:
    """What ``solve`` is asked: a problem for each batch; what is noted and measured of the first.

    One without ``--batch``, whose images are those of the file.
    """
    first, *others = dict.fromkeys(given["batch"]) if given["batch"] else (None,)
    found = [problem({**given, "batch": first})]
    if given["sensitivity"] == "weights":
        given = {**given, "sensitivity": found[0].sensitivity, "granularity": None}
    return [*found, *(problem({**given, "batch": x, "told": True}) for x in others)]


def assignment(given: Given) -> Problem:
    """What ``assign`` is asked: a problem whose platform does not matter."""
    from codesign.problem.problem import Problem

    read = network(given)
    fields = wanted(_words(given, read), read.network)
    limits = by_name(given["max_cost"], "--max-cost {}: given twice")
    fields["budgets"] |= {COST + name: limit for name, limit in limits.items()}
    return Problem(network=read.network, **fields)


def _words(given: Given, read: NetworkInput) -> ProblemWords:
    pins = (*read.pins, *given.get("fixed", ()))
    return ProblemWords.of({**given, "weights": read.weights, "pin": pins})


def costs(given: Given) -> dict[str, Path]:
    """Tables of costs by name."""
    return by_name(given["cost"], "--cost {}: given twice, with {} and {}")


def ranges(given: Given) -> dict[str, tuple[float, float]]:
    """Ranges of objectives by metric, in the metrics' own units."""
    scale = dict(LIMITS.values())
    found: dict[str, tuple[float, float]] = {}
    for word, low, high in given["range"]:
        metric = metric_of(word)
        if word not in given["objectives"]:
            raise SpecError(f"--range {word}: no objective ({', '.join(given['objectives'])})")
        if metric in found:
            raise SpecError(f"--range {word}: given twice")
        unit = scale[kind_of(metric)]
        found[metric] = low * unit, high * unit
    return found


def accelerator(given: Given) -> Accelerator:
    """The accelerator of a file or of the flags alone, every flag given taken over."""
    from codesign.specs.accelerator import Accelerator
    from codesign.specs.load import load_accelerator, load_technology

    sram_kbit, clock_mhz = given["sram_kbit"], given["clock_mhz"]
    flags = {
        **{key: given[key] for key in COPIED},
        **_machine(given),
        **buffer_bits(given),
        **{key: given[key] or given["pe_bits"] for key in PE_WIDTHS},
        "sram_bits": None if sram_kbit is None else sram_bits("sram_kbit", sram_kbit),
        "clock_hz": None if clock_mhz is None else clock_mhz * HZ_PER_MHZ,
        "dram_bits_per_s": _dram_bits_per_s(given),
        "dram_energy_j_per_bit": _dram_energy_j_per_bit(given),
    }
    if given["technology"] is not None:
        flags["technology"] = load_technology(name_or_path(given["technology"]))
    flags = {key: value for key, value in flags.items() if value is not None}
    name = given["accelerator"]
    known = None if name is None else load_accelerator(name_or_path(name))
    usual = load_technology(DEFAULT_TECHNOLOGY) if known is None else known.technology
    if given["sram"] is not None:
        technology = flags.get("technology", usual)
        if technology is None:
            raise SpecError("--sram: the accelerator names no technology; give --technology")
        flags["technology"] = technology.with_sram(given["sram"])
    if known is not None:
        made = _changed(known, flags)
        check_reconfigurable(given["reconfigurable"], made.mapping)
        return made
    _check_complete(flags)
    check_reconfigurable(given["reconfigurable"], given["mapping"] or ("window",))
    rest = {"engine": 9, "clock_hz": 800e6, "technology": usual}
    if "dram_bits_per_s" not in flags:
        rest["dram_bits_per_s"] = _dram_bits_per_s({**given, "memory": DEFAULT_MEMORY})
        rest["dram_energy_j_per_bit"] = _dram_energy_j_per_bit({**given, "memory": DEFAULT_MEMORY})
    return Accelerator(name=f"{flags['rows']} × {flags['cols']} PEs", **{**rest, **flags})


def _machine(given: Given) -> dict[str, Any]:
    """What is said of how the array works, by field; what is said by a flag alone is never off.

    One mapping, and the machine is not reconfigurable.
    """
    said = {key: given[key] or None for key in ("mapping", *MACHINE_FLAGS)}
    if given["mapping"] and len(given["mapping"]) == 1 and not given["reconfigurable"]:
        said["reconfigurable"] = False
    return {**said, "cycle_factors": factors(given["cycle_factor"]) or None}


def _check_complete(flags: Given) -> None:
    """Refuse flags that leave open what an accelerator without a file needs, one option at a time.

    Where neither width of the PE is given, that is the option for both.
    """
    missing = [key for key in ("rows", "cols", *PE_WIDTHS) if key not in flags]
    if missing:
        flag = flag_of("pe_bits" if missing == [*PE_WIDTHS] else missing[0])
        raise SpecError(f"Missing option {flag}; or name an accelerator with --accelerator.")


def _changed(accelerator: Accelerator, flags: Given) -> Accelerator:
    """An accelerator that differs in what the flags say, and so is not the one of that name.

    A measured PE area holds for that PE alone.
    """
    from dataclasses import replace

    new = {key: value for key, value in flags.items() if value != getattr(accelerator, key)}
    if not new:
        return accelerator
    if "dram_bits_per_s" in new:
        new.setdefault("dram_energy_j_per_bit", None)
    if "technology" in new:
        new["energy"] = None
    if {"engine", *PE_WIDTHS} & {*new}:
        new.setdefault("pe_area_um2", None)
    return replace(accelerator, **new, name=f"{accelerator.name}, changed"[:200])


def _dram_bits_per_s(given: Given) -> float | None:
    """The bandwidth asked for; None where nothing is said of it."""
    from codesign.specs.load import load_memory

    if given["dram_gbit_per_s"] is not None:
        return float(given["dram_gbit_per_s"] * BITS_PER_GBIT)
    memory = given["memory"]
    return None if memory is None else load_memory(name_or_path(memory)).bits_per_s


def _dram_energy_j_per_bit(given: Given) -> float | None:
    """The energy of a DRAM bit that is asked for; None where nothing is said of it."""
    from codesign.specs.load import load_memory

    name = given["memory"]
    memory = None if name is None else load_memory(name_or_path(name))
    return dram_energy_j_per_bit(given["dram_pj_per_bit"], given["dram_gbit_per_s"], memory)


def widths(given: Given, read: NetworkInput, accelerator: Accelerator) -> dict[str, int]:
    """Every width by name: as given, else the PE's, pins above all."""
    pins = pinned(read.pins)
    if given["widths"] is not None:
        from codesign.results.load import load_widths

        return load_widths(given["widths"]).widths | pins
    network = read.network
    weight_bits = given["weight_bits"] or given["bits"] or accelerator.pe_weight_bits
    activation_bits = given["activation_bits"] or given["bits"] or accelerator.pe_activation_bits
    results = dict.fromkeys(network.outputs, given["output_bits"] or activation_bits)
    found = {f"weight:{name}": weight_bits for name in network.weight_layers}
    found |= {f"tensor:{name}": results.get(name, activation_bits) for name in network.tensors}
    return found | pins


def pipeline(given: Given, network: Network) -> GivenPipeline:
    """The pipeline of a file, every option given taken over."""
    from codesign.specs.load import load_technology
    from codesign.tasks.given_pipelines import load_pipeline

    clock_mhz, memory = given["clock_mhz"], _dram_energy_j_per_bit(given)
    flags = {
        **_machine(given),
        "reconfigurable": None,
        "clock_hz": None if clock_mhz is None else clock_mhz * HZ_PER_MHZ,
        "dram_bits_per_s": _dram_bits_per_s(given),
        "area_overhead": given["area_overhead"],
    }
    flags = {key: value for key, value in flags.items() if value is not None}
    if "dram_bits_per_s" in flags or memory is not None:
        flags["dram_energy_j_per_bit"] = memory
    if given["technology"] is not None:
        flags["technology"] = load_technology(name_or_path(given["technology"]))
    path = given["folding"] or given["pipeline"]
    found = load_pipeline(path, network, **flags)
    if given["sram"] is not None:
        from dataclasses import replace

        found = replace(found, technology=found.technology.with_sram(given["sram"]))
    return found


def pipeline_widths(given: Given, read: NetworkInput, of: GivenPipeline) -> dict[str, int]:
    """Every width by name: as given, else as the pipeline tells, pins above all."""
    from codesign.tasks.evaluate_pipeline import DEFAULT_OUTPUT_BITS

    pins, network, found = pinned(read.pins), read.network, dict(of.widths)
    if given["widths"] is not None:
        from codesign.results.load import load_widths

        return load_widths(given["widths"]).widths | pins
    kinds = {"weight": given["weight_bits"] or given["bits"]}
    kinds["tensor"] = given["activation_bits"] or given["bits"]
    for source in network.noise_sources:
        bits = kinds[source.partition(":")[0]]
        found |= {} if bits is None else {source: bits}
    for name in network.outputs:
        usual = found.get(f"tensor:{name}", DEFAULT_OUTPUT_BITS)
        found[f"tensor:{name}"] = given["output_bits"] or usual
    lacking = [x for x in network.noise_sources if x not in {**found, **pins}]
    if lacking:
        raise SpecError(f"Missing option --bits: the pipeline tells no width of {lacking[0]}.")
    return found | pins


def warn_of_table(table: SensitivityTable | None, network: Network | None = None) -> None:
    """Warn where more bits lose more; note what is assumed of what a table leaves out."""
    from codesign.quality import rises, table_notes

    found = None if table is None else rises(table)
    if found is not None:
        note(f"warning: {found}")
    if network is not None:
        results = [f"tensor:{name}" for name in network.outputs]
        for remark in table_notes(table, network.noise_sources, results):
            note(f"note: {remark}")
