"""Optima with tensors on chip: what is committed is proven and in order, and told as it is."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

import pandas as pd
import pytest
from sources import ROOT
from study_modules import imported

STUDY = ROOT / "studies" / "on_chip"
README = (STUDY / "README.md").read_text("utf-8")
TABLES = ("optimum", "shift", "heuristic", "lost", "growth")
EXPECTED = {name: pd.read_csv(STUDY / "expected" / f"{name}.csv") for name in TABLES}
KEYS = ["network", "technology", "gbit_per_s", "area_mm2"]
SOLVED = ("resnet18", "tsmc28-nvdla", 25.6, 4.0)
DIGITS = 1e-4  # of the committed tables, relative


@pytest.fixture(scope="module")
def study() -> Iterator[dict[str, ModuleType]]:
    """The modules of the study."""
    with imported(STUDY, ("problems", "greedy", "optimum", "growth")) as modules:
        yield modules


def test_every_case_is_there_and_proven(study: dict[str, ModuleType]) -> None:
    cases = [tuple(case) for case in study["problems"].cases()]
    optimum = EXPECTED["optimum"]
    for on_chip in ("none", "tensors"):
        found = optimum[optimum["on_chip"] == on_chip]
        assert list(found[KEYS].itertuples(index=False, name=None)) == cases
    assert len(optimum) == 2 * len(cases) == 96
    assert set(optimum["status"]) == {"optimal"}
    assert (optimum["used_mm2"] <= optimum["area_mm2"] * (1 + DIGITS)).all()


@pytest.mark.parametrize(
    ("better", "order"),
    [
        ("on_chip", ["none", "tensors"]),
        ("area_mm2", [2.0, 4.0, 8.0, 16.0]),
        ("gbit_per_s", [25.6, 153.6]),
        ("technology", ["tsmc28", "tsmc28-nvdla"]),
    ],
)
def test_more_of_anything_is_never_slower(better: str, order: list[object]) -> None:
    rest = [name for name in (*KEYS, "on_chip") if name != better]
    latency_ms = EXPECTED["optimum"].pivot(index=rest, columns=better, values="latency_ms")[order]
    steps = latency_ms.diff(axis="columns").iloc[:, 1:].div(latency_ms.iloc[:, -1], axis="index")
    assert (steps <= DIGITS).all(axis=None)


def test_no_heuristic_beats_a_proof() -> None:
    ratios = EXPECTED["heuristic"].filter(like="_ratio")
    assert (ratios >= 1 - DIGITS).all(axis=None)
    assert (ratios["same_hardware_ratio"] <= ratios["none_ratio"] * (1 + DIGITS)).all()
    assert (ratios["its_optimum_ratio"] <= ratios["same_hardware_ratio"] * (1 + DIGITS)).all()
    ours = ratios.drop(columns=["none_ratio", "its_optimum_ratio", "best_ratio"]).min(
        axis="columns"
    )
    assert ratios["best_ratio"].to_numpy() == pytest.approx(ours, rel=DIGITS)


@pytest.mark.slow
def test_a_case_is_solved_anew(study: dict[str, ModuleType]) -> None:
    case = study["problems"].Case(*SOLVED)
    found = pd.DataFrame([study["optimum"].row(case, on) for on in ("none", "tensors")])
    expected = EXPECTED["optimum"].merge(found[KEYS].drop_duplicates())
    same = ["latency_ms", "status", "used_mm2"]  # the rest may differ between equals
    pd.testing.assert_frame_equal(found[same], expected[same], rtol=DIGITS)
    shift = study["optimum"].shift(expected).merge(EXPECTED["shift"][KEYS])
    pd.testing.assert_frame_equal(shift, EXPECTED["shift"].merge(shift[KEYS]), rtol=DIGITS)


@pytest.mark.slow
def test_heuristics_are_compared_anew(study: dict[str, ModuleType]) -> None:
    case = study["problems"].Case(*SOLVED)
    heuristic = EXPECTED["heuristic"].merge(pd.DataFrame([case]))
    compared = pd.DataFrame([study["growth"].compare(case)])
    same = ["proven_ms", "none_ratio", "one_width_ratio"]  # the rest starts from one of equals
    pd.testing.assert_frame_equal(compared[same], heuristic[same], rtol=DIGITS)
    assert (compared.filter(like="_ratio") >= 1 - DIGITS).all(axis=None)


def test_lost_is_that_of_the_heuristics(study: dict[str, ModuleType]) -> None:
    lost = study["growth"].lost(EXPECTED["heuristic"])
    pd.testing.assert_frame_equal(lost, EXPECTED["lost"], rtol=DIGITS)


@pytest.mark.parametrize("part", ["optimum", "growth"])
def test_readme_tells_the_tables(part: str, study: dict[str, ModuleType]) -> None:
    for table in study[part].told(EXPECTED).split("\n\n"):
        assert table in README


def test_readme_counts_what_heuristics_lose() -> None:
    heuristic = EXPECTED["heuristic"]
    chosen = heuristic["same_hardware_ratio"] / heuristic["its_optimum_ratio"]
    best = heuristic["best_ratio"]
    text = " ".join(README.split())
    assert f"best in {(chosen < 1 + 5e-4).sum()} of 48 problems" in text
    assert f"at most {100 * (chosen.max() - 1):.1f} % slower" in text
    assert f"up to {heuristic['same_hardware_ratio'].max():.1f} times the latency" in text
    assert f"a median of {100 * (heuristic['every_array_ratio'].median() - 1):.1f} %" in text
    assert f"more than 1 % in {(best > 1.01).sum()} of 48" in text
    assert f"more than 5 % in {(best > 1.05).sum()}, and {100 * (best.max() - 1):.1f} %" in text
