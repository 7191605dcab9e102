"""Measured figures that pages of ``codesign help`` quote are those of studies, or of a new run."""

from __future__ import annotations

import json
import re
import shlex

import pandas as pd
import pytest
from command_line import run
from sources import ROOT

from codesign.cli.help import PAGES

TIME = re.compile(
    r"(?:\d[\d.,]*|\b(?:one|two|three|ten|some|few|twenty|hundred)) "
    r"(?:s|ms|µs|min|h|seconds?|minutes?|hours?|MiB|GiB)\b"
)
SAID = {  # times that are settings, or examples, of pages; those of others are measured by no study
    "answers": ["10 s", "30 s"],
    "suites": ["2 ms"],
    "throughput": ["1.96 ms", "9.8 µs", "7 ms"],  # see below
}
PROXIES = ROOT / "studies" / "quality_proxy" / "expected"


def page(topic: str) -> str:
    """A page's words, wherever its lines break."""
    return " ".join((PAGES / f"{topic}.md").read_text("utf-8").split())


def span(values: pd.Series, digits: int) -> str:
    """``0.52 to 0.64``."""
    ends = (f"{end:.{digits}f}" for end in (values.min(), values.max()))
    return " to ".join(ends).replace("-0 ", "0 ").replace("-", "−")


def test_quality_tells_the_ranks_and_gains_of_its_study() -> None:
    ranks = pd.read_csv(PROXIES / "correlations.csv").query(
        "fold == 'mean' and measure == 'accuracy_drop' and population == 'wide'"
    )
    rank = ranks.set_index("predictor")["spearman"]
    both = rank[["loss", "outputs"]]
    assert f"correlation of {span(rank['uniform'], 2)}, errors" in page("quality")
    assert f"the weights with {span(rank['weights'], 2)}, a loss" in page("quality")
    assert f"at a time with {span(both, 2)}. At" in page("quality")
    gains = pd.read_csv(PROXIES / "equal_quality.csv").query(
        "measure == 'accuracy' and level_bits in [3, 4] and strategy == 'solve'"
    )
    saved = 100 * gains.set_index("proxy")["latency_saved"]
    first, second, last = (span(saved[x], 0) for x in ("uniform", "weights", "loss"))
    assert (
        f"save {first} % of the latency by the first, {second} % by the second and {last} % by the"
        in page("quality")
    )


@pytest.mark.slow
def test_throughput_tells_what_its_command_finds(capsys: pytest.CaptureFixture[str]) -> None:
    written = (PAGES / "throughput.md").read_text("utf-8").replace("\\\n", "")
    (command,) = re.findall(r"^    codesign (solve .*1,8,64,200,1024 .*)$", written, re.MULTILINE)
    code, out, _ = run(capsys, *shlex.split(command), "--json")
    assert code == 0
    design = json.loads(out)
    outcomes = {each["images"]: each["outcome"] for each in design["batches"]}
    few = dict.fromkeys((1, 8, 64), "no better")
    assert outcomes == few | {200: "best", 1024: "infeasible"}
    seconds = design["metrics"]["latency_s"]
    assert (
        f"Here: 200 images in {1e3 * seconds:.2f} ms, which is {1e6 * seconds / 200:.1f} µs for "
        "each; 64 and fewer are no better, and 1024 do not keep the 7 ms" in page("throughput")
    )


def test_pages_quote_no_times_that_nothing_measures() -> None:
    pages = sorted(PAGES.glob("*.md"))
    told = {path.stem: TIME.findall(" ".join(path.read_text("utf-8").split())) for path in pages}
    assert {topic: times for topic, times in told.items() if times} == SAID
