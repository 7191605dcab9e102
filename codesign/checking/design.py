"""A design file: its hardware, widths, layers, totals and proof against its own problem."""

from __future__ import annotations

from fractions import Fraction

from codesign.checking.batches import check_batches
from codesign.checking.cost_model import Array
from codesign.checking.digest import check_digest
from codesign.checking.energy import check_energy_section, layers_j
from codesign.checking.entries import Entry
from codesign.checking.layer_rows import Platform
from codesign.checking.layers import check_cache, check_layers, check_throughput
from codesign.checking.machine import read_mapping
from codesign.checking.members import sums
from codesign.checking.problem import (
    ARCHITECTURES,
    MOST_SIDE,
    MOST_SRAM_BITS,
    Option,
    Problem,
    read_problem,
)
from codesign.checking.proof import check_architectures, check_proof, check_solver
from codesign.checking.residency import check_on_chip
from codesign.checking.width_problem import MOST_BITS
from codesign.checking.widths import (
    check_metrics,
    check_tensor_bits,
    check_weight_bits,
    read_rows,
)

FORMAT = "codesign-design/1"
KEYS = (
    *("format", "problem", "hardware", "tensor_bits", "layers", "metrics", "proof", "solver"),
    *("throughput", "kv_cache_bits", "energy", "on_chip", "batches", "sha256"),
    "architectures",
)
SIZES = ("rows", "cols", "pe_weight_bits", "pe_activation_bits")
HARDWARE = (*SIZES, "sram_bits", "mapping")
COUNTS = ("considered", "bounded_away", "solved", "left_open", "programmes")


def check_design(file: Entry) -> Problem:
    """Compare every figure of a design file; returns its problem."""
    file.known_keys(KEYS)
    problem = read_problem(file["problem"])
    check_proof(file["proof"], file["metrics"], problem.objective, file["solver"])
    _check_solver(file["solver"], problem, file["proof"])
    option, sram_bits = _check_hardware(file["hardware"], problem)
    mapping = problem.choices.mappings_of(option.array)[0]
    tensor_bits = check_tensor_bits(file["tensor_bits"], problem)
    platform = Platform(
        array=Array(
            *(option.rows, option.cols, problem.technology.engine, mapping),
            skips_zeros=problem.choices.machine.skips_zeros,
        ),
        machine=problem.choices.machine,
        pe_weight_bits=option.pe_weight_bits,
        pe_activation_bits=option.pe_activation_bits,
        clock_hz=problem.clock_hz,
        sram_bits=sram_bits,
        dram_bits_per_s=problem.dram_bits_per_s,
    )
    residency, on_chip, choices = None, file.get("on_chip", None), problem.choices
    if choices.on_chip:
        residency = check_on_chip(
            on_chip, problem.network, tensor_bits, choices.places, choices.fused_layers
        )
    else:
        file.ledger.same(on_chip.where, on_chip.value, None)
    totals = check_layers(file["layers"], problem.network, platform, tensor_bits, residency)
    check_weight_bits(file["layers"], problem, totals.operand_bits, tensor_bits)
    terms = problem.hardware_terms(option, sram_bits)
    expected = {name: sum(each, Fraction(0)) for name, each in terms.items()}
    area = expected.get("area_mm2")
    given, rows = problem.energies(area), read_rows(file["layers"], problem.network)
    each = []
    if given is not None:
        on = problem.network, platform, tensor_bits, residency
        each = layers_j(rows, *on, given)
    expected |= sums(problem.network, totals, tensor_bits, problem.noise_of, each)
    if problem.references:
        pairs = ((expected[name], best) for name, best in problem.references.items())
        expected["regret"] = max(x / best if best else Fraction(1 + x) for x, best in pairs)
    metrics = check_metrics(file["metrics"], expected, problem, terms)
    check_energy_section(file, problem.network, platform.machine, each, metrics)
    check_throughput(file.get("throughput", None), problem.network, platform, metrics)
    check_cache(file, problem.network, tensor_bits)
    check_batches(file.get("batches", None), problem, file["proof"])
    tried = file.get("architectures", None)
    if tried.value is not None:  # else one array for all was asked for
        check_architectures(tried, ARCHITECTURES, "array", file["proof"])
    check_digest(file)
    return problem


def _check_hardware(entry: Entry, problem: Problem) -> tuple[Option, int]:
    entry.known_keys(HARDWARE)
    most = dict.fromkeys(("rows", "cols"), MOST_SIDE)
    sizes = {key: entry[key].whole(1, most.get(key, MOST_BITS)) for key in SIZES}
    for key, size in sizes.items():
        offered = getattr(problem.choices, key)
        entry.ledger.holds(f"{entry.where}.{key}", size in offered, size, f"one of {offered}")
    square = not problem.choices.square or sizes["rows"] == sizes["cols"]
    entry.ledger.holds(entry.where, square, f"{sizes['rows']} × {sizes['cols']}", "a square array")
    sram_bits = entry["sram_bits"].whole(1, MOST_SRAM_BITS)
    offered = problem.choices.most_sram(sram_bits) == sram_bits
    entry.ledger.holds(f"{entry.where}.sram_bits", offered, sram_bits, "an SRAM on offer")
    return Option(**sizes, mapping=_check_mapping(entry, problem)), sram_bits


def _check_mapping(entry: Entry, problem: Problem) -> str | None:
    """The mapping of the machine, where that is a choice; without a word it is window."""
    given, machine = entry.get("mapping", ["window"]), problem.choices.machine
    if machine.reconfigurable:
        entry.ledger.same(given.where, given.value, [*machine.mapping])
        return None
    mapping = read_mapping(given)
    if len(mapping) > 1 or mapping[0] not in machine.mapping:
        given.fault(f"one of {', '.join(machine.mapping)}")
    entry.ledger.figures += 1
    return mapping[0] if len(machine.mapping) > 1 else None


def _check_solver(entry: Entry, problem: Problem, proof: Entry) -> None:
    """Every hardware option is accounted for, once."""
    ledger, where = entry.ledger, entry.where
    check_solver(entry, ("seconds",), COUNTS, "method")
    method = entry["method"].text(("search", "whole"))
    counts = {key: entry[key].whole(0) for key in COUNTS}
    ledger.same(f"{where}.considered", counts["considered"], len(problem.choices.options))
    parts = counts["bounded_away"] + counts["solved"] + counts["left_open"]
    expected = "bounded_away + solved + left_open"
    ledger.holds(f"{where}.considered", counts["considered"] == parts, parts, expected)
    closed = counts["left_open"] == 0 or proof["status"].value != "optimal"
    closed = closed or proof["objective"].value == 0  # nothing is below 0
    ledger.holds(f"{where}.left_open", closed, counts["left_open"], "0, as all is proven")
    enough = counts["programmes"] >= counts["solved"] or method == "whole"
    ledger.holds(f"{where}.programmes", enough, counts["programmes"], "one for each solved")
