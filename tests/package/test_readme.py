"""The README's examples are run as they stand."""

from __future__ import annotations

import re
import shlex
from itertools import takewhile
from pathlib import Path

import pytest
from dotted_names import resolved
from shown_programs import run_shown
from sources import ROOT

from codesign.cli.app import main
from codesign.cli.help import topics

README = ROOT / "README.md"
PYTHON = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
COMMANDS = re.findall(
    r"^    (codesign (?:solve|pareto|evaluate|assign|show|report|compare|export) [^#\n]*)",
    README.read_text("utf-8"),
    re.M,
)


PRINTED = ("optimal 0.0006044", "    network  max_area_mm2   status  latency_s\n")
WRITTEN = ({"design.json", "design.png"}, {"results.sqlite", "study.png"})
MOST_LINES = 150


@pytest.mark.slow
@pytest.mark.parametrize(
    ("example", "printed", "written"), [*zip(PYTHON, PRINTED, WRITTEN, strict=True)]
)
def test_python_example_runs(
    example: str,
    printed: str,
    written: set[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_shown(example, capsys).startswith(printed)
    assert {path.name for path in tmp_path.iterdir()} == written


def test_there_are_examples_and_they_are_few() -> None:
    text = README.read_text("utf-8")
    assert len(PYTHON) == 2
    assert len(COMMANDS) >= 8
    assert len(text.splitlines()) <= MOST_LINES


def test_everything_linked_is_there_and_every_topic_listed() -> None:
    text = README.read_text("utf-8")
    links = re.findall(r"\]\((?!https?:)([^)]+)\)", text)
    assert "studies/front_page/expected/front.png" in links
    assert all((README.parent / link).is_file() for link in links)
    table = text[text.index("| topic |") :].split("\n\n")[0]
    listed = {
        word
        for row in table.splitlines()
        for word in re.findall(r"`([\w-]+)`", row[: row.index("|", 2)])
    }
    assert listed == {*topics()}


TEXTS = [ROOT / "CHANGELOG.md", *ROOT.glob("*/README.md"), *ROOT.glob("studies/*/README.md")]


@pytest.mark.parametrize("path", [README, *TEXTS], ids=lambda x: str(x.relative_to(ROOT)))
def test_names_and_paths_of_the_repository_exist(path: Path) -> None:
    text = path.read_text("utf-8")
    for name in re.findall(r"`(codesign(?:\.\w+)+)", text):
        resolved(name)
    for named in re.findall(r"\b(?:codesign|models|studies|tests)/[\w/*]+(?:\.\w+)?", text):
        assert [*ROOT.glob(named)], named


OWN_FILES = {"model.onnx"}  # of the reader


@pytest.mark.slow
@pytest.mark.parametrize("command", [c for c in COMMANDS if not set(c.split()) & OWN_FILES])
def test_command_runs(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    words = shlex.split(command)[1:]
    given = takewhile(lambda word: not word.startswith("-"), words)
    for written in {"design.json", "other.json"} & {*given}:
        assert run(["solve", "alexnet", "--max-area-mm2", "4", "--quiet", "--out", written]) == 0
    capsys.readouterr()
    assert run(words) == 0
    assert ("optimal" in capsys.readouterr().out) == (
        words[0] in ("solve", "pareto", "assign", "compare")
    )


def run(words: list[str]) -> int:
    """Exit code of the command line."""
    try:
        code = main(words)
    except SystemExit as stopped:
        code = stopped.code
    return int(code or 0)
