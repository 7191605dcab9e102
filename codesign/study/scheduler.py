"""Hands the questions of a study to workers and stores each answer as it comes.

Only this process writes. No more is claimed than workers can soon begin, so that several runs
share a store fairly and a grid of any size needs little memory.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    wait,
)
from dataclasses import dataclass

from codesign.errors import CodesignError
from codesign.study.executors import slots
from codesign.study.heartbeat import LivenessMonitor, heartbeats
from codesign.study.records import (
    ANSWERED,
    FAILED,
    UNPROVEN,
    VERSION,
    WAITING,
    Answer,
    ClaimedQuestion,
)
from codesign.study.solve_cell import error_text, worker_version
from codesign.study.store import Store

Work = Callable[[str, str], Answer]

TICK_S = 0.5
COUNT_S = 10.0  # a cluster may grow


@dataclass(frozen=True)
class Tally:
    """How far a study is.

    Attributes
    ----------
    counts : mapping of str to int
        Cells by status: ``optimal``, ``infeasible``, ``feasible``, ``unanswered``, ``failed``,
        ``lost``, and ``waiting`` for those to come.
    here : int
        Cells that were answered in this run.
    seconds : float
        Since its start.
    """

    counts: Mapping[str, int]
    here: int
    seconds: float

    @property
    def cells(self) -> int:
        """Cells of the study."""
        return sum(self.counts.values())

    @property
    def done(self) -> int:
        """Cells that are not waiting."""
        return self.cells - self._of(WAITING)

    @property
    def failed(self) -> int:
        """Cells that failed or lost their worker."""
        return self._of(*FAILED)

    @property
    def unproven(self) -> int:
        """Cells whose proof is unfinished, or that had too little time for a design."""
        return self._of(*UNPROVEN)

    @property
    def answered(self) -> int:
        """Cells with a proven best design, or proven to have none."""
        return self._of(*ANSWERED)

    def _of(self, *statuses: str) -> int:
        return sum(self.counts.get(status, 0) for status in statuses)


class Scheduler:
    """One run over the questions of a study.

    Parameters
    ----------
    statuses : iterable of (sha256, status)
        Of each cell; several may ask the same.
    in_flight : int, optional
        Questions handed to the executor at a time; default: two for each of its workers.
    """

    def __init__(
        self,
        store: Store,
        statuses: Iterable[tuple[str, str]],
        executor: Executor,
        work: Work,
        in_flight: int | None = None,
        on_progress: Callable[[Tally], None] | None = None,
    ) -> None:
        self._store, self._executor, self._work = store, executor, work
        self._in_flight, self._on_progress = in_flight, on_progress
        self._cells: Counter[str] = Counter()  # by question
        self._counts: Counter[str] = Counter()  # cells by status
        pending: dict[str, None] = {}
        for sha256, status in statuses:
            self._cells[sha256] += 1
            self._counts[status] += 1
            if status == WAITING:
                pending[sha256] = None
        self._pending, self._held_elsewhere = deque(pending), deque[str]()
        self._running: dict[Future[Answer], ClaimedQuestion] = {}
        self._retries, self._retried = deque[ClaimedQuestion](), set[str]()
        self._monitor, self._here = LivenessMonitor(), 0
        self._started = time.monotonic()
        self._capacity, self._capacity_at, self._looked_at = 0, -COUNT_S, -TICK_S

    @property
    def tally(self) -> Tally:
        """How far the study is."""
        return Tally(dict(self._counts), self._here, time.monotonic() - self._started)

    def run(self) -> Tally:
        """Answer everything; wait for what other runs have claimed, take it over if they die.

        Raises
        ------
        CodesignError
            The executor cannot be used, or broke.
        """
        with heartbeats(self._store.record_heartbeat):
            try:
                if self._pending:
                    self._check_workers()
                self._report()
                while self._pending or self._held_elsewhere or self._running or self._retries:
                    self._submit()
                    self._collect()
                    self._report()
            finally:
                self._leave()
        return self.tally

    def _check_workers(self) -> None:
        """Refuse workers that cannot answer before any cell is spent on them."""
        try:
            theirs = self._executor.submit(worker_version).result()
        except Exception as error:
            raise CodesignError(f"the workers cannot be used: {error_text(error)}") from None
        if theirs != VERSION:
            raise CodesignError(f"the workers have codesign {theirs}, this is {VERSION}")

    def _submit(self) -> None:
        """Claim questions and hand them to the executor, as many as it has capacity for."""
        if not self._pending and self._held_elsewhere:
            self._look_at_other_runs()
        while self._pending and len(self._running) < self._most_in_flight():
            sha256 = self._pending.popleft()
            claimed = self._store.claim(sha256)
            if claimed is None:
                self._held_elsewhere.append(sha256)
            elif isinstance(claimed, str):
                self._count(sha256, claimed)
            elif self._hand_out(claimed):
                return
        if self._retries and not self._running:
            self._hand_out(self._retries.popleft())

    def _hand_out(self, claimed: ClaimedQuestion) -> bool:
        """Hand a question to the executor; whether it is answered already."""
        try:
            future = self._executor.submit(self._work, claimed.question, claimed.network)
        except Exception as error:
            raise self._broken(error) from None
        self._running[future] = claimed
        return future.done()

    def _look_at_other_runs(self) -> None:
        """See, now and then, whether the questions that other runs hold are answered or free."""
        now = time.monotonic()
        if now - self._looked_at >= TICK_S:
            self._looked_at = now
            self._store.release_dead_runs(self._monitor)
            self._pending, self._held_elsewhere = self._held_elsewhere, deque()

    def _most_in_flight(self) -> int:
        if self._in_flight is not None:
            return self._in_flight
        if time.monotonic() - self._capacity_at >= COUNT_S:
            self._capacity, self._capacity_at = 2 * slots(self._executor), time.monotonic()
        return self._capacity

    def _collect(self) -> None:
        """Wait for answers, not for long, and store them."""
        if not self._running:
            if not self._pending and self._held_elsewhere:
                time.sleep(TICK_S)
            return
        done = wait(self._running, TICK_S, FIRST_COMPLETED).done
        for future in sorted(done, key=_broke):  # what is finished is stored first
            claimed = self._running[future]
            answer = self._answer_of(future, claimed)
            if answer is None:
                self._retries.append(claimed)
            elif self._store.record(claimed.sha256, answer):
                self._here += self._cells[claimed.sha256]
                self._count(claimed.sha256, answer.status)
            else:  # taken for dead, and taken over
                self._held_elsewhere.append(claimed.sha256)
            del self._running[future]

    def _answer_of(self, future: Future[Answer], claimed: ClaimedQuestion) -> Answer | None:
        """What a worker found; None where it was lost on its way, and is worth another try.

        What is lost may have died with another question's worker: it is tried again, alone.
        """
        try:
            return future.result()
        except (BrokenExecutor, CancelledError) as error:
            raise self._broken(error) from None
        except Exception as error:
            if claimed.sha256 in self._retried:
                return Answer("lost", codesign=VERSION, error=error_text(error))
            self._retried.add(claimed.sha256)
            return None

    def _count(self, sha256: str, status: str) -> None:
        self._counts[WAITING] -= self._cells[sha256]
        self._counts[status] += self._cells[sha256]

    def _report(self) -> None:
        if self._on_progress is not None:
            self._on_progress(self.tally)

    def _broken(self, error: BaseException) -> CodesignError:
        return CodesignError(
            f"the executor broke: {error_text(error)}; {self.tally.done} of {self.tally.cells} "
            "cells are finished, resume continues"
        )

    def _leave(self) -> None:
        """Keep what is finished, and give the rest back."""
        try:
            for future in self._running:
                future.cancel()
            for future, claimed in self._running.items():
                if future.done() and not future.cancelled() and future.exception() is None:
                    self._store.record(claimed.sha256, future.result())
        finally:
            self._store.release()


def _broke(future: Future[Answer]) -> bool:
    """Whether a call that has ended was given up by its executor."""
    return future.cancelled() or isinstance(future.exception(), BrokenExecutor)
