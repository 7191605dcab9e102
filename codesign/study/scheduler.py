"""Hands the questions of a study to workers and writes down each answer as it comes.

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

from codesign import __version__
from codesign.errors import CodesignError
from codesign.study.executors import WorkerDied, slots
from codesign.study.heartbeat import Heartbeat, LivenessMonitor
from codesign.study.records import ANSWERED, FAILED, UNPROVEN, WAITING, Answer, ClaimedQuestion
from codesign.study.solve_cell import worker_version
from codesign.study.store import Store

Work = Callable[[str, str], Answer]

TICK_S = 0.5
COUNT_S = 10.0  # a cluster may grow
MAX_ERROR = 500  # letters


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
        return self.cells - self.counts.get(WAITING, 0)

    @property
    def failed(self) -> int:
        """Cells that failed or lost their worker."""
        return sum(self.counts.get(status, 0) for status in FAILED)

    @property
    def unproven(self) -> int:
        """Cells whose proof is unfinished, or that had too little time for a design."""
        return sum(self.counts.get(status, 0) for status in UNPROVEN)

    @property
    def answered(self) -> int:
        """Cells with a proven best design, or proven to have none."""
        return sum(self.counts.get(status, 0) for status in ANSWERED)


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
        self._cells: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()
        todo: dict[str, None] = {}
        for sha256, status in statuses:
            self._cells[sha256] += 1
            self._counts[status] += 1
            if status == WAITING:
                todo[sha256] = None
        self._todo, self._held = deque(todo), deque[str]()
        self._running: dict[Future[Answer], ClaimedQuestion] = {}
        self._again, self._tried = deque[ClaimedQuestion](), set[str]()
        self._watch, self._here = LivenessMonitor(), 0
        self._started = time.monotonic()
        self._room, self._counted, self._looked = 0, -COUNT_S, -TICK_S

    @property
    def tally(self) -> Tally:
        """How far the study is."""
        return Tally(dict(self._counts), self._here, time.monotonic() - self._started)

    def run(self) -> Tally:
        """Answer everything; what other runs are at is waited for, and taken over if they die.

        Raises
        ------
        CodesignError
            The executor cannot be used, or broke.
        """
        heartbeat = Heartbeat(self._store.record_heartbeat)
        heartbeat.start()
        try:
            if self._todo:
                self._try_executor()
            self._tell()
            while self._todo or self._held or self._running or self._again:
                self._submit()
                self._gather()
                self._tell()
        finally:
            try:
                self._leave()
            finally:
                heartbeat.stop()
        return self.tally

    def _try_executor(self) -> None:
        """Refuse workers that cannot answer before any cell is spent on them."""
        try:
            theirs = self._executor.submit(worker_version).result()
        except Exception as error:
            raise CodesignError(f"the workers cannot be used: {_named(error)}") from None
        if theirs != __version__:
            raise CodesignError(f"the workers have codesign {theirs}, this is {__version__}")

    def _submit(self) -> None:
        if not self._todo and self._held:
            self._look_again()
        while self._todo and len(self._running) < self._most():
            sha256 = self._todo.popleft()
            task = self._store.claim(sha256)
            if task is None:
                self._held.append(sha256)
            elif isinstance(task, str):
                self._count(sha256, task)
            elif self._give_out(task):
                return
        if self._again and not self._running:
            self._give_out(self._again.popleft())

    def _give_out(self, task: ClaimedQuestion) -> bool:
        """Hand a question to the executor; whether it is answered already."""
        try:
            future = self._executor.submit(self._work, task.question, task.network)
        except Exception as error:
            raise self._broken(error) from None
        self._running[future] = task
        return future.done()

    def _look_again(self) -> None:
        """See, now and then, what became of the questions other runs were at."""
        now = time.monotonic()
        if now - self._looked >= TICK_S:
            self._looked = now
            self._store.release_dead_runs(self._watch)
            self._todo, self._held = self._held, deque()

    def _most(self) -> int:
        """Questions to have in the executor's hands."""
        if self._in_flight is not None:
            return self._in_flight
        if time.monotonic() - self._counted >= COUNT_S:
            self._room, self._counted = 2 * slots(self._executor), time.monotonic()
        return self._room

    def _gather(self) -> None:
        """Wait for answers, not for long, and write them down."""
        if not self._running:
            if not self._todo and self._held:
                time.sleep(TICK_S)
            return
        for future in wait(self._running, TICK_S, FIRST_COMPLETED).done:
            task = self._running[future]
            answer = self._answer_of(future, task)
            if answer is None:
                self._again.append(task)
            elif self._store.record(task.sha256, answer):
                self._here += self._cells[task.sha256]
                self._count(task.sha256, answer.status)
            else:  # taken for dead, and taken over
                self._held.append(task.sha256)
            del self._running[future]

    def _answer_of(self, future: Future[Answer], task: ClaimedQuestion) -> Answer | None:
        """What a worker found; None where it was lost on its way, and is worth another try.

        What is lost may have died with another question's worker: it is tried again, alone.
        """
        try:
            return future.result()
        except (BrokenExecutor, CancelledError) as error:
            raise self._broken(error) from None
        except Exception as error:
            if task.sha256 in self._tried:
                return Answer("lost", codesign=__version__, error=_named(error))
            self._tried.add(task.sha256)
            return None

    def _count(self, sha256: str, status: str) -> None:
        self._counts[WAITING] -= self._cells[sha256]
        self._counts[status] += self._cells[sha256]

    def _tell(self) -> None:
        if self._on_progress is not None:
            self._on_progress(self.tally)

    def _broken(self, error: BaseException) -> CodesignError:
        return CodesignError(
            f"the executor broke: {_named(error)}; {self.tally.done} of {self.tally.cells} cells "
            "are finished, resume continues"
        )

    def _leave(self) -> None:
        """Keep what is finished, and give the rest back."""
        try:
            for future in self._running:
                future.cancel()
            for future, task in self._running.items():
                if future.done() and not future.cancelled() and future.exception() is None:
                    self._store.record(task.sha256, future.result())
        finally:
            self._store.release()


def _named(error: BaseException) -> str:
    text = " ".join(str(error).split())[:MAX_ERROR]
    if isinstance(error, WorkerDied):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
