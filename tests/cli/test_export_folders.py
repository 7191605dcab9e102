"""Folders that exports write: the same again, or nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import run
from machine_questions import two_layers

import codesign
from codesign.cli.export_commands import export

TO_A_FILE = {"finn"}
FOLDERS = sorted({*export.commands} - TO_A_FILE)


@pytest.fixture(scope="module")
def design(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("design") / "design.json"
    codesign.solve(two_layers()).save(path)
    return path


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_holds_one_export(
    name: str, design: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "out"
    words = ("export", name, str(design), "--out", str(out))
    assert run(capsys, *words)[0] == 0
    written = {path.name: path.read_bytes() for path in out.iterdir()}
    assert written
    assert run(capsys, *words)[0] == 0
    assert {path.name: path.read_bytes() for path in out.iterdir()} == written
    (out / "older.csv").write_text("of an earlier export")
    for path in out.iterdir():
        path.write_bytes(b"")
    code, _, err = run(capsys, *words)
    assert (code, err.count("\n")) == (2, 1)
    assert "holds older.csv, which is not written now" in err
    assert not any(path.read_bytes() for path in out.iterdir())
