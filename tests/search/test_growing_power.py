"""Power that grows with the SRAM: what its rows in the MILP take for granted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from random_energy import drawn

from codesign import Design, solve
from codesign.search import least_over_srams
from codesign.search.hardware_search import HardwareSearch
from codesign.space.energy import StaticGrowth

POWERED = 5  # problems


@pytest.mark.slow
def test_planes_of_growing_power_hold_for_the_optimum(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows (36) and (37) are of ranges of SRAM and of latency that the best design is within."""
    monkeypatch.setattr(least_over_srams, "MOST_HALVINGS", 0)
    given, seen = HardwareSearch._growth, []

    def growth(search: HardwareSearch, option: int, *asked: Any) -> StaticGrowth:
        made = given(search, option, *asked)
        seen.append((search, option, made))
        return made

    monkeypatch.setattr(HardwareSearch, "_growth", growth)
    found = 0
    for seed in range(200, 200 + 3 * POWERED):
        seen.clear()
        problem, points = drawn(seed, "none")
        if not points:
            continue
        energies = problem.technology.energy
        assert energies is not None
        energies = replace(energies, static_w=None, static_w_per_mm2=10.0 ** (seed % 4 - 3))
        technology = replace(problem.technology, energy=energies)
        noises = sorted({point.metrics["noise"] for point in points})
        budgets = {"noise": noises[len(noises) // 3]} if noises[-1] > 0 else {}
        asked_for = {"objective": "energy_j", "budgets": budgets}
        design = solve(replace(problem, technology=technology, **asked_for), ties="leave")
        latency_s, bits = design.metrics["latency_s"], design.hardware.sram_bits
        for search, option, made in seen:
            (low, high), (least_s, most_s) = made.sram_bits, made.latency_s["energy_j"]
            if low <= bits <= high and _on(search, option) == _hardware(design):
                assert least_s <= latency_s * (1 + 1e-9)
                assert latency_s <= most_s * (1 + 1e-9)
                found += 1
    assert found >= POWERED // 4


def _on(search: HardwareSearch, option: int) -> tuple[int, ...]:
    space = search.space
    columns = space.rows, space.cols, space.pe_weight_bits, space.pe_activation_bits
    return tuple(int(x[option]) for x in columns)


def _hardware(design: Design) -> tuple[int, ...]:
    built = design.hardware
    return built.rows, built.cols, built.pe_weight_bits, built.pe_activation_bits
