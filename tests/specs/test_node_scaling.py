"""Technologies on other nodes: the published factors, and what is scaled by them."""

from __future__ import annotations

import dataclasses
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest

from codesign import SpecError, load_technology
from codesign.costs.area import pe_area_um2, sram_area_um2
from codesign.specs.load import shipped
from codesign.specs.node_scaling import AREA_FACTORS, NODES_NM, node_factors
from codesign.specs.technology import Technology
from codesign.specs.write_technology import to_toml

EVERY = [load_technology(name) for name in shipped("technologies")]
SILICON = [x.name for x in EVERY if isinstance(x, Technology)]


def test_factors_between_published_nodes_are_the_published_ones() -> None:
    assert node_factors(65, 45).area == pytest.approx(0.66, rel=1e-12)
    assert node_factors(180, 7).area == pytest.approx(0.0032, rel=1e-12)
    # 32 nm at 0.9 V, as the corrigendum of the paper has it: 0.8367·0.81 − 0.4341·0.9 + 0.1701 =
    # 0.4571; 65 nm at 1.1 V: 3.755·1.21 − 4.398·1.1 + 1.975 = 1.68075.
    assert node_factors(65, 32).energy == pytest.approx(0.457137 / 1.68075, rel=1e-5)
    # 16 nm at 0.85 V: 24.8·0.7225 − 47.52·0.85 + 28.87 = 6.396; 20 nm at 0.9 V: 34.63·0.81 −
    # 66.37·0.9 + 41.15 = 9.4673.
    assert node_factors(20, 16).delay == pytest.approx(6.396 / 9.4673, rel=1e-6)


def test_a_node_in_between_lies_on_a_power_law() -> None:
    # ln(28/20)/ln(32/20) = 0.7159 of 32 nm: 0.41^0.7159 · 0.89^0.2841 = 0.5110
    assert node_factors(28, 16).area == pytest.approx(0.5110, rel=1e-4)
    halfway = (16 * 20) ** 0.5
    both = node_factors(32, 16).area * node_factors(32, 20).area
    assert node_factors(32, halfway).area ** 2 == pytest.approx(both, rel=1e-12)


def test_smaller_nodes_are_smaller_quicker_and_take_less_energy() -> None:
    for low, high in pairwise(NODES_NM):
        factors = node_factors(high, low)
        assert 0.2 < factors.area < 1
        assert 0.2 < factors.energy < 1
        assert 0.2 < factors.delay < 1 or (high, low) == (32, 20)  # from planar to multi-gate
    for node in (*NODES_NM, 12, 28):
        assert node_factors(node, node).energy == node_factors(node, node).delay == 1


def test_there_and_back_is_the_same_within_two_digits() -> None:
    table = np.array(AREA_FACTORS)
    assert table.shape == (len(NODES_NM),) * 2
    assert np.abs(table * table.T - 1).max() < 0.07
    for one, other in product(range(len(NODES_NM)), repeat=2):
        through = table[one, 5] * table[5, other]
        assert through == pytest.approx(table[one, other], rel=0.09)


@pytest.mark.parametrize("name", SILICON)
def test_every_area_of_a_scaled_technology_is_the_factor_times_its_own(name: str) -> None:
    own = load_technology(name)
    made = own.scaled(16)
    factor = node_factors(28, 16).area
    widths = np.array([2, 4, 8, 16])
    assert pe_area_um2(made, widths, widths[:, None]) == pytest.approx(
        factor * pe_area_um2(own, widths, widths[:, None])
    )
    for kind in own.sram_fits:
        areas = (sram_area_um2(x.with_sram(kind), [1e4, 1e7]) for x in (made, own))
        scaled, before = areas
        assert scaled == pytest.approx(factor * before)
    assert made.engine == own.engine
    assert made.pe_area_um2.calibrated == own.pe_area_um2.calibrated
    assert not made.pe_measured
    assert made.name == f"{name}-scaled-16nm"
    (note,) = made.scaling_note
    assert "× 0.511, scaled to 16 nm (Stillmaker & Baas 2017" in note
    assert not own.scaling_note


def test_energies_of_operations_are_scaled_and_static_power_is_left_out() -> None:
    own = load_technology("tsmc28")
    made, factor = own.scaled(16), node_factors(28, 16).energy
    before, after = own.energy, made.energy
    assert before is not None
    assert after is not None
    assert before.j_per_bop is not None
    assert after.j_per_bop == factor * before.j_per_bop
    assert before.sram_read_j_per_bit is not None
    assert after.sram_read_j_per_bit == factor * before.sram_read_j_per_bit
    assert after.bank_bits == before.bank_bits
    assert (after.static_w, after.static_w_per_mm2) == (None, None)
    assert "scaled from 28 nm" in after.source
    assert made.scaling_note[0].endswith("; its energies × 0.383")


@pytest.mark.parametrize("node_nm", [7, 12.5, 16, 28.5, 45, 180])
def test_a_scaled_technology_is_read_back_as_written(tmp_path: Path, node_nm: float) -> None:
    for name in SILICON:
        made = load_technology(name).scaled(node_nm, "a name")
        path = tmp_path / f"{name}.toml"
        path.write_text(to_toml(made, made.scaling_note), encoding="utf-8")
        assert load_technology(path) == made


def without_node(technology: Technology) -> Technology:
    return dataclasses.replace(technology, node_nm=None)


@pytest.mark.parametrize(
    ("technology", "node_nm", "fault"),
    [
        (
            load_technology("tsmc28"),
            5,
            "no factors for 5 nm: they are published for nodes of 7, 10",
        ),
        (load_technology("tsmc28"), 250, "no factors for 250 nm"),
        (load_technology("tsmc28"), 28, "is one of 28 nm already"),
        (without_node(load_technology("tsmc28")), 16, "its node is not known; give its file a nod"),
        (load_technology("tsmc28").scaled(16), 7, "is scaled from 'tsmc28' already: scale that"),
    ],
)
def test_refusals(technology: Technology, node_nm: float, fault: str) -> None:
    with pytest.raises(SpecError, match=fault):
        technology.scaled(node_nm)
