"""What a shell offers while a command is typed, through click's own interface."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from command_line import run

from codesign.cli import app
from codesign.specs.load import shipped

FILES = ("net.toml", "resnet.onnx", "data.csv", "design.json", "sub/inner.toml", "sub/Big.ONNX")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with files of many kinds."""
    (tmp_path / "sub").mkdir()
    for name in FILES:
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def offered(*words: str) -> list[str]:
    *args, typed = words
    shell = ShellComplete(app.program, {}, "codesign", "_CODESIGN_COMPLETE")
    return [item.value for item in shell.get_completions(args, typed) if item.type == "plain"]


@pytest.mark.parametrize(
    "command", ["solve", "pareto", "evaluate", "assign", "sensitivity", "sweep"]
)
def test_networks_are_shipped_names_and_files(command: str, folder: Path) -> None:
    assert offered(command, "") == [*shipped("networks"), "net.toml", "resnet.onnx"]
    assert offered(command, "resnet") == ["resnet152", "resnet18", "resnet50", "resnet.onnx"]
    assert offered(command, "sub/") == ["sub/Big.ONNX", "sub/inner.toml"]
    assert offered(command, str(folder / "n")) == [str(folder / "net.toml")]
    assert offered(command, "nowhere/") == []


@pytest.mark.parametrize(
    ("command", "option", "kind", "files"),
    [
        ("solve", "--technology", "technologies", ["net.toml"]),
        ("sweep", "--technology", "technologies", ["net.toml"]),
        ("evaluate", "--memory", "memories", ["net.toml"]),
        ("evaluate", "--accelerator", "accelerators", ["design.json", "net.toml"]),
    ],
)
def test_platforms_too(
    command: str, option: str, kind: str, files: list[str], folder: Path
) -> None:
    assert offered(command, "resnet18", option, "") == [*shipped(kind), *files]


@pytest.mark.parametrize("command", ["check", "explain"])
def test_results_are_left_to_the_shell(command: str, folder: Path) -> None:
    shell = ShellComplete(app.program, {}, "codesign", "_CODESIGN_COMPLETE")
    assert [item.type for item in shell.get_completions([command], "des")] == ["file"]


def test_commands_and_options() -> None:
    assert "solve" in offered("so")
    assert offered("solve", "--max-a") == ["--max-area-mm2"]
    assert offered("solve", "--minimize", "a") == ["area"]


@pytest.mark.slow
def test_the_shell_asks_the_program(folder: Path) -> None:
    words = {"COMP_WORDS": "codesign solve resnet1", "COMP_CWORD": "2"}
    told = subprocess.run(
        [sys.executable, "-m", "codesign"],
        env={**os.environ, **words, "_CODESIGN_COMPLETE": "bash_complete"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.stdout.splitlines()[:2] == ["plain,resnet152", "plain,resnet18"]
    assert told.stderr == ""


@pytest.mark.parametrize("words", [[], ["study"]])
def test_a_group_alone_prints_its_help(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, *words)
    assert (code, err) == (0, "")
    assert out == run(capsys, *words, "--help")[1]
