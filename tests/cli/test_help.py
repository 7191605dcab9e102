"""The pages of ``codesign help`` say what is so: commands, options, defaults, code and names."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from inspect import getsource
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete
from command_line import BUDGET, SMALL, TINY, refused, run
from dotted_names import resolved
from shown_programs import run_shown
from sources import ROOT

import codesign
from codesign.cli import app, progress, terminal
from codesign.cli.help import PAGES, QUESTIONS, page, topics
from codesign.problem.goal import Ended, TiesFound
from codesign.problem.metrics import WORDS
from codesign.problem.tolerances import BUDGET_TOLERANCE, OPTIMAL_GAP, SAME_VALUE
from codesign.results.residency_worth import USEFUL
from codesign.search.lexicographic import TIES_LEAST_S, TIES_TIMES
from codesign.search.milp import formulation, fusion, places, power
from codesign.specs.network import MAX_LAYERS
from codesign.stopping import INTERRUPTED

TEXTS = {topic: (PAGES / f"{topic}.md").read_text("utf-8") for topic in topics()}
WIDTH = 80  # columns of the narrowest usual terminal


def blocks(topic: str) -> list[str]:
    """Indented blocks of a page."""
    found = re.findall(r"(?:^(?:    .*)?\n)+", TEXTS[topic], re.MULTILINE)
    return [re.sub(r"^    ", "", block, flags=re.MULTILINE).strip("\n") for block in found]


def commands(text: str) -> list[list[str]]:
    """Words of every command shown, those of its continued lines included."""
    joined = re.sub(r" \\\n\s*", " ", text)
    lines = re.findall(r"^    (codesign [a-z].*)$", joined, re.MULTILINE)
    return [shlex.split(line, comments=True)[1:] for line in lines]


def parsed(words: list[str]) -> None:
    """Have the command line read a command, short of doing it."""
    context = click.Context(app.program, info_name="codesign")
    command: click.Command = app.program
    while isinstance(command, click.Group):
        name, found, words = command.resolve_command(context, words)
        assert found is not None
        command = found
        context = click.Context(command, info_name=name, parent=context)
    command.make_context(context.info_name, words, parent=context.parent)


def options(command: click.Command = app.program) -> dict[str, list[click.Option]]:
    """Options of all commands by name."""
    found: dict[str, list[click.Option]] = {}
    for each in command.params:
        if isinstance(each, click.Option):
            for name in each.opts:
                found.setdefault(name, []).append(each)
    for inner in command.commands.values() if isinstance(command, click.Group) else ():
        for name, more in options(inner).items():
            found.setdefault(name, []).extend(more)
    return found


def default(name: str, command: str = "solve") -> str:
    """What the help of an option names as its default."""
    inner = app.program.commands[command]
    (option,) = [x for x in inner.params if isinstance(x, click.Option) and name in x.opts]
    (found,) = re.findall(r"\[default: (.*?)\]", str(option.help))
    return str(found)


README = (ROOT / "README.md").read_text("utf-8")
SHOWN = [(x, words) for x, text in [*TEXTS.items(), ("", README)] for words in commands(text)]


@pytest.mark.parametrize(("topic", "words"), SHOWN, ids=lambda x: x if isinstance(x, str) else "")
def test_every_command_shown_is_understood(topic: str, words: list[str]) -> None:
    parsed(words)


def test_there_are_commands() -> None:
    assert len(SHOWN) > 30
    with pytest.raises(click.UsageError):
        parsed(["solve", "resnet18", "--max-area", "6"])


@pytest.mark.parametrize("topic", TEXTS)
def test_every_option_named_exists(topic: str) -> None:
    own = {"--help", "--nworkers", "--nthreads"}  # click's, and those of dask
    assert {*re.findall(r"--[a-z][a-z0-9-]+", TEXTS[topic])} <= options().keys() | own


@pytest.mark.parametrize("topic", TEXTS)
def test_pages_fit_a_terminal_and_begin_with_their_topic(topic: str) -> None:
    assert max(map(len, TEXTS[topic].splitlines())) < WIDTH
    assert TEXTS[topic].startswith(f"# {topic}: ")
    assert len(f"  {max(map(len, TEXTS)) * ' '}  {topics()[topic]}") < WIDTH


@pytest.mark.parametrize("topic", TEXTS)
def test_every_name_of_the_package_exists(topic: str) -> None:
    dotted = re.findall(r"`(codesign(?:\.\w+)+)`", TEXTS[topic])
    for names in re.findall(r"^    codesign\.(\w+(?:, \w+)*)", TEXTS[topic], re.MULTILINE):
        dotted += [f"codesign.{name}" for name in names.split(", ")]
    dotted += re.findall(r"  (codesign(?:\.\w+)+)$", TEXTS[topic], re.MULTILINE)
    dotted += [f"codesign.{x}" for x in re.findall(r"`([A-Z]\w+\.\w+)`", TEXTS[topic])]
    for name in dotted:
        resolved(name)
    for topics_named in re.findall(r"codesign help\s([\w-]+)", TEXTS[topic]):
        assert topics_named in TEXTS
    for file in re.findall(r"(?:models|studies)/\w+(?:\.md)?", TEXTS[topic]):
        assert (ROOT / file).exists()


PYTHON = [
    (topic, block) for topic in TEXTS for block in blocks(topic) if block.startswith("import ")
]


@pytest.mark.slow
@pytest.mark.parametrize(("topic", "program"), PYTHON, ids=[topic for topic, _ in PYTHON])
def test_every_program_runs(
    topic: str,
    program: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    if topic == "onnx":
        onnx_graphs = pytest.importorskip("onnx_graphs")
        made = onnx_graphs.symbolic_rows("batch", "sequence", 8)
        (tmp_path / "model.onnx").write_bytes(made.SerializeToString())
    run_shown(program, capsys)


def test_there_are_programs() -> None:
    assert {topic for topic, _ in PYTHON} >= {"python", "fronts", "studies", "certificates"}


def test_every_study_file_is_read(tmp_path: Path) -> None:
    (text,) = [block for block in blocks("studies") if "[grid]" in block]
    assert tomllib.loads(text)
    (tmp_path / "budgets.toml").write_text(text, encoding="utf-8")
    (tmp_path / "my_network.toml").write_text(TINY, encoding="utf-8")
    assert len(codesign.Study.load(tmp_path / "budgets.toml")) == 2 * 3 * 2


def test_defaults_named_are_those_of_the_options() -> None:
    (table,) = [block for block in blocks("model") if block.startswith("--rows, --cols")]
    for line in table.splitlines():
        names, value = re.split(r"  +", line, maxsplit=1)
        for name in names.split(", "):
            assert re.split(r"; or| for", value)[0].removesuffix(" size") == default(name)
    assert f"--area-overhead (default {default('--area-overhead')})" in TEXTS["model"]
    assert default("--quality").startswith("uniform:6;")
    assert "uniform:6   no noisier" in TEXTS["quality"]
    assert f"By default\n{default('--points', 'pareto')} points" in TEXTS["fronts"]
    step = float(default("--step", "explain"))
    assert f"{100 * step:g} % (--step)" in TEXTS["explanations"]
    assert default("--roofline", "evaluate") == "tiled"
    assert f"The default is {default('--on-chip')}." in TEXTS["on-chip"]
    assert f"consecutive layers ({default('--fused-layers')} unless said)" in TEXTS["on-chip"]


def as_power(number: float) -> str:
    """``4·10⁻⁸``, as the pages write it."""
    digits, _, exponent = f"{number:.0e}".partition("e-0")
    power = "10⁻" + exponent.translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return power if digits == "1" else f"{digits}·{power}"


@pytest.mark.parametrize(
    ("topic", "phrase"),
    [
        ("answers", f"the gap is at most {OPTIMAL_GAP:.0e}".replace("e-0", "e-")),
        ("answers", f"at most 1 + {BUDGET_TOLERANCE:.0e} times".replace("e-0", "e-")),
        ("answers", f"at most {TIES_TIMES:g} times"),
        ("answers", f"or {TIES_LEAST_S:g} s if"),
        ("answers", f"every {progress.PLAIN_S:g} s"),
        ("answers", "broken, left, or not proven"),
        ("files", f"at most {MAX_LAYERS:,} layers"),
        ("fronts", f"less than {as_power(SAME_VALUE)} of themselves"),
        ("explanations", f"makes the latency {100 * USEFUL:g} % less"),
        ("certificates", f"keeps the budgets (to {as_power(BUDGET_TOLERANCE)})"),
        ("certificates", f"more than {as_power(OPTIMAL_GAP)} below"),
    ],
)
def test_numbers_named_are_those_of_the_code(topic: str, phrase: str) -> None:
    assert phrase in " ".join(TEXTS[topic].split())
    assert set(TiesFound.__args__) == {"broken", "left", "not proven"}
    assert set(Ended.__args__) == {"optimal", "gap", "time", "interrupt"}


def test_constraints_are_those_of_the_milp() -> None:
    (equations,) = [block for block in blocks("formulation") if "Σ_h build_h = 1" in block]
    numbers = re.findall(r"^(\(\d+\))", equations, re.MULTILINE)
    assert numbers == [f"({n})" for n in range(1, len(numbers) + 1)]
    source = "".join(map(getsource, (formulation, places, fusion, power)))
    assert {*numbers} == {*re.findall(r"doc=\"(\(\d+\))\"", source)}


def test_exit_codes_and_metrics_are_listed() -> None:
    (codes,) = [block for block in blocks("answers") if block.startswith("0 ")]
    known = ("PROVEN", "WRONG", "BAD_INPUT", "INFEASIBLE", "UNPROVEN", "NO_ANSWER")
    expected = [*(getattr(terminal, name) for name in known), INTERRUPTED]
    assert [int(line.split()[0]) for line in codes.splitlines()] == expected
    (metrics,) = [block for block in blocks("answers") if block.startswith("latency ")]
    assert dict(line.split()[:2] for line in metrics.splitlines()) == WORDS


def test_keys_and_formats_of_files_are_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tiny.toml").write_text(TINY, encoding="utf-8")
    code, out, _ = run(capsys, "solve", str(tmp_path / "tiny.toml"), *SMALL, *BUDGET, "--json")
    assert code == 0
    written, text = json.loads(out), TEXTS["files"]
    described = text[text.index("A design file is self-contained") :]
    for part in (written, written["problem"], written["hardware"]):
        for key in part:
            assert re.search(rf"\b{key}\b", described), key
    source = "".join(p.read_text("utf-8") for p in PAGES.parent.parent.rglob("*.py"))
    formats = {*re.findall(r"\"(codesign-\w+/1)\"", source)} - {"codesign-question/1"}
    assert {*re.findall(r"codesign-\w+/1", text)} == formats


def test_topics_are_listed_shown_and_completed(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "help")
    assert (code, err) == (0, "")
    assert re.findall(r"^(\w.*):$", out, re.MULTILINE) == [*QUESTIONS]
    assert sorted(x for answer in QUESTIONS.values() for x in answer) == sorted(TEXTS)
    assert max(map(len, out.splitlines())) < WIDTH
    assert re.findall(r"^  ([\w-]+)  ", out, re.MULTILINE) == [*TEXTS]
    for topic, text in TEXTS.items():
        assert run(capsys, "help", topic) == (0, text, "")
    shell = ShellComplete(app.program, {}, "codesign", "_CODESIGN_COMPLETE")
    assert [item.value for item in shell.get_completions(["help"], "f")] == [
        "files",
        "formulation",
        "fronts",
    ]


def test_headings_are_bold_in_a_terminal() -> None:
    assert page("model").startswith("\x1b[1m# model: ")


def test_a_command_is_explained_too(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "help", "check")
    assert (code, out) == run(capsys, "check", "--help")[:2]


@pytest.mark.parametrize(
    ("word", "hint"),
    [("modl", "did you mean model?"), ("paretto", "did you mean pareto?"), ("x", "topics: ans")],
)
def test_an_unknown_topic_is_one_line(
    word: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    err = refused(capsys, "help", word)
    assert err.startswith(f"codesign: error: no help on '{word}'; {hint}")
