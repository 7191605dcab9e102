"""Answers held to plain enumeration: optimum, figures and proof, or why there is no design."""

from __future__ import annotations

from dataclasses import asdict
from typing import Literal

import oracle
import oracle_bands
import oracle_energy
import oracle_on_chip
import oracle_tilings
import oracle_widths
import pytest
from compare_fused import check_run
from random_problems import Case

from codesign import solve
from codesign.costs.layers import LayerDesign, Traffic
from codesign.errors import Clash, InfeasibleError
from codesign.problem.problem import Problem
from codesign.results.design import Design
from codesign.specs.accelerator import Hardware
from codesign.specs.network import Layer

EXACT = 1e-9


def compare(case: Case, method: Literal["search", "whole"] = "search") -> None:
    """Solve the problem and hold the answer to the enumerated designs."""
    problem, points = case
    truth = oracle.best(points, problem.objective, problem.budgets)
    if truth is None:
        with pytest.raises(InfeasibleError) as caught:
            solve(problem, method=method)
        check_explanation(case, caught.value)
        return
    design = solve(problem, method=method)
    for metric in (problem.objective, "area_mm2", "noise"):
        assert design.metrics[metric] == close(truth.value(metric)), f"{metric}; truth: {truth}"
    for metric, limit in problem.budgets.items():
        assert design.metrics[metric] <= limit * (1 + EXACT), f"budget on {metric} exceeded"
    check_proof(design)
    check_choices(design)
    check_figures(design)


def close(value: float) -> object:
    """Equal within the tolerance of budgets and ties."""
    return pytest.approx(value, rel=EXACT, abs=0)


def check_proof(design: Design) -> None:
    """Proven, and the bound is one."""
    proof = design.proof
    value = design.metrics[design.problem.objective]
    assert proof.status == "optimal"
    assert proof.objective == value
    assert proof.bound <= value * (1 + EXACT)
    assert 0 <= proof.gap <= 1e-6
    assert proof.gap * value >= (value - proof.bound) * (1 - 1e-3) - 1e-12 * value


def check_choices(design: Design) -> None:
    """Hardware and widths are from the declared space."""
    problem = design.problem
    assert hardware_of(design) in oracle.hardware_options(problem)
    widths = widths_of(design)
    for source, bits in widths.items():
        assert bits in oracle_widths.source_widths(problem.choices, source)
    for sources in oracle_widths.alike(problem.network, problem.choices):
        assert len({widths[source] for source in sources}) == 1
    for name in oracle_widths.results(problem.network):
        assert design.tensor_bits[name] == problem.choices.output_bits
    assert set(design.tensor_bits) == set(problem.network.tensors)
    check_places(design)


def check_places(design: Design) -> None:
    """Every tensor has a place where tensors may stay, one that it may have."""
    problem = design.problem
    if problem.choices.on_chip == "none":
        assert design.on_chip is None
        return
    assert design.on_chip is not None
    assert set(design.on_chip) == set(problem.network.tensors)
    assert set(design.on_chip.values()) <= {"chip", "dram", "band"}
    assert places_of(design)


def places_of(design: Design) -> oracle_bands.Places:
    """The places of all tensors and the fused runs, of those that there are."""
    given = design.on_chip or {}
    bands = frozenset(name for name, place in given.items() if place == "band")
    residents = residents_of(design)
    (found,) = (
        places
        for places in oracle_bands.all_places(design.problem)
        if places.on_chip == residents and places.bands == bands
    )
    return found


def residents_of(design: Design) -> oracle_on_chip.Residents:
    """The tensors that stay on chip."""
    places = design.on_chip or {}
    return frozenset(name for name, place in places.items() if place == "chip")


def hardware_of(design: Design) -> oracle.HardwareOption:
    """The hardware of a design in the oracle's words."""
    return option_built(design.hardware)


def option_built(built: Hardware) -> oracle.HardwareOption:
    """Hardware in the oracle's words."""
    return oracle.HardwareOption(
        built.rows, built.cols, built.pe_weight_bits, built.pe_activation_bits, built.mapping
    )


def widths_of(design: Design) -> dict[str, int]:
    """Widths of everything that adds noise."""
    network = design.problem.network
    rows = zip(network.layers, design.layer_designs, strict=True)
    weights = {
        f"weight:{layer.name}": row.weight_bits
        for layer, row in rows
        if oracle_widths.has_weights(layer)
    }
    tensors = {f"tensor:{name}": bits for name, bits in design.tensor_bits.items()}
    return {name: (weights | tensors)[name] for name in oracle_widths.noise_sources(network)}


def check_figures(design: Design) -> None:
    """Every figure follows from the hardware, the widths and the tilings."""
    problem, hardware, widths = design.problem, hardware_of(design), widths_of(design)
    rows, (on_chip, _, runs) = design.layer_designs, places_of(design)
    for i, (layer, row) in enumerate(zip(problem.network.layers, rows, strict=True)):
        if not any(i in run for run in runs):
            check_layer(problem, hardware, widths, layer, row, on_chip)
    for run in runs:
        fused = rows[run.start : run.stop]
        check_run(problem, hardware, widths, run, fused, on_chip)
    live = oracle_on_chip.live_bits(problem, widths, on_chip, runs)
    assert [row.resident_bits for row in rows] == live
    noise, model_bits, bops = oracle.width_metrics(problem, widths)
    need = max(row.sram_bits + row.resident_bits for row in rows)
    sram_bits = min(oracle.on_offer(problem, {need}, need))
    assert design.hardware.sram_bits == sram_bits
    energy_j = oracle_energy.energy_j(design, places_of(design))
    assert dict(design.metrics) == {
        **({} if energy_j is None else {"energy_j": close(energy_j)}),
        "latency_s": close(sum(row.latency_s for row in rows)),
        "area_mm2": close(oracle.area_mm2(problem, hardware, sram_bits)),
        "dram_bits": close(sum(row.dram_bits.total for row in rows)),
        "noise": close(noise),
        "model_bits": close(model_bits),
        "bops": close(bops),
    }


def check_layer(
    problem: Problem,
    hardware: oracle.HardwareOption,
    widths: dict[str, int],
    layer: Layer,
    row: LayerDesign,
    on_chip: oracle_on_chip.Residents = frozenset(),
) -> None:
    """One layer's tile is legal, and its need, traffic, cycles and times are the tile's."""
    bw, ba = oracle_widths.layer_widths(layer, widths)
    if layer.moves:
        check_movement(problem, hardware, layer, row, widths, on_chip)
        return
    mapping = check_mapping(problem, hardware, row)
    array = hardware.rows, hardware.cols, oracle.engine_at(problem, hardware, bw, ba), mapping
    tile = oracle_tilings.Tile(**asdict(row.tile))
    assert row.name == layer.name
    assert row.weight_bits == bw
    assert tile in oracle_tilings.legal_tiles(layer, *array, problem.choices.zero_skipping)
    cost = oracle_tilings.tiling_cost(layer, tile, row.order)
    bacc = bw + ba + oracle_tilings.reduction_bits(layer)
    fetched_bw = 0 if layer.weight_tensor in on_chip else bw
    fetched_ba = 0 if layer.input in on_chip else ba
    bits, buffers = (fetched_bw, fetched_ba, bacc), problem.choices.buffers
    assert oracle_tilings.in_buffers(cost, bits, buffers)
    output, residual = oracle.output_and_residual_bits(problem, layer, widths, on_chip)
    moved = row.dram_bits
    assert row.sram_bits == oracle_tilings.shared_bits(cost, bits, buffers)
    assert moved.weights == cost.moved_weights * fetched_bw
    assert moved.ifmap == cost.moved_ifmap * fetched_ba
    assert moved.psum == cost.moved_psum * bacc
    assert (moved.output, moved.residual) == (output, residual)
    assert row.cycles == oracle.layer_cycles(problem, layer, hardware, bw, ba, mapping)
    assert row.compute_s == close(row.cycles / problem.clock_hz)
    assert row.memory_s == close(moved.total / problem.dram_bits_per_s)
    assert row.latency_s == close(oracle.latency_of(problem, row.compute_s, moved.total))
    assert row.bound_by == ("compute" if row.compute_s >= row.memory_s else "memory")


def check_mapping(problem: Problem, hardware: oracle.HardwareOption, row: LayerDesign) -> str:
    """The mapping of a layer that multiplies: the machine's, or one of its own."""
    if problem.choices.reconfigurable:
        assert row.mapping in hardware.mapping
        return str(row.mapping)
    assert row.mapping is None
    return hardware.mapping[0]


def check_movement(
    problem: Problem,
    hardware: oracle.HardwareOption,
    layer: Layer,
    row: LayerDesign,
    widths: dict[str, int],
    on_chip: oracle_on_chip.Residents,
) -> None:
    """A layer that only moves data takes the DRAM's time for what it reads and writes there.

    Where tensors may stay on chip it takes cycles too.
    """
    bw, ba = oracle_widths.layer_widths(layer, widths)
    output, residual = oracle.output_and_residual_bits(problem, layer, widths, on_chip)
    stays = layer.input in on_chip
    [(_, read)] = oracle_tilings.best_tilings(layer, (), bw, ba, ifmap_stays=stays)
    assert (row.name, row.weight_bits, row.tile, row.order) == (layer.name, None, None, None)
    assert row.mapping is None
    assert (row.cycles, row.sram_bits) == (
        oracle.layer_cycles(problem, layer, hardware, bw, ba),
        0,
    )
    assert row.dram_bits == Traffic(weights=0, ifmap=read, output=output, psum=0, residual=residual)
    assert row.compute_s == close(row.cycles / problem.clock_hz)
    assert row.memory_s == close((read + output + residual) / problem.dram_bits_per_s)
    dram_bits = read + output + residual
    assert row.latency_s == close(oracle.latency_of(problem, row.compute_s, dram_bits))
    assert row.bound_by == ("compute" if row.compute_s >= row.memory_s else "memory")


def check_explanation(case: Case, error: InfeasibleError) -> None:
    """The budgets named clash, none of them in vain, and the values that would work do."""
    problem, points = case
    assert bool(error.clashing) == bool(points), "budgets clash exactly when some design exists"
    budgets = dict(problem.budgets)
    for clashing in (error.clashing, *error.further) if points else ():
        check_clash(clashing, budgets, problem, points)
        budgets = {name: limit for name, limit in budgets.items() if name not in clashing}
    assert not points or oracle.within(points, budgets), "what is left can be kept"


def check_clash(
    clashing: Clash, budgets: dict[str, float], problem: Problem, points: list[oracle.Point]
) -> None:
    """A set of these budgets that cannot be kept, none of it in vain, and what would do."""
    limits = {metric: limit for metric, (limit, _, _) in clashing.items()}
    assert limits == {metric: budgets[metric] for metric in clashing}
    assert not oracle.within(points, limits)
    for metric, (_, alone, needed) in clashing.items():
        rest = {name: limit for name, limit in limits.items() if name != metric}
        assert not points or oracle.within(points, rest), f"{metric} is named in vain"
        assert alone == close(oracle.least(points, metric, {}))
        others = {name: limit for name, limit in budgets.items() if name != metric}
        truth = oracle.least(points, metric, others)
        assert needed is None if truth is None else needed == close(truth)
