"""``codesign evaluate --tiling``: tiles that are given, from files that results are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import EYERISS, refused, run

from codesign import Evaluation


def test_tiles_of_a_result_give_its_figures(
    capsys: pytest.CaptureFixture[str], tiny: str, tmp_path: Path
) -> None:
    best = tmp_path / "best.json"
    assert run(capsys, "evaluate", tiny, *EYERISS, "--on-chip", "none", "--out", str(best))[0] == 0
    Evaluation.load(best).layers.to_csv(tmp_path / "best.csv")
    for name in ("best.json", "best.csv"):
        given = "--on-chip", "none", "--tiling", str(tmp_path / name)
        code, out, err = run(capsys, "evaluate", tiny, *EYERISS, *given, "--json")
        assert (code, err) == (0, "")
        found = Evaluation.from_dict(json.loads(out), "stdout")
        assert found.layer_designs == Evaluation.load(best).layer_designs
        assert found.given_tiles == ("conv1", "fc")
    code, out, err = run(capsys, "evaluate", tiny, *EYERISS, *given)
    assert "\nnote: tiles and orders are given, not chosen, of all layers\n" in out


def test_the_file_of_tiles_is_not_written_over(
    capsys: pytest.CaptureFixture[str], tiny: str, tmp_path: Path
) -> None:
    best = tmp_path / "best.json"
    run(capsys, "evaluate", tiny, *EYERISS, "--out", str(best))
    told = refused(
        capsys, "evaluate", tiny, *EYERISS, "--tiling", str(best), "--out", str(best)
    )  # fmt: skip
    assert "given twice, for two different files" in told


def test_what_is_no_tiling_is_one_line(
    capsys: pytest.CaptureFixture[str], tiny: str, tmp_path: Path
) -> None:
    path = tmp_path / "tiles.csv"
    given = "evaluate", tiny, *EYERISS, "--tiling", str(path)
    assert "cannot be read" in refused(capsys, *given)
    path.write_text("layer,order\nconv1,kcp\n")
    assert f"{path}: line 1: column 'tile_g' is missing" in refused(capsys, *given)
    headings = "layer,tile_g,tile_k,tile_c,tile_p,tile_images,order\n"
    for lines, told in (
        (headings, f"{path}: no layer has a tile"),
        (
            headings + f"conv1,1,{10**12},1,1,1,kcp\n",
            "tile_k must be a whole number from 1 to 10^9",
        ),
    ):
        path.write_text(lines)
        assert told in refused(capsys, *given)
    told = refused(capsys, *given, "--roofline", "ideal")
    assert "the ideal roofline has no tiles" in told
