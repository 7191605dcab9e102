"""Time that runs out, at every look at the clock: an honest answer or a clear error, never more."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from ended_early import Ends, assigned, solved, surveyed

METHODS = ("search", "whole")
BLOCK = 10
SLACK_S = 10.0  # for other work on the machine; about half a second is usual


@pytest.mark.parametrize("seed", [0, 3, 9, 14, 16, 17, 20, 24, 26, 32, 33, 37])
@pytest.mark.parametrize("method", METHODS)
def test_a_solve_may_end_at_any_look(
    seed: int, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert solved(seed, method, monkeypatch).complete or seed in (3, 9, 20)  # infeasible


def test_a_solve_ends_in_every_way(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = solved(14, "search", monkeypatch)
    assert ends.nothing > 10
    assert ends.feasible > 10
    assert ends.untied > 5
    assert solved(20, "search", monkeypatch).infeasible > 5


@pytest.mark.parametrize("seed", [0, 5, 6, 10, 12, 14, 19, 37])
def test_an_assignment_may_end_at_any_look(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    ends = assigned(seed, monkeypatch)
    assert ends.nothing
    assert ends.complete or ends.infeasible
    assert ends.feasible or seed not in (6, 10, 19, 37)


@pytest.mark.parametrize("seed", [2002, 2003, 2005, 2006, 2008, 2009])
def test_a_front_may_end_at_any_look(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    ends = surveyed(seed, monkeypatch, step=3)
    assert ends.nothing
    assert (ends.feasible and ends.complete) or ends.infeasible


@pytest.mark.long
@pytest.mark.parametrize("first", range(100, 200, BLOCK))
@pytest.mark.parametrize("kind", ["search", "whole", "assign", "pareto"])
def test_any_look_long(kind: str, first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep(kind, range(first, first + BLOCK), monkeypatch)


def sweep(kind: str, seeds: range, monkeypatch: pytest.MonkeyPatch, *, press: bool = False) -> None:
    """Random questions of one kind ended early, each at about a hundred looks or more."""
    ask: dict[str, Callable[[int], Ends]] = {
        "search": lambda seed: solved(seed, "search", monkeypatch, press=press, step=3),
        "whole": lambda seed: solved(seed, "whole", monkeypatch, press=press, step=3),
        "assign": lambda seed: assigned(seed, monkeypatch, press=press),
        "pareto": lambda seed: surveyed(seed, monkeypatch, press=press, step=11),
    }
    wrong = []
    for seed in seeds:
        try:
            ask[kind](seed)
        except Exception as error:
            wrong.append(f"seed {seed}: {type(error).__name__}: {str(error)[:300]}")
    assert not wrong, "\n".join(wrong)
