"""Pages of comparisons say what their reports say."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from command_line import run
from markup import HOSTILE
from pages import Page
from pipelines import dataflow, made_up
from random_evaluations import random_accelerator

import codesign
from codesign.results.html.page import page
from codesign.results.html.report import page_title, result_tabs
from codesign.results.text.comparison import comparison_parts


def evaluations(name: str) -> list[codesign.Evaluation]:
    layer = codesign.Layer(name=name, input="in", output="out", K=8, C=8, P=4, Q=4, H=4, W=4)
    network = codesign.Network(name=name, layers=(layer,), tensors={"in": 128, "out": 128})
    on = random_accelerator(random.Random(1))
    return [codesign.evaluate(network, on, bits) for bits in (8, 4, 2)]


@pytest.mark.parametrize("name", ["conv", *HOSTILE])
def test_all_of_the_report_is_told(name: str) -> None:
    found = codesign.compare(*evaluations(name), names=[name, "b", "c"])
    shown = Page(page(page_title(found), result_tabs(found)))
    for part in comparison_parts(found):
        for column in getattr(part, "columns", ()):
            assert {str(x) for x in column.cells} <= {*shown.cells}


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = codesign.compare(*evaluations("conv"), made_up(dataflow()))
    found.save(tmp_path / "c.json")
    out = tmp_path / "c.html"
    code, printed, err = run(capsys, "report", str(tmp_path / "c.json"), "--out", str(out))
    assert (code, printed.strip(), err) == (0, str(out), "")
    assert "Why the latency differs" in out.read_text("utf-8")
    names = [str(tmp_path / f"{x}.json") for x in "ab"]
    for each, name in zip(evaluations("conv"), names, strict=False):
        each.save(name)
    again = tmp_path / "d.html"
    assert run(capsys, "compare", *names, "--out", str(again))[0] == 0
    assert "Why the latency differs" in again.read_text("utf-8")
