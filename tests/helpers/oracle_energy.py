"""Energy of a design from the model's page, in plain Python, for `compare_designs`.

What DRAM moves is taken from the design, whose traffic is held to the oracle beside; all that the
SRAM does is counted here, loop by loop.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from oracle import HardwareOption, engine_at
from oracle_bands import Places, in_step, inside, row_elements
from oracle_machine import ceil_div, computed_macs, in_turn, phases, sum_turns
from oracle_tilings import reduction_bits, rows_in

from codesign.problem.problem import Problem
from codesign.results.design import Design
from codesign.specs.network import Layer


def energy_j(design: Design, places: Places) -> float | None:
    """Energy of a whole batch; None where the technology or the memory does not tell it."""
    problem = design.problem
    given, per_bit = problem.technology.energy, problem.dram_energy_j_per_bit
    if given is None or per_bit is None:
        return None
    total = 0.0
    for i, row in enumerate(design.layer_designs):
        read, written = _sram_bits(design, places, i)
        total += (given.j_per_bop or 0) * _bops(design, i)
        total += (given.j_per_mac or 0) * _macs(problem, problem.network.layers[i])
        total += given.sram_read_j_per_bit * read + given.sram_write_j_per_bit * written
        total += per_bit * row.dram_bits.total
    static_w = (given.static_w or 0) + (given.static_w_per_mm2 or 0) * design.metrics["area_mm2"]
    return total + static_w * design.metrics["latency_s"]


def _macs(problem: Problem, layer: Layer) -> int:
    """Those that are computed."""
    return 0 if layer.moves else computed_macs(layer, problem.choices.zero_skipping)


def _bops(design: Design, i: int) -> float:
    layer, row = design.problem.network.layers[i], design.layer_designs[i]
    if layer.moves:
        return 0.0
    bw, ba = row.weight_bits, design.tensor_bits[layer.input]
    return _macs(design.problem, layer) * (
        bw * ba + bw + ba + math.log2(layer.C * layer.R * layer.S)
    )


def _sram_bits(design: Design, places: Places, i: int) -> tuple[float, float]:
    """Bits that a layer reads from and writes to the SRAM."""
    network, row = design.problem.network, design.layer_designs[i]
    layer, moved = network.layers[i], design.layer_designs[i].dram_bits
    bits = {name: _elements(design, layer, name) * n for name, n in design.tensor_bits.items()}
    run = next((run for run in places.runs if i in run), None)
    held = {*places.on_chip}
    if run is not None:
        head = network.layers[run[0]]
        whole = head.input not in head.parts and head.input not in layer.parts
        in_rows = whole and in_step(network, run[0], i)
        held |= {*inside(network, run), *([head.input] if in_rows else [])}
    added = sum(bits[name] for name in layer.residuals if name in held)
    if layer.moves:
        stays_in, stays_out = layer.input in held, layer.output in held
        size = layer.N * layer.G * layer.C * layer.H * layer.W * design.tensor_bits[layer.input]
        return added + size * stays_in, bits[layer.output] * stays_out
    bw, ba = row.weight_bits, design.tensor_bits[layer.input]
    mapping = row.mapping or design.hardware.mapping[0]
    k_turns = ceil_div(layer.K, design.hardware.cols)
    of_pixel = layer.N * layer.G * layer.K * (bw + ba + reduction_bits(layer))
    outputs = of_pixel * layer.P * layer.Q
    weights = layer.G * layer.K * layer.C * layer.R * layer.S * bw
    rows = layer.N * layer.P
    each = _phase_turns(design, layer, mapping, (bw, ba))
    summed = of_pixel * sum(pixels * sums for pixels, sums, _, _ in each)
    if run is not None:
        in_row = ceil_div(layer.Q, design.hardware.rows) if mapping == "output" else 1
        weights_read = rows * weights * in_row
        ifmap_read = rows * rows_in(layer, 1) * row_elements(layer) * ba * k_turns
    else:
        weights_read = weights if layer.weight_tensor in places.on_chip else moved.weights
        if mapping == "output":
            used = sum(window * turns for _, _, window, turns in each)
            weights_read = layer.G * layer.K * layer.C * used * bw
        ifmap_read = layer.N * layer.H * row_elements(layer) * ba * k_turns
    read = weights_read + ifmap_read + summed - outputs + moved.psum / 2 + moved.output
    written = moved.weights + moved.ifmap + summed + moved.psum / 2
    return read + added, written


def _phase_turns(
    design: Design, layer: Layer, mapping: str, bits: tuple[int, int]
) -> list[tuple[int, int, int, int]]:
    """Of each phase of outputs: pixels, how often a sum goes to SRAM, window, and pixel turns."""
    problem, hardware = design.problem, design.hardware
    option = (hardware.rows, hardware.cols, hardware.pe_weight_bits, hardware.pe_activation_bits)
    engine = engine_at(problem, HardwareOption(*option), *bits)
    skips = problem.choices.zero_skipping
    down, across = in_turn(layer) if skips else (1, 1)
    largest = ceil_div(layer.P, down) * ceil_div(layer.Q, across)
    pixel_turns = layer.N * ceil_div(largest, hardware.rows)
    found = []
    for p, q, window in phases(layer, skips):
        sums = 1
        if mapping != "output":
            sums = sum_turns(layer, window, hardware.rows, engine, mapping)
        found.append((p * q, sums, window, pixel_turns))
    return found


def _elements(design: Design, layer: Layer, name: str) -> int:
    parts: Mapping[str, int] = layer.parts
    return parts.get(name, design.problem.network.tensors[name])
