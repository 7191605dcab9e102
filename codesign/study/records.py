"""What a store of studies holds: questions and their answers."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, NamedTuple

VERSION = version("codesign")  # noted beside each answer

WAITING = "waiting"
OUTCOMES = {
    "optimal": "proven optimal",
    "infeasible": "proven infeasible",
    "feasible": "a design, its proof unfinished",
    "unanswered": "no design found in time",
    "failed": "failed",
    "lost": "lost its worker",
}
ANSWERED = ("optimal", "infeasible")
UNPROVEN = ("feasible", "unanswered")
FAILED = ("failed", "lost")


class Question(NamedTuple):
    """What a cell asks for: a problem, and how it is solved.

    Attributes
    ----------
    sha256, text : str
        Canonical JSON, in which the network stands as its sha256, and its hash.
    network_sha256, network : str
    untimed : str
        The hash of the same question without a time limit.
    time_limit_s : float or None
    refused : str or None
        Why it cannot even be asked.
    """

    sha256: str
    text: str
    network_sha256: str
    network: str
    untimed: str
    time_limit_s: float | None
    refused: str | None = None


class CellRow(NamedTuple):
    """A cell of a grid as the store takes it: its place, its parameters as JSON, what it asks."""

    position: int
    parameters: str
    question: Question


class ClaimedQuestion(NamedTuple):
    """A question that this run has claimed, and has to answer."""

    sha256: str
    question: str
    network: str


class Answer(NamedTuple):
    """What a question is answered with.

    Attributes
    ----------
    status : str
        A key of `ENDS`.
    final : bool
        More time would not change it.
    designs : tuple of dict
        Design files' contents, the networks by their sha256.
    front_gap : float or None
        Unexplored share of a front.
    """

    status: str
    seconds: float | None = None
    final: bool = False
    designs: tuple[dict[str, Any], ...] = ()
    front_gap: float | None = None
    solver: str | None = None
    codesign: str | None = None
    error: str | None = None
