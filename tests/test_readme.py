"""The README's examples are run as they stand."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from codesign.cli.app import main

README = Path(__file__).parent.parent / "README.md"
PYTHON = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
COMMANDS = re.findall(
    r"^    (codesign (?:solve|pareto|evaluate|assign|show) [^#\n]*)",
    README.read_text("utf-8"),
    re.M,
)


PRINTED = ("optimal 0.0006937", "0.98349638")  # what the examples begin with
WRITTEN: tuple[set[str], ...] = ({"design.json", "design.png"}, set())


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
    exec(compile(example, "README.md", "exec"), {})
    assert capsys.readouterr().out.startswith(printed)
    assert {path.name for path in tmp_path.iterdir()} == written


def test_there_are_examples() -> None:
    assert len(PYTHON) == 2
    assert len(COMMANDS) >= 8


OWN_FILES = {"my_network.toml", "model.onnx", "hessian.csv", "my_latency.csv"}  # of the reader


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
    assert run(words) == 0
    assert ("optimal" in capsys.readouterr().out) == (words[0] in ("solve", "pareto", "assign"))


def run(words: list[str]) -> int:
    """Exit code of the command line."""
    try:
        code = main(words)
    except SystemExit as stopped:
        code = stopped.code
    return int(code or 0)
