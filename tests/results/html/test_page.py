"""Pages: self-contained, without a way out, every name escaped, sorted by what is shown."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from markup import HOSTILE
from pages import Page

from codesign.errors import SpecError
from codesign.results.html.markup import Html, joined, script_json, source_hash, tag
from codesign.results.html.page import Choices, Tab, page, write_page
from codesign.results.html.parts import (
    Chart,
    Code,
    Heading,
    Numbered,
    chart_text,
    part_html,
    sort_keys,
)
from codesign.results.text.layout import columns_table, literal

ENDS = "</script><script>alert(1)</script>"


def chart(name: str) -> Chart:
    trace = {"type": "bar", "x": [1], "y": [float("nan")], "name": chart_text(name)}
    return Chart(name, name, [trace])


def tabs(name: str) -> list[Tab]:
    table = columns_table([("~" + name, [literal(name), "b"]), ("bits", ["1", "2"])])
    inner = Tab(name, [table, chart(name)])
    parts = [name, table, Numbered(table), Heading(name), Code(name, name), Code(name, name, True)]
    return [Tab(name, parts), Tab("points", [Choices(name, name, [(name, [inner])])])]


@pytest.mark.parametrize("name", [*HOSTILE, ENDS, "<!--<script>", "\u2028\u202e", "&lt;b&gt;"])
def test_names_are_texts_wherever_they_stand(name: str) -> None:
    plain, hostile = Page(page("name", tabs("name"))), Page(page(name, tabs(name)))
    assert [x for x, _ in hostile.found] == [x for x, _ in plain.found]
    assert [{*x} for _, x in hostile.found] == [{*x} for _, x in plain.found]
    assert hostile.programs == plain.programs
    (content,) = hostile.charts
    assert content["data"][0]["name"] == chart_text(name)
    assert content["data"][0]["y"] == [None]
    assert hostile.text.count(name) >= 8


def test_only_its_own_scripts_may_run_and_nothing_is_asked_for() -> None:
    made = Page(page("a", tabs("b")))
    policies = [x for tag, x in made.found if x.get("http-equiv") == "Content-Security-Policy"]
    rules = dict(x.strip().split(" ", 1) for x in str(policies[0]["content"]).split(";"))
    assert len(made.programs) == 2
    assert rules["script-src"].split() == [source_hash(x) for x in made.programs]
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert "connect-src" not in rules
    for tag_name, attributes in made.found:
        assert not {"src", "action", "srcdoc"} & {*attributes}
        assert attributes.get("href", "data:,") == "data:,"
        assert not any(key.startswith("on") for key in attributes)
        assert tag_name not in ("iframe", "object", "embed", "base", "form")


def test_the_policy_stands_before_all_it_is_for() -> None:
    text = page("a", tabs("b"))
    assert text.index("Content-Security-Policy") < text.index("<style") < text.index("<script")


def test_a_page_without_charts_has_no_plotly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    assert len(page("a", [Tab("b", ["c"])])) < 40_000
    with pytest.raises(SpecError, match=r"pip install 'codesign\[report\]'"):
        page("a", [Tab("b", [chart("c")])])


def test_an_element_escapes_all_that_is_no_markup() -> None:
    made = tag("p", "<b>", tag("br"), joined("&"), class_='"', data_x=None, hidden=True, id=0)
    assert made == '<p class="&quot;" hidden id="0">&lt;b&gt;<br>&amp;</p>'
    assert part_html("a\n<b>") == "<p>a<br>&lt;b&gt;</p>"
    assert part_html("note: a") == '<p class="note">note: a</p>'
    assert part_html("") == ""
    assert part_html(Html("<hr>")) == "<hr>"


def test_data_of_a_script_cannot_end_it() -> None:
    content = {"a<": ["</script>", "\u2029&", float("inf")]}
    text = script_json(content)
    assert not {*"<>&\u2028\u2029"} & {*text}
    assert json.loads(text) == {"a<": ["</script>", "\u2029&", None]}


@pytest.mark.parametrize(
    ("cells", "keys"),
    [
        (["1,234", "–", "0.5"], [1234.0, None, 0.5]),
        (["≤ 6", "", "5.5e-09"], [6.0, None, 5.5e-9]),
        (["93.1 %", "−2 %", "+1"], [93.1, -2.0, 1.0]),
        (["< 1e-09", "0"], [1e-9, 0.0]),
        (["8/8/8", "4/4/4"], None),
        (["1", "conv"], None),
        (["–", ""], None),
        (["16 × 64"], None),
    ],
)
def test_columns_of_numbers_are_sorted_by_number(
    cells: list[str], keys: list[float | None] | None
) -> None:
    assert sort_keys(cells) == keys


def test_only_headings_with_words_sort_and_rows_are_numbered() -> None:
    table = columns_table([("<name", ["a", "b"]), ("", ["ms", "ms"])])
    made = part_html(Numbered(table))
    assert made.count('class="sort"') == 2
    assert '<th class="right" data-key="1.0" scope="row">1</th>' in made
    assert "sort" not in part_html(columns_table([("<name", ["a"])]))


def test_a_page_is_written_whole_or_refused(tmp_path: Path) -> None:
    write_page(tmp_path / "a.html", "a", [Tab("b", ["c"])])
    assert (tmp_path / "a.html").read_text("utf-8").endswith("</html>\n")
    with pytest.raises(SpecError, match=r"must end in \.html"):
        write_page(tmp_path / "a.txt", "a", [])
    with pytest.raises(SpecError, match="cannot be written"):
        write_page(tmp_path / "none" / "a.html", "a", [Tab("b", ["c"])])
