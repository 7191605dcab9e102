"""A problem as a section of result files: all that the figures depend on, nothing by default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from codesign.errors import SpecError
from codesign.problem.choices import Choices
from codesign.problem.problem import Problem
from codesign.specs.fpga import AnyTechnology, Fpga
from codesign.specs.machine import MACHINE_FIELDS, unusual
from codesign.specs.schema import parse, renamed, require_keys
from codesign.specs.technology import Technology
from codesign.specs.write_network import network_record

PROBLEM_KEYS = (  # all the figures depend on: none has a default in a file
    "network",
    "clock_hz",
    "dram_bits_per_s",
    "area_overhead",
    "choices",
    "sensitivity",
    "objective",
    "budgets",
)
DRAM_ENERGY = "dram_energy_j_per_bit"  # absent where it is not known
LATER_CHOICES = (  # absent from older files, which knew no other than none
    *("shared", "tied"),
    *("sram_bits", "min_sram_bits", "max_sram_bits"),
    *("on_chip", "places", "fused_layers", "architecture", "segments", "stages"),
    *MACHINE_FIELDS,
)


def problem_to_dict(problem: Problem) -> dict[str, Any]:
    """A design file's section on the problem."""
    return {"network": network_record(problem.network), **terms_to_dict(problem)}


def terms_to_dict(problem: Problem) -> dict[str, Any]:
    """All of a problem but its network."""
    per_bit = problem.dram_energy_j_per_bit
    return {
        "technology": _technology_to_dict(problem.technology),
        "clock_hz": problem.clock_hz,
        "dram_bits_per_s": problem.dram_bits_per_s,
        **({} if per_bit is None else {DRAM_ENERGY: per_bit}),
        "area_overhead": problem.area_overhead,
        "choices": _choices_to_dict(problem.choices),
        "sensitivity": None
        if problem.sensitivity is None
        else {
            source: {str(bits): noise for bits, noise in table.items()}
            for source, table in problem.sensitivity.items()
        },
        "quality": problem.quality,
        "objective": problem.objective,
        "budgets": dict(problem.budgets),
        **({"references": dict(problem.references)} if problem.references else {}),
    }


def _technology_to_dict(technology: AnyTechnology) -> dict[str, Any]:
    """What figures depend on, and where it comes from; of its kinds of SRAM the one in use."""
    if isinstance(technology, Fpga):
        content = asdict(technology)
        if technology.accumulators == "pe":
            del content["accumulators"]  # as older files have it
        return content
    content = {
        "name": technology.name,
        "engine": technology.engine,
        "pe_area_um2": asdict(technology.pe_area_um2),
        "sram": technology.sram,
        "sram_area_um2": asdict(technology.sram_area_um2),
        "source": technology.source,
    }
    if technology.scaled_from is not None:
        scaled = {"node_nm": technology.node_nm, "scaled_from": asdict(technology.scaled_from)}
        content |= scaled
    if technology.energy is not None:
        content["energy"] = asdict(technology.energy)
    return content


def _choices_to_dict(choices: Choices) -> dict[str, Any]:
    """The choices; without what is about tensors on chip where none may stay there.

    And without what of the machine is as usual.
    """
    content = {name: x for name, x in asdict(choices).items() if name not in MACHINE_FIELDS}
    if choices.on_chip == "none":
        del content["on_chip"], content["places"]
    if choices.on_chip != "bands":
        del content["fused_layers"]
    if not choices.pipelined:
        del content["architecture"]
    if choices.segments == 1:
        del content["segments"]
    if choices.stages:
        content["stages"] = {name: stage.told for name, stage in choices.stages.items()}
    else:
        del content["stages"]
    return content | unusual(choices)


def problem_from_dict(data: Any, where: str) -> Problem:
    """A problem from a design file's section.

    Raises
    ------
    SpecError
        Naming ``where`` and what is wrong.
    """
    if not isinstance(data, Mapping):
        raise SpecError(f"{where}: problem: missing")
    given = data.get("technology")
    if not isinstance(given, Mapping):
        raise SpecError(f"{where}: problem.technology: missing")
    parsed = _technology_from_dict(given, f"{where}: problem.technology")
    require_keys(data, PROBLEM_KEYS, f"{where}: problem")
    choices = data["choices"]
    if isinstance(choices, Mapping):
        names = (field.name for field in fields(Choices) if field.name not in LATER_CHOICES)
        require_keys(choices, names, f"{where}: problem.choices")
        choices = {"on_chip": "none", **choices}
    content = {
        DRAM_ENERGY: None,
        **data,
        "choices": choices,
        "technology": parsed,
        "sensitivity": sensitivity_from_json(data.get("sensitivity")),
    }
    return parse(Problem, content, f"{where}: problem")


def _technology_from_dict(given: Mapping[str, Any], where: str) -> AnyTechnology:
    """What a file has of a technology: of silicon, one kind of SRAM."""
    if "bram_bits" in given:
        return parse(Fpga, dict(given), where)
    technology = dict(given)
    kind = technology.setdefault("sram", "single-port")
    if not isinstance(kind, str):
        raise SpecError(f"{where}.sram: must be the name of an SRAM kind")
    technology["sram_fits"] = {kind: renamed(technology, "sram_area_um2", "sram_fits", where)}
    try:
        return parse(Technology, technology, where)
    except SpecError as error:
        raise SpecError(str(error).replace(f"sram_fits.{kind}", "sram_area_um2")) from None


def sensitivity_from_json(given: Any) -> Any:
    """JSON's text keys as bitwidths, where they are such; the schema refuses the rest."""
    if not isinstance(given, Mapping):
        return given
    return {
        source: {
            int(bits) if bits.isdecimal() and len(bits) <= 2 else bits: noise
            for bits, noise in table.items()
        }
        if isinstance(table, Mapping)
        else table
        for source, table in given.items()
    }
