"""Files are written whole or not at all."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from written_designs import design

from codesign import Design, SpecError
from codesign.files import read_json, write_atomically


def no_space(*_: Any, **__: Any) -> None:
    """What a full disk says."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


FAILING: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "replace": lambda patch: patch.setattr(Path, "replace", no_space),
    "fsync": lambda patch: patch.setattr(os, "fsync", no_space),
    "chmod": lambda patch: patch.setattr(Path, "chmod", no_space),
}


@pytest.mark.parametrize("step", FAILING)
@pytest.mark.parametrize("before", [None, "old"])
def test_a_failure_leaves_what_was_there(
    step: str, before: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "design.json"
    if before is not None:
        path.write_text(before)
    with monkeypatch.context() as patch:
        FAILING[step](patch)
        with pytest.raises(
            SpecError, match=r"design\.json: cannot be written: No space left"
        ) as hit:
            design("plain").save(path)
    assert len(str(hit.value).splitlines()) == 1
    assert [p.name for p in tmp_path.iterdir()] == ([] if before is None else ["design.json"])
    assert before is None or path.read_text() == before


def test_a_full_disk(tmp_path: Path) -> None:
    # Above a limit of file size writes fail for real, in the middle of the file.
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(SpecError, match="cannot be written"):
            write_atomically(tmp_path / "big.json", "x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_an_interruption_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", interrupt)
        with pytest.raises(KeyboardInterrupt):
            design("plain").save(tmp_path / "design.json")
    assert list(tmp_path.iterdir()) == []


def test_an_old_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "design.json"
    path.write_text("old")
    design("plain").save(path)
    assert Design.load(path).metrics == design("plain").metrics
    assert [p.name for p in tmp_path.iterdir()] == ["design.json"]


def test_the_mode_is_that_of_any_new_file(tmp_path: Path) -> None:
    path, plain = tmp_path / "design.json", tmp_path / "plain"
    design("plain").save(path)
    plain.touch()
    assert path.stat().st_mode == plain.stat().st_mode


def test_a_folder_is_not_written_to(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="cannot be written: ") as hit:
        design("plain").save(tmp_path)
    assert str(tmp_path) in str(hit.value)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="cannot be written: ") as hit:
        design("plain").save(tmp_path / "absent" / "design.json")
    assert len(str(hit.value).splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "twice.json"
    path.write_text('{"metrics": {"noise": 1, "area_mm2": 2, "noise": 3}}')
    with pytest.raises(SpecError, match=r"twice\.json: not JSON: key 'noise' stands twice"):
        read_json(path)
