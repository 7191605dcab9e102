"""A store of studies: one SQLite file in which every question is answered once."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from codesign.errors import SpecError
from codesign.study.database import connect, json_object, open_database, transaction
from codesign.study.heartbeat import HEARTBEAT_S, LivenessMonitor, ProcessId, RunState
from codesign.study.records import WAITING, Answer, CellRow, ClaimedQuestion, Question
from codesign.units import RATES

NO_LIMIT_S = 9e99  # seconds


@contextmanager
def opened(path: Path, *, write: bool = False) -> Iterator[Store]:
    """Open a store; to write, make it where there is none.

    Raises
    ------
    SpecError
        No store, a newer one, one that is broken, full, or cannot be read or written; also for
        what happens to the file later on.
    """
    with open_database(path, write=write) as connection:
        yield Store(path, connection)


class Store:
    """An open store; see `opened`."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._sql = connection
        self._run: int | None = None
        self._since = time.monotonic()

    # To solve -----------------------------------------------------------------------------------

    @property
    def is_used(self) -> bool:
        """Whether there is anything in it."""
        return self._sql.execute("SELECT 1 FROM questions LIMIT 1").fetchone() is not None

    def start_run(self, process: ProcessId) -> None:
        """Add a run of this process, which claims questions from here on."""
        with transaction(self._sql):
            added = self._sql.execute(
                "INSERT INTO runs (machine, pid, started) VALUES (?, ?, ?)", process
            )
        self._run, self._since = added.lastrowid, time.monotonic()

    def add_cells(self, study: str, rows: Sequence[CellRow], version: str) -> list[tuple[str, str]]:
        """Add cells, and the questions they ask.

        Returns
        -------
        list of (sha256, status)
            The question each cell is answered by: its own, or the same with a shorter time limit
            where that was enough.
        """
        with transaction(self._sql):
            return [self._add_cell(study, row, version) for row in rows]

    def _add_cell(self, study: str, row: CellRow, version: str) -> tuple[str, str]:
        question = row.question
        sha256, status = self._known(question, version) or self._added(question, version)
        self._sql.execute(
            "INSERT INTO cells VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE"
            " SET position = excluded.position, question = excluded.question",
            (study, row.parameters, row.position, sha256),
        )
        return sha256, status

    def _known(self, question: Question, version: str) -> tuple[str, str] | None:
        """The row that answers a question, if there is one; what is worth it is tried again."""
        row = self._sql.execute(
            "SELECT status, codesign FROM questions WHERE sha256 = ?", question[:1]
        ).fetchone()
        if row is None:
            other = self._sql.execute(
                "SELECT sha256, status FROM questions"
                " WHERE untimed = ? AND final AND time_limit_s <= ? LIMIT 1",
                (question.untimed, _limit(question)),
            ).fetchone()
            return None if other is None else (str(other[0]), str(other[1]))
        status, by = row
        if status == "lost" or (status == "failed" and by != version and not question.refused):
            status = WAITING
            self._sql.execute(
                "UPDATE questions SET status = ?, error = NULL WHERE sha256 = ?",
                (status, question.sha256),
            )
        return question.sha256, status

    def _added(self, question: Question, version: str) -> tuple[str, str]:
        status = "failed" if question.refused else WAITING
        self._sql.execute(
            "INSERT OR IGNORE INTO networks VALUES (?, ?)",
            (question.network_sha256, question.network),
        )
        self._sql.execute(
            "INSERT INTO questions (sha256, question, network, untimed, time_limit_s, status,"
            " codesign, error) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(question.sha256, question.text, question.network_sha256, question.untimed),
                *(_limit(question), status, version if question.refused else None),
                question.refused,
            ),
        )
        return question.sha256, status

    def claim(self, sha256: str) -> ClaimedQuestion | str | None:
        """A question to answer; its status where that is done; None where another run is at it."""
        with transaction(self._sql):
            status, run = self._sql.execute(
                "SELECT status, run FROM questions WHERE sha256 = ?", (sha256,)
            ).fetchone()
            if status != WAITING:
                return str(status)
            if run is not None:
                return None
            self._sql.execute("UPDATE questions SET run = ? WHERE sha256 = ?", (self._run, sha256))
        question, network = self._sql.execute(
            "SELECT question, networks.network FROM questions"
            " JOIN networks ON networks.sha256 = questions.network WHERE questions.sha256 = ?",
            (sha256,),
        ).fetchone()
        return ClaimedQuestion(sha256, question, network)

    def record(self, sha256: str, answer: Answer) -> bool:
        """Store an answer; False where another run has taken the question over."""
        with transaction(self._sql):
            changed = self._sql.execute(
                "UPDATE questions SET status = ?, seconds = ?, final = ?, front_gap = ?,"
                " solver = ?, codesign = ?, error = ?, run = NULL WHERE sha256 = ? AND run = ?",
                (
                    *(answer.status, answer.seconds, answer.final, answer.front_gap),
                    *(answer.solver, answer.codesign, answer.error, sha256, self._run),
                ),
            ).rowcount
            if changed:
                self._sql.executemany(
                    "INSERT INTO designs VALUES (?, ?, ?, ?, ?, ?)",
                    ((sha256, i, *_sections(x)) for i, x in enumerate(answer.designs, 1)),
                )
                self._sql.execute(
                    "UPDATE runs SET answered = answered + 1, seconds = ? WHERE run = ?",
                    (time.monotonic() - self._since, self._run),
                )
        return bool(changed)

    def record_heartbeat(self) -> None:
        """Count one more heartbeat of the run; from any thread, and never an error."""
        with (
            suppress(sqlite3.Error, OSError),
            closing(connect(self.path, "rw", HEARTBEAT_S)) as connection,
        ):
            connection.execute("PRAGMA synchronous = NORMAL")  # a heartbeat may be lost
            connection.execute("UPDATE runs SET beats = beats + 1 WHERE run = ?", (self._run,))

    def release(self) -> None:
        """Give back what is claimed and not answered; never an error: dead runs are found out."""
        with suppress(sqlite3.Error), transaction(self._sql):
            self._sql.execute("UPDATE questions SET run = NULL WHERE run = ?", (self._run,))

    def release_dead_runs(self, monitor: LivenessMonitor) -> None:
        """Give back what dead runs have claimed."""
        if dead := self.dead_runs(monitor):
            with transaction(self._sql):
                self._sql.executemany(
                    "UPDATE questions SET run = NULL WHERE run = ?", ((run,) for run in dead)
                )

    def dead_runs(self, monitor: LivenessMonitor) -> list[int]:
        """Runs that will never answer what they have claimed."""
        rows = self._sql.execute(
            "SELECT run, machine, pid, started, beats FROM runs WHERE run IN"
            " (SELECT run FROM questions WHERE run IS NOT NULL) AND run IS NOT ?",
            (self._run,),
        ).fetchall()
        states = (RunState(run, ProcessId(*process), beats) for run, *process, beats in rows)
        return [state.run for state in states if monitor.is_dead(state)]

    # To read ------------------------------------------------------------------------------------

    def cells(self) -> Iterator[dict[str, Any]]:
        """Every cell of every study with its designs: one row per design, none of a design once."""
        cursor = self._sql.cursor()
        cursor.row_factory = sqlite3.Row
        rows = cursor.execute(
            "SELECT cells.study, cells.position, cells.parameters, questions.sha256 AS question,"
            " questions.status, questions.run, questions.front_gap, questions.seconds,"
            " questions.solver, questions.codesign, questions.error,"
            " designs.number AS design, designs.metrics, designs.hardware, designs.proof"
            " FROM cells JOIN questions ON questions.sha256 = cells.question"
            " LEFT JOIN designs ON designs.question = questions.sha256"
            " ORDER BY cells.study, cells.position, cells.parameters, designs.number"
        )
        for row in rows:
            yield dict(row)

    def runs(self) -> Iterable[tuple[int, float]]:
        """Questions answered and seconds taken, of each run."""
        return self._sql.execute("SELECT answered, seconds FROM runs ORDER BY run").fetchall()

    def design(self, sha256: str, number: int) -> dict[str, Any]:
        """A design file's content.

        Raises
        ------
        SpecError
            There is no such design.
        """
        row = self._sql.execute(
            "SELECT design, networks.network FROM designs"
            " JOIN questions ON questions.sha256 = designs.question"
            " JOIN networks ON networks.sha256 = questions.network"
            " WHERE designs.question = ? AND number = ?",
            (sha256, number),
        ).fetchone()
        if row is None:
            raise SpecError(f"{self.path}: no design {number} of {sha256!r}")
        found, network = map(json_object, row)
        return {**found, "problem": {**found.get("problem", {}), "network": network}}


def _limit(question: Question) -> float:
    return NO_LIMIT_S if question.time_limit_s is None else question.time_limit_s


def _sections(design: dict[str, Any]) -> tuple[str, str, str, str]:
    rates = {name: x for name, x in design.get("throughput", {}).items() if name in RATES}
    metrics = design["metrics"] | (rates if len(rates) > 1 else {})  # of several images, or tokens
    hardware = design["hardware"]
    if "stages" in hardware:  # of a pipeline, whose file does not hold it
        design = {name: x for name, x in design.items() if name != "hardware"}
    parts = (metrics, hardware, design["proof"], design)
    metrics, hardware, proof, whole = (json.dumps(part, ensure_ascii=False) for part in parts)
    return metrics, hardware, proof, whole
