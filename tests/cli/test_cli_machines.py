"""Options and keys for machines: mappings, PEs that split, cycles; what reaches the problem."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.shell_completion import ShellComplete
from command_line import ARRAY, CHIP, refused, run
from study_grids import parameters, problems, questions
from study_work import TINY

from codesign import Choices, Evaluation, SpecError, Study
from codesign.cli import app
from codesign.problem.words import MAPPINGS
from codesign.specs import machine
from codesign.specs.load import load_accelerator

BOTH = ("--mapping", "window,output")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), Choices()),
        (("--mapping", "im2col"), Choices(mapping=("im2col",))),
        (("--mapping", "output, window,output"), Choices(mapping=("window", "output"))),
        ((*BOTH, "--reconfigurable"), Choices(mapping=("window", "output"), reconfigurable=True)),
        (("--precision", "widening", "--bits", "3,8"), None),
        (("--fill-cycles",), Choices(fill_cycles=True)),
        (("--zero-skipping",), Choices(zero_skipping=True)),
        (("--weight-load",), Choices(weight_load=True)),
        (("--overlap", "0.25"), Choices(overlap=0.25)),
        (("--sram-bits-per-cycle", "64"), Choices(sram_bits_per_cycle=64)),
        (("--stored-channels", "32"), Choices(stored_channels=32)),
        (
            ("--weight-buffer-kbit", "20", "--accumulator-kbit", "0.5"),
            Choices(weight_buffer_bits=20_000, accumulator_bits=500),
        ),
        (("--ifmap-buffer-kbit", "8"), Choices(ifmap_buffer_bits=8000)),
        (
            ("--cycle-factor", "3x3s1=4/9", "--cycle-factor", "1x1=0.5"),
            Choices(cycle_factors={"3x3s1": "4/9", "1x1": "0.5"}),
        ),
    ],
)
def test_options_reach_the_choices(
    asked: dict[str, Any],
    tiny: str,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    expected: Choices | None,
) -> None:
    assert "recorded" in refused(capsys, "solve", tiny, *words)
    found = asked["problem"].choices
    if expected is None:  # the least powers of two that hold the widths
        assert (found.precision, found.pe_weight_bits) == ("widening", (4, 8))
    else:
        assert found == expected


BAD = [
    (("--mapping", "rows"), "'rows' is not one of 'window', 'im2col', 'output'"),
    (("--mapping", ""), "'' is not one of 'window', 'im2col', 'output'"),
    (("--mapping", "window;output"), "'window;output' is not one of"),
    (("--reconfigurable",), "--reconfigurable lets each layer choose its mapping; give several"),
    (("--reconfigurable", "--mapping", "output"), "give several, as in --mapping window,output"),
    (("--cycle-factor", "3x3"), "a factor is above 0 and at most 100"),
    (("--cycle-factor", "3=4/9"), "'3=4/9': write KERNEL=X, as in 3x3=4/9"),
    (("--cycle-factor", "3x3=4/0"), "'3x3=4/0': a factor is above 0 and at most 100"),
    (("--cycle-factor", "3x3=-1"), "a factor is above 0"),
    (("--cycle-factor", "3x3=0"), "a factor is above 0"),
    (("--cycle-factor", "3x3=1e9"), "a factor is above 0"),
    (
        ("--cycle-factor", "3x3=4/9", "--cycle-factor", "3x3=1/2"),
        "--cycle-factor 3x3: given as 4/9 and as 1/2",
    ),
    (("--overlap", "1.5"), "'1.5' is not between 0 and 1"),
    (("--overlap", "0.1234567"), "overlap: Input should have at most 6 decimal places"),
    (("--accumulator-kbit", "0"), "'0' is not a positive number"),
    (("--sram-bits-per-cycle", "0"), "0 is not in the range 1<=x<="),
    (("--precision", "widenin"), "'widenin' is not one of 'fixed', 'multi-pass', 'widening'"),
]


@pytest.mark.parametrize(("words", "told"), BAD, ids=[" ".join(words) for words, _ in BAD])
@pytest.mark.usefixtures("asked")
def test_refusals(
    tiny: str, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], told: str
) -> None:
    for command in (["solve", tiny], ["pareto", tiny], ["evaluate", tiny, *ARRAY]):
        error = refused(capsys, *command, *words)
        assert told in error
        assert "recorded" not in error


@pytest.mark.usefixtures("asked")
def test_pes_that_split_have_widths_of_powers_of_two(
    tiny: str, capsys: pytest.CaptureFixture[str]
) -> None:
    told = "precision 'widening' splits PEs in halves: 6 bit is no power of two; offer PEs of 1, 2,"
    assert told in refused(capsys, "solve", tiny, "--precision", "widening", "--pe-bits", "6,8")
    chip = "--rows", "2", "--cols", "2", "--pe-bits", "6", "--precision", "widening"
    assert told in refused(capsys, "evaluate", tiny, *chip)


def test_several_mappings_are_of_reconfigurable_accelerators(
    tiny: str, capsys: pytest.CaptureFixture[str]
) -> None:
    told = "mapping: window, output: a machine that is not reconfigurable has one; name one,"
    assert told in refused(capsys, "evaluate", tiny, *ARRAY, *BOTH)


def test_a_mapping_is_completed() -> None:
    shell = ShellComplete(app.program, {}, "codesign", "_CODESIGN_COMPLETE")

    def offered(command: str, typed: str) -> list[str]:
        found = shell.get_completions([command, "resnet18", "--mapping"], typed)
        return [item.value for item in found]

    for command in ("solve", "pareto", "sweep", "evaluate"):
        assert offered(command, "") == ["window", "im2col", "output"]
        assert offered(command, "window,") == ["window,im2col", "window,output"]
        assert offered(command, "window,o") == ["window,output"]


def test_words_are_those_of_machines() -> None:
    assert MAPPINGS == machine.MAPPINGS
    assert Choices().mapping == MAPPINGS[:1]


# --- evaluate -----------------------------------------------------------------------------------


@pytest.fixture
def chip(tmp_path: Path) -> str:
    path = tmp_path / "chip.toml"
    path.write_text(f'{CHIP}mapping = ["window", "im2col"]\nreconfigurable = true\n')
    return str(path)


@pytest.mark.parametrize(
    ("flags", "changes"),
    [
        ([], None),
        (["--mapping", "window,im2col", "--reconfigurable"], None),
        (["--mapping", "output,window"], {"mapping": ("window", "output")}),
        # one mapping, and there is nothing to be reconfigured
        (["--mapping", "output"], {"mapping": ("output",), "reconfigurable": False}),
        (["--precision", "widening"], {"precision": "widening"}),
        (["--fill-cycles", "--weight-load"], {"fill_cycles": True, "weight_load": True}),
        (["--cycle-factor", "3x3=4/9"], {"cycle_factors": {"3x3": "4/9"}}),
        (["--overlap", "0.5"], {"overlap": 0.5}),
        (["--sram-bits-per-cycle", "999"], {"sram_bits_per_cycle": 999}),
        (["--stored-channels", "32"], {"stored_channels": 32}),
        (["--zero-skipping"], {"zero_skipping": True}),
        (["--ifmap-buffer-kbit", "9.5"], {"ifmap_buffer_bits": 9500}),
    ],
)
def test_flags_change_the_accelerator(
    capsys: pytest.CaptureFixture[str],
    tiny: str,
    chip: str,
    flags: list[str],
    changes: dict[str, Any] | None,
) -> None:
    words = "evaluate", tiny, "--accelerator", chip, "--bits", "8", *flags, "--json"
    code, out, err = run(capsys, *words)
    assert (code, err) == (0, "")
    found = Evaluation.from_dict(json.loads(out), "printed").accelerator
    own = load_accelerator(Path(chip))
    assert found == (own if changes is None else replace(own, name="chip, changed", **changes))


def test_mappings_have_the_cycles_of_their_formulas(
    tiny: str, capsys: pytest.CaptureFixture[str]
) -> None:
    # conv1: K 8, C 4, 3×3, 6×6 pixels; fc: K 10, C 288. On 2 × 2 PEs of 9 multipliers: window
    # conv1 36·⌈8/2⌉·⌈4/2⌉, fc ⌈10/2⌉·⌈288/(2·9)⌉; output conv1 ⌈36/2⌉·⌈8/2⌉·⌈36/9⌉,
    # fc 1·5·⌈288/9⌉; im2col as window, for windows fill the PEs.
    # A pass fills and drains in 2 + 2 − 1 cycles: window conv1 in 8 and fc in 80 passes.
    cycles = {
        ("--mapping", "window"): [288, 80],
        ("--mapping", "im2col"): [288, 80],
        ("--mapping", "output"): [288, 160],
        (*BOTH, "--reconfigurable"): [288, 80],
        ("--fill-cycles",): [288 + 3 * 8, 80 + 3 * 80],
        ("--weight-load",): [288 + 2 * 8, 80 + 2 * 80],
        ("--cycle-factor", "3x3=4/9"): [128, 80],
        ("--precision", "widening", "--bits", "4"): [144, 20],  # 36 multipliers: ⌈288/(2·36)⌉·5
    }
    for words, expected in cycles.items():
        bits = () if "--bits" in words else ("--bits", "8")
        given = "evaluate", tiny, *ARRAY, "--sram-kbit", "100", *bits, *words, "--json"
        code, out, err = run(capsys, *given)
        assert (code, err) == (0, ""), words
        assert [row["cycles"] for row in json.loads(out)["layers"]] == expected, words


# --- studies ------------------------------------------------------------------------------------


def test_words_of_a_study() -> None:
    given: dict[str, Any] = {
        "mapping": ["window", "output", ["output", "window"]],
        "cycle_factor": [{"3x3": "4/9"}, "3x3=0.5", None],
        "fill_cycles": [False, True],
    }
    more: dict[str, Any] = {"weight_load": True, "overlap": 0.5, "accumulator_kbit": 3}
    more["sram_bits_per_cycle"] = 77
    study = Study.grid(networks=[TINY], **more, **given)
    assert len(study) == 3 * 3 * 2
    offered = dict.fromkeys(x["mapping"] for x in parameters(study))
    assert [*offered] == ["window", "output", "window,output"]
    found = [(x.choices.mapping, x.choices.fill_cycles) for x in problems(study)]
    assert {*found} == {
        (mapping, fill)
        for mapping in (("window",), ("output",), ("window", "output"))
        for fill in (False, True)
    }
    factors = [dict(x.choices.cycle_factors) for x in problems(study)][:3]
    assert factors == [{"3x3": "4/9"}, {"3x3": "0.5"}, {}]
    assert len({question.sha256 for question in questions(study)}) == len(study)
    assert {
        (x.choices.weight_load, x.choices.overlap, x.choices.accumulator_bits)
        for x in problems(study)
    } == {(True, 0.5, 3000)}
    assert {x.choices.sram_bits_per_cycle for x in problems(study)} == {77}


def test_what_is_usual_asks_what_was_asked_without_the_words() -> None:
    usual = Study.grid(networks=[TINY])
    said = Study.grid(
        networks=[TINY], mapping="window", reconfigurable=False, precision="fixed", cycle_factor={}
    )
    assert questions(usual)[0] == questions(said)[0]


def test_a_cell_that_has_nothing_to_choose_says_so() -> None:
    study = Study.grid(
        networks=[TINY], mapping=["window", "window,output"], reconfigurable=[False, True]
    )
    assert [question.refused is not None for question in questions(study)] == [
        *(False, True),
        *(False, False),
    ]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"mapping": "rows"}, "mapping: 'rows' is not one of 'window', 'im2col', 'output'"),
        ({"mapping": ["window", 3]}, "mapping: a list holds the values of an axis"),
        ({"cycle_factor": {"3x3": 0}}, "cycle_factor: '3x3=0': a factor is above 0"),
        ({"cycle_factor": ["3x3"]}, "cycle_factor[0]: '3x3': a factor is above 0"),
        ({"cycle_factor": 3}, "cycle_factor: 3 is neither a word nor a list of words"),
        ({"fill_cycles": 1}, "fill_cycles: 1 is neither true nor false"),
    ],
)
def test_a_study_refuses_what_options_refuse(given: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError) as raised:
        Study.grid(networks=[TINY], **given)
    assert str(raised.value).startswith(told)


# --- what cannot be -----------------------------------------------------------------------------

# With four rows of PEs for output pixels a tile has four of them at least, not one.
FOUR = ("--rows", "4", "--cols", "1", "--bits", "4", "--mapping", "output", "--on-chip", "none")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((*FOUR, "--max-sram-kbit", "0.1"), "the narrowest widths need at least 0.172 kbit; offer"),
        (
            (*FOUR, "--max-sram-kbit", "0.25"),
            "the SRAM on offer ends at 0.25 kbit, and not all layers fit it; offer more",
        ),
        (
            (*FOUR, "--precision", "widening", "--pe-bits", "2"),
            "some layer cannot run; offer wider PEs or allow precision 'multi-pass'",
        ),
    ],
)
def test_no_design_at_all_says_what_would_help(
    tiny: str, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], told: str
) -> None:
    error = refused(capsys, "solve", tiny, *words, code=3)
    assert error.startswith("codesign: no design at all: ")
    assert told in error
