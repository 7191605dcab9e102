"""Energy beside a measured chip and beside ZigZag: as committed, as told, and equal where it is."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from types import ModuleType

import pandas as pd
import pytest
from seeds import half_long
from sources import ROOT
from study_modules import imported
from told_tables import check_told, rows_of

STUDY = ROOT / "studies" / "energy"
README = (STUDY / "README.md").read_text("utf-8")
LAYERS, TOTALS, ZIGZAG = (
    pd.read_csv(STUDY / "expected" / f"{name}.csv")
    for name in ("eyeriss", "eyeriss_totals", "zigzag")
)
EQUAL = ZIGZAG["cause"] == "equal activity"
needs_zigzag = pytest.mark.skipif(find_spec("zigzag") is None, reason="not installed: zigzag-dse")


@pytest.fixture(scope="module")
def eyeriss() -> Iterator[ModuleType]:
    with imported(STUDY, ("eyeriss",)) as modules:
        yield modules["eyeriss"]


def test_tables_are_the_committed_ones(eyeriss: ModuleType) -> None:
    found = eyeriss.tables()
    pd.testing.assert_frame_equal(found["eyeriss"], LAYERS, rtol=1e-4, check_dtype=False)
    pd.testing.assert_frame_equal(found["eyeriss_totals"], TOTALS, rtol=1e-4, check_dtype=False)


def test_energies_of_layers_add_up_to_the_published_ones() -> None:
    # 278 mW · 115.3 ms = 32.05 mJ; 236 mW · 4309.5 ms = 1017 mJ: powers are printed in whole mW
    assert TOTALS["published_mj"].to_numpy() == pytest.approx([32.05, 1017.0], rel=1e-3)
    assert TOTALS["measured_mj"].to_numpy() == pytest.approx(
        TOTALS["published_mj"].to_numpy(), rel=2e-3
    )


def test_numbers_of_eyeriss_are_those_of_the_shipped_technology(eyeriss: ModuleType) -> None:
    # the polynomials at 1 V: 3.755 − 4.398 + 1.975 = 1.332 over 1.018 − 0.3107 + 0.1539 = 0.8612
    assert pytest.approx(1.332 / 0.8612) == eyeriss.FROM_45_NM
    assert pytest.approx(3.294e-15, rel=1e-3) == eyeriss.MAC_J_PER_BOP
    assert pytest.approx(0.2417e-12, rel=1e-3) == eyeriss.SRAM_J_PER_BIT


def test_readme_tells_the_tables() -> None:
    told = TOTALS.copy()
    check_told(rows_of(README, "network"), told)
    of_zigzag = ZIGZAG.assign(most_apart=ZIGZAG["most_apart"].where(~EQUAL, 0.0))
    check_told(rows_of(README, "mapping"), of_zigzag)
    assert f"{LAYERS['left_mw'].min():.0f} to {LAYERS['left_mw'].max():.0f} mW" in README


def test_equal_activity_is_equal_energy_as_committed() -> None:
    assert (ZIGZAG["most_apart"][EQUAL] < 1e-6).all()
    assert len(ZIGZAG[EQUAL].groupby(["mapping", "component"])) == 3 * 7


@needs_zigzag
@pytest.mark.slow
@pytest.mark.parametrize("mapping", half_long(["window", "im2col", "output"]))
def test_equal_activity_is_equal_energy(mapping: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ZigZag's own
        with imported(STUDY, ("equal_activity", "zigzag_side")) as modules:
            study = modules["equal_activity"]
            study.MAPPINGS, study.SHAPES = (mapping,), {"batch": study.SHAPES["batch"]}
            found = pd.DataFrame([*study.rows()])
    assert found["spills"].any()
    equal = found[found["cause"] == study.EQUAL]
    assert {*equal["component"]} == {*study.COMPONENTS}
    assert len(equal) > len(found) / 2
    assert (equal["apart"] < 1e-6).all()
    others = found[found["cause"] != study.EQUAL]
    assert (others["apart"] > 1e-6).any()
