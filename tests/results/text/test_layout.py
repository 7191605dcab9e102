"""Tables in terminals of any width, pipes and notebooks: nothing lost, nothing run as code."""

from __future__ import annotations

from random import Random

import pytest
from markup import HOSTILE, Tags
from rich.text import Text

from codesign.results.text import layout

pytestmark = pytest.mark.smoke

KINDS = ("", "<", "~")  # numbers, words, names


def cells_of(random: Random, kind: str, rows: int) -> list[str]:
    if kind == "":
        return [f"{random.randint(0, 10 ** random.randint(1, 12)):,}" for _ in range(rows)]
    if kind == "<":
        words = ["ab", "citation", "2021", "doi/10.3390"]
        return [" ".join(random.choices(words, k=random.randint(1, 20))) for _ in range(rows)]
    stem = "".join(random.choices("/._abc", k=random.randint(0, 120)))
    middle = [stem + str(i) + stem[::-1] for i in range(rows)]  # differ nowhere but in the middle
    return middle if random.random() < 0.5 else [f"{stem}{i}" for i in range(rows)]


def rendered(made: layout.Sheet, columns: int, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    return Text.from_ansi(layout.to_text([made], terminal=True)).plain


@pytest.mark.parametrize("seed", range(40))
def test_any_table_fits_and_keeps_every_figure(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    random = Random(seed)
    kinds = [random.choice(("<", "~")), *random.choices(KINDS, k=random.randint(1, 9))]
    headings = [f"{kind}h{i}\n{random.choice(('', 'unit'))}" for i, kind in enumerate(kinds)]
    rows = random.randint(1, 12)
    columns = [cells_of(random, kind, rows) for kind in kinds]
    made = layout.table(*headings)
    for cells in zip(*columns, strict=True):
        made.add_row(*cells)
    for width in (60, 80, 120):
        text = rendered(made, width, monkeypatch)
        for i, (kind, cells) in enumerate(zip(kinds, columns, strict=True)):
            assert f"h{i}" in text
            if kind == "":
                assert all(cell in text.split() for cell in cells), (width, i)
            elif kind == "<":
                assert sum(text.count(word) for word in ("ab", "citation", "2021")) > 0
        needed = max(len(name) for name in names_of(kinds, columns)) if "~" in kinds else 0
        if needed <= 20:
            assert max(len(line.rstrip()) for line in text.splitlines()) <= width, (width, text)
    piped = layout.to_text([made], terminal=False)
    assert piped.count("────") > 0
    assert piped.count("h0") == 1  # one table


def names_of(kinds: list[str], columns: list[list[str]]) -> list[str]:
    every = (cells for kind, cells in zip(kinds, columns, strict=True) if kind == "~")
    return [name for cells in every for name in layout.elided(cells, layout.LEAST_OF_A_NAME)]


@pytest.mark.parametrize("seed", range(30))
def test_names_that_differ_go_on_differing(seed: int) -> None:
    random = Random(seed)
    names = list(dict.fromkeys([*cells_of(random, "~", random.randint(1, 30)), "fc", "a…b"]))
    for most in (16, 24, 40):
        shown = layout.elided(names, most)
        assert len({*shown}) == len(names)
        for name, text in zip(names, shown, strict=True):
            head, _, tail = text.partition("…")
            assert text == name or (name.startswith(head) and name.endswith(tail))


def test_names_are_cut_in_the_middle() -> None:
    names = ["layer4.0.block.conv1.weight", "layer4.1.block.conv2.weight", "fc"]
    assert layout.elided(names, 16) == ["layer4.…1.weight", "layer4.…2.weight", "fc"]
    alike = [f"model/block/{i}/attention/projection/matmul" for i in range(3)]
    shown = layout.elided(alike, 16)
    assert len({*shown}) == 3  # they differ in what would have been cut out
    assert max(map(len, shown)) < len(alike[0])
    assert layout.elided([], 16) == []


def test_the_longest_names_that_take_the_fewest_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    made = layout.table("~layer", "one", "two")
    made.add_row("n" * 30, "1" * 20, "2" * 20)
    # 60 columns less two of 20 digits and four spaces leave 16
    assert rendered(made, 60, monkeypatch).splitlines()[-1].startswith("nnnnnnn…nnnnnnnn  1")
    assert rendered(made, 70, monkeypatch).splitlines()[-1].split()[0] == f"{'n' * 12}…{'n' * 13}"
    # beside one column there is room for more than 16: two tables, no shorter names than need be
    stacked = rendered(made, 54, monkeypatch)
    assert stacked.count("n" * 30) == 2
    assert stacked.count("\n\n") == 1


def test_units_stay_beside_their_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    made = layout.table("<total", "value", "<", "budget")
    made.add_row("latency", "1" * 30, "ms", "2" * 30)
    first, second = rendered(made, 60, monkeypatch).split("\n\n")
    assert "1 ms" in " ".join(first.replace("1" * 30, "1").split())
    assert "ms" not in second


def test_citations_never_widen_a_table_when_piped() -> None:
    made = layout.table("<name", "<source")
    made.add_row("hbm2", "a citation of many words " * 20)
    text = layout.to_text([made], terminal=False)
    assert max(map(len, text.splitlines())) <= 4 + 2 + layout.MOST_OF_WORDS
    assert " ".join(text.split()).count("a citation of many words") == 20


def test_literal_spells_out_control_characters() -> None:
    assert layout.literal("[b]ü\x1b\n\u202e").plain == r"[b]ü\x1b\n\u202e"
    assert layout.to_text([layout.literal("[b]x[/b] :smile:")], terminal=False) == (
        "[b]x[/b] :smile:\n"
    )


# --- notebooks ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", HOSTILE)
def test_html_holds_names_as_text(name: str) -> None:
    made = layout.table("~layer", f"<{name}")
    made.add_row(layout.literal(name), name)
    found = Tags(layout.to_html([Text("a ") + layout.literal(name), "", made, name]))
    assert found.tags == {"p", "table", "thead", "tbody", "tr", "th", "td"}
    assert found.text.count(name) >= (3 if name.isprintable() else 1)
