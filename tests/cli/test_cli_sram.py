"""Options and keys for SRAM capacities: what reaches the problem, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import BUDGET, SMALL, run

from codesign import Design, SpecError, Study


@pytest.mark.parametrize(
    ("arguments", "sram_kbit"),
    [
        (("--sram-kbit", "20"), {20}),
        (("--sram-kbit", "40,6,20.5"), {6, 20.5, 40}),
        (("--min-sram-kbit", "30"), {30}),
        (("--max-sram-kbit", "5.5"), None),
        ((), None),
    ],
)
def test_options(
    arguments: tuple[str, ...],
    sram_kbit: set[float] | None,
    tiny: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "design.json"
    asked = ("solve", tiny, *SMALL, "--max-area-mm2", "0.2", *arguments, "--quiet")
    assert run(capsys, *asked, "--out", str(path))[0] == 0
    kbit = Design.load(path).hardware.sram_bits / 1000
    assert kbit in sram_kbit if sram_kbit else kbit < 30
    assert run(capsys, "check", str(path))[0] == 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--sram-kbit", "0.1"), 3, "the SRAM on offer ends at 0.1 kbit, and the smallest tiles"),
        (
            ("--max-sram-kbit", "0.1"),
            3,
            "the SRAM on offer ends at 0.1 kbit, and the smallest tiles",
        ),
        (("--sram-kbit", "90000"), 3, "with an SRAM of any size some design keeps all budgets"),
        (("--sram-kbit", "5", "--max-sram-kbit", "9"), 2, "--sram-kbit and --max-sram-kbit contr"),
        (("--min-sram-kbit", "9", "--max-sram-kbit", "5"), 2, "min_sram_bits 9000 is above max"),
        (("--sram-kbit", "5,,6"), 2, "'' is not a number"),
        (("--max-sram-kbit", "0"), 2, "'0' is not a positive number"),
    ],
)
def test_refusals(
    arguments: tuple[str, ...],
    code: int,
    message: str,
    tiny: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found, out, err = run(capsys, "solve", tiny, *SMALL, *BUDGET, *arguments)
    assert (found, out, err.count("\n")) == (code, "", 1)
    assert message in err


def test_words_of_a_study(tmp_path: Path, tiny: str) -> None:
    grid = {"rows": "1,2", "cols": "1,2", "bits": "4,8", "max_area_mm2": 0.3}
    study = Study.grid(networks=[tiny], sram_kbit=["20", [30, 50]], **grid)
    study.run(tmp_path / "results.sqlite")
    found = study.results(tmp_path / "results.sqlite")
    assert found["sram_kbit"].tolist() == ["20.0", "30.0,50.0"]
    assert found["sram_bits"].tolist() == [20_000, 30_000]
    with pytest.raises(SpecError, match="sram_kbit and min_sram_kbit contradict each other"):
        Study.grid(networks=[tiny], sram_kbit="20", min_sram_kbit=10)
    Study.grid(networks=[tiny], min_sram_kbit=[10, 20], max_sram_kbit=30)
