"""Damaged stores and odd values: read or refused in one line."""

from __future__ import annotations

import datetime
import random
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from study_work import TINY, grid, made_up

from codesign.errors import SpecError
from codesign.study import Serial, Study, load_design, results
from codesign.study.cell_keys import QuestionBuilder
from codesign.study.grid import PLURALS, VOCABULARY
from codesign.study.records import Answer
from codesign.study.store import opened
from codesign.study.text import overview, overview_parts


def whole(question: str, network: str) -> Answer:
    """Made up, with a problem section."""
    found = made_up(question, network)
    return found._replace(designs=tuple({**x, "problem": {}} for x in found.designs))


@pytest.mark.slow
@pytest.mark.parametrize("cases", [40, pytest.param(2000, marks=pytest.mark.long)])
def test_a_damaged_store_is_read_or_refused_in_one_line(path: Path, cases: int) -> None:
    study, chance = grid(12), random.Random(cases)
    study.run(path, executor=Serial(), work=whole)
    intact, question = path.read_bytes(), results(path)["question"][0]
    refused = 0
    for case in range(cases):
        data = bytearray(intact)
        for _ in range(chance.choice((1, 3, 30))):
            data[chance.randrange(len(data))] = (
                chance.choice(b'{}[]",:0-NI\xff\0') if case % 3 else chance.randrange(256)
            )
        path.write_bytes(data if case % 20 else data[: chance.randrange(len(data))])
        for attempt in (
            lambda: results(path),
            lambda: overviewed(path),
            lambda: load_design(path, question),
            lambda: grid(14).run(path, executor=Serial(), resume=True, work=whole),
        ):
            told = refusal(attempt)
            refused += told is not None
            assert told is None or (told.startswith(f"{path}: ") and "\n" not in told)
        for left in path.parent.glob("*-*"):  # the log of a database that is no more
            left.unlink()
    assert refused > cases


def refusal(attempt: Callable[[], object]) -> str | None:
    """How something is refused; None where it is not."""
    try:
        attempt()
    except SpecError as error:
        return str(error)
    return None


def overviewed(store: Path) -> None:
    with opened(store) as file:
        overview_parts(overview(file))


ODD: list[Any] = [
    *(None, True, 0, -1, 3, 3.5, 10**30, float("inf"), float("nan"), 16**5000, "9" * 5000, "1e999"),
    *("", "x", "\0", "a\0b.toml", "/", "..", "~", "a/b" * 300, "²", "\ud800", "weights", "none"),
    *([], [3], [None], [[]], [[3]], [{}], [[{}]], [""], ["none"], [["x"]], [[["x"]]]),
    *({}, {"a": 1}, {"a": {}}, {"a": {"4": "x"}}, {"a": {"9" * 20: 1}}, {"\ud800": 1}),
    *("weight:fc=4", [["weight:fc=4", "weight:fc=6"]], "weight:*,tensor:*", b"x"),
    *(datetime.date(2020, 1, 1), object(), {1, 2}, {"weight:fc": {"4": {}}}),
]


def asked(**given: Any) -> None:
    study = Study.grid(**given)
    builder = QuestionBuilder(study.front)
    for cell in study.cells():
        entry = builder.row(0, cell)
        for text in (study.name, entry.parameters, entry.question.text):
            text.encode()


def test_odd_values_are_cells_or_one_line() -> None:
    refused = Counter[str]()
    words = (*VOCABULARY, *PLURALS, "front", "name")
    for word in words:
        for odd in ODD:
            networks = {} if word in ("network", "networks") else {"networks": [TINY]}
            told = refusal(partial(asked, **{**networks, word: odd}))
            refused[word] += told is not None
            assert told is None or "\n" not in told
    assert all(refused.values())
    assert refused.total() < len(ODD) * len(words)
