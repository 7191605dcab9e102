"""The question of a cell, in a form that is the same for the same question on every machine.

A question's hash is the sha256 of its canonical JSON (sorted keys, no spaces, ASCII), and covers
all that the answer depends on, its energy too: the problem as a design file writes it, names and
sources included, the network standing as the sha256 of its own canonical JSON; the method, the gap
to stop at, the time limit, and what a front is asked for. It does not cover the version of codesign
or of the solver, which a proven optimum does not depend on; they are noted beside each answer.
Fields that networks and choices got later stand in it only where they are used (`ADDED_FIELDS`), so
that what was answered before stays known.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, NamedTuple

from codesign.errors import SpecError
from codesign.files import canonical_json, sha256
from codesign.problem.file import terms_to_dict
from codesign.problem.metrics import REGRET, word_of
from codesign.problem.posed import problem_of
from codesign.problem.problem import Problem
from codesign.problem.words import (
    DEFAULT_MEMORY,
    DEFAULT_TECHNOLOGY,
    DEFAULTS,
    PHASE_WORDS,
    ProblemWords,
)
from codesign.specs.decoder import Decoder
from codesign.specs.load import in_phase, load_memory, load_technology
from codesign.specs.network import Network
from codesign.study.grid import Cell
from codesign.study.records import CellRow, Question

QUESTION_FORMAT = "codesign-question/1"
SOLVE_SETTINGS = ("method", "rel_gap", "time_limit_s")
# Each with the value that says what questions without it ask.
ADDED_FIELDS: Mapping[str, Mapping[str, Any]] = {
    "network": {"cache": (), "tokens": None, "members": (), "model": None},
    "layer": {
        "moves": False,
        "parts": {},
        "input_dilation": 1,
        "input_repetition": 1,
        "weights_of": None,
    },
    "choices": {
        "shared": (),
        "tied": False,
        "sram_bits": (),
        "min_sram_bits": None,
        "max_sram_bits": None,
    },
}


class NetworkText(NamedTuple):
    """A network, its canonical JSON, and the hash of that; of a decoder no network."""

    network: Network | None
    text: str
    sha256: str


def parameters_json(cell: Cell) -> str:
    """A cell's parameters as JSON, in the order of the grid's words, which is always the same."""
    return json.dumps(cell.parameters, ensure_ascii=False)


class QuestionBuilder:
    """Turns cells into questions; each network is written once.

    Parameters
    ----------
    front : mapping or None
        The arguments of `codesign.pareto`, for a study of fronts.
    """

    def __init__(self, front: Mapping[str, Any] | None) -> None:
        self._front = None if front is None else dict(front)
        self._defaults = {**DEFAULTS, **({} if front is None else _objective(front))}
        self._technology = load_technology(DEFAULT_TECHNOLOGY)
        self._memory = load_memory(DEFAULT_MEMORY)
        self._texts: dict[tuple[int, int], NetworkText] = {}
        self._phases: dict[tuple[Any, ...], Network] = {}

    def row(self, position: int, cell: Cell) -> CellRow:
        """A cell as the store takes it."""
        return CellRow(position, parameters_json(cell), self.question(cell))

    def question(self, cell: Cell) -> Question:
        """The question of a cell; one that makes no problem says why."""
        given = {**self._defaults, **cell.given}
        how = {key: given[key] for key in SOLVE_SETTINGS}
        if given["ties"] != "break":  # as questions without the word ask
            how["ties"] = given["ties"]
        if given["regret_of"] is not None:
            how["regret_of"] = given["regret_of"]
        described = given["network"]
        network = self._described(described)
        try:
            phase = self._phase(described, *(given[word] for word in PHASE_WORDS))
            network = self._network(phase, given["batch"] or 1)
            assert network.network is not None
            technology, memory = given["technology"], given["memory"]
            if given["regret_of"] is not None and given["minimize"] != REGRET:
                raise SpecError("regret_of: says what minimize = 'regret' is of; give both")
            problem = problem_of(
                ProblemWords.of({**given, "sram": given["sram"] or None}),
                network.network,
                self._technology if technology == DEFAULT_TECHNOLOGY else technology,
                self._memory if memory is None else memory,
            )
            terms, refused = _terms(problem), None
        except SpecError as error:
            terms, refused = {"refused": cell.parameters}, str(error)
        return _question(network, terms, self._front, how, refused)

    def _described(self, described: Network | Decoder) -> NetworkText:
        """A network as it is given, for a cell that is refused; a decoder by its parameters."""
        if isinstance(described, Network):
            return self._network(described, 1)
        text = canonical_json(asdict(described))
        return NetworkText(None, text, sha256(text))

    def _phase(self, described: Network | Decoder, *phase: Any) -> Network:
        """A network, or a phase of a decoder, made once."""
        key = (id(described), *phase)
        if key not in self._phases:
            self._phases[key] = in_phase(described, *phase)
        return self._phases[key]

    def _network(self, network: Network, batch: int) -> NetworkText:
        key = (id(network), batch)  # the grid keeps the network
        if key not in self._texts:
            self._texts[key] = network_text(network.batched(batch))
        return self._texts[key]


def network_text(network: Network) -> NetworkText:
    """A network as questions name it."""
    content = _used("network", {**asdict(network), "model": None})
    content["layers"] = [_used("layer", layer) for layer in content["layers"]]
    text = canonical_json(content)
    return NetworkText(network, text, sha256(text))


def question_of(problem: Problem, network: NetworkText) -> Question:
    """The question of a problem by itself, solved as ``codesign solve`` does."""
    how = {key: DEFAULTS[key] for key in SOLVE_SETTINGS}
    return _question(network, _terms(problem), None, how, None)


def _question(
    network: NetworkText,
    terms: Mapping[str, Any],
    front: Mapping[str, Any] | None,
    how: Mapping[str, Any],
    refused: str | None,
) -> Question:
    content = {
        "format": QUESTION_FORMAT,
        "problem": {"network": network.sha256, **terms},
        "front": front,
        **how,
    }
    text = canonical_json(content)
    return Question(
        sha256=sha256(text),
        text=text,
        network_sha256=network.sha256,
        network=network.text,
        untimed=sha256(canonical_json({**content, "time_limit_s": None})),
        time_limit_s=how["time_limit_s"],
        refused=refused,
    )


def _terms(problem: Problem) -> dict[str, Any]:
    """All of a problem but its network."""
    terms = terms_to_dict(problem)
    return {**terms, "choices": _used("choices", terms["choices"])}


def _used(kind: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """A section without the later fields that say nothing."""
    later = ADDED_FIELDS[kind]
    return {key: x for key, x in content.items() if key not in later or x != later[key]}


def _objective(front: Mapping[str, Any]) -> dict[str, str]:
    """What a front's problem minimises: it decides whether noise is limited unless said."""
    objectives = front["objectives"]
    return {"minimize": word_of("noise" if "noise" in objectives else objectives[0])}
