"""Groups and ties of widths on the command line and in studies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import SMALL, TINY, refused, run

from codesign import Problem, Study
from codesign.cli.app import main
from codesign.errors import SpecError


@pytest.fixture
def tiny(tmp_path: Path) -> str:
    """The file of a small network."""
    path = tmp_path / "tiny.toml"
    path.write_text(TINY, encoding="utf-8")
    return str(path)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Instead of an answer: the problem of `solve` or `pareto`."""
    from codesign.tasks import pareto
    from codesign.tasks import solve as optimum

    seen: dict[str, Any] = {}

    def record(problem: Problem, *_: Any, **__: Any) -> None:
        seen["problem"] = problem
        raise SpecError("recorded")

    monkeypatch.setattr(optimum, "solve", record)
    monkeypatch.setattr(pareto, "pareto", record)
    return seen


@pytest.mark.parametrize("command", ["solve", "pareto"])
@pytest.mark.parametrize(
    ("arguments", "shared", "tied"),
    [
        ([], (), False),
        (["--tie"], (), True),
        (["--group", "weight:conv1,tensor:a"], (("weight:conv1", "tensor:a"),), False),
        (["--group", "weight:*"], (("weight:conv1", "weight:fc"),), False),
        (
            ["--group", "tensor:?, weight:conv[0-9]", "--group", "tensor:*", "--tie"],
            (("tensor:a", "weight:conv1"), ("tensor:image", "tensor:a")),
            True,
        ),
        (["--group", "weight:fc,weight:*"], (("weight:fc", "weight:conv1"),), False),
    ],
)
def test_options_reach_the_problem(
    command: str,
    arguments: list[str],
    shared: tuple[tuple[str, ...], ...],
    tied: bool,
    asked: dict[str, Any],
    tiny: str,
) -> None:
    assert main([command, tiny, *arguments]) == 2
    assert asked["problem"].choices.shared == shared
    assert asked["problem"].choices.tied is tied


def test_a_name_is_no_pattern(tmp_path: Path, asked: dict[str, Any]) -> None:
    path = tmp_path / "brackets.toml"
    path.write_text(TINY.replace("conv1", "conv[1]"), encoding="utf-8")
    assert main(["solve", str(path), "--group", "weight:conv[1],weight:fc"]) == 2
    assert asked["problem"].choices.shared == (("weight:conv[1]", "weight:fc"),)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--group", "weight:nix*"], "--group weight:nix*: matches nothing in network 'tiny'"),
        (["--group", "weight:conv2,weight:fc"], "'weight:conv2'; did you mean 'weight:conv1'?"),
        (["--group", "tensor:out,weight:fc"], "'out' is a result of network 'tiny'"),
        (["--group", "conv1,fc"], "'--group': 'conv1': write weight:LAYER or tensor:TENSOR"),
        (["--group", "weight:conv1,"], "'--group': '': write weight:LAYER or tensor:TENSOR"),
        (["--group", "weight:"], "'--group': 'weight:': write weight:LAYER"),
        (
            ["--tie", "--pin", "weight:fc=4", "--pin", "tensor:a=6"],
            "no width suits all that share one: 'tensor:a' (6 bit), 'weight:fc' (4 bit)",
        ),
    ],
)
def test_bad_input_is_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], told: str, tiny: str
) -> None:
    err = refused(capsys, "solve", tiny, *arguments)
    assert told in err


def test_a_tied_design_is_printed(capsys: pytest.CaptureFixture[str], tiny: str) -> None:
    code, out, _ = run(capsys, "solve", tiny, *SMALL, "--tie", "--json")
    assert code == 0
    content = json.loads(out)
    weights = {row["name"]: row["weight_bits"] for row in content["layers"]}
    assert weights["conv1"] == content["tensor_bits"]["image"]
    assert weights["fc"] == content["tensor_bits"]["a"]


def test_ties_and_groups_are_words_of_a_grid(tmp_path: Path) -> None:
    group = "weight:conv1,weight:fc"
    study = Study.grid(
        networks=[write_tiny(tmp_path)],
        tie=[False, True],
        group=[[], group, [group, "tensor:*"]],
        rows="1,2",
        cols="1",
        bits="4,6,8",
        minimize="model",
        max_noise=0.005,  # one of four sources at 4 bits: fc's weights, if they are free
    )
    cells = [cell.parameters for cell in study.cells()]
    labels = ["", group, f"{group} tensor:*"]
    asked = [(cell["tie"], cell["group"]) for cell in cells]
    assert asked == [(tie, label) for tie in (False, True) for label in labels]
    study.run(tmp_path / "store.sqlite", workers=1)
    table = study.results(tmp_path / "store.sqlite")
    assert (table["status"] == "optimal").all()
    sizes = {"free": 288 * 6 + 2880 * 4, "common": (288 + 2880) * 6}
    assert table["model_bits"].tolist() == [sizes["free"], *[sizes["common"]] * 5]


def test_a_group_no_grid_reads() -> None:
    with pytest.raises(SpecError, match=r"group\[0\]: 'conv1': write weight:LAYER"):
        Study.grid(networks=["alexnet"], group=["conv1"])


def write_tiny(folder: Path) -> str:
    """The small network's file."""
    path = folder / "tiny.toml"
    path.write_text(TINY, encoding="utf-8")
    return str(path)
