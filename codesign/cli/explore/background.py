"""One solve at a time in a process of its own, that tells how far it is and can be ended."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from threading import Lock, Thread
from typing import Any

from codesign.cli.progress import design_line
from codesign.errors import CodesignError, InfeasibleError
from codesign.problem.file import problem_from_dict, problem_to_dict
from codesign.problem.problem import Problem

OnEnd = Callable[[str, Any], None]  # told how it ended, and with what
LEAST_S = 0.2  # between two lines of progress
PATIENCE_S = 5.0  # for a process to end when it is asked to


class Background:
    """At most one solve under way."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._process: BaseProcess | None = None
        self._turn = 0
        self.text = ""

    @property
    def busy(self) -> bool:
        """Whether a solve is under way."""
        with self._lock:
            return self._process is not None

    def start(self, problem: Problem, on_end: OnEnd) -> None:
        """Solve a problem; what was under way is ended.

        ``on_end`` is called from another thread with ``"design"`` and the content of its file, or
        ``"infeasible"`` or ``"error"`` and why; not if the solve is ended before.
        """
        self.cancel()
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe(duplex=False)
        content = json.dumps(problem_to_dict(problem))
        process = context.Process(target=_solve, args=(content, theirs), daemon=True)
        with self._lock:
            self._turn += 1
            self._process, self.text = process, design_line(None, 0)
            process.start()
            theirs.close()
            given = process, ours, self._turn, on_end
        Thread(target=self._listen, args=given, daemon=True).start()

    def cancel(self) -> bool:
        """End what is under way; whether there was anything."""
        with self._lock:
            process, self._process = self._process, None
            self._turn += 1
            self.text = "cancelled" if process else self.text
        if process is None:
            return False
        process.terminate()
        process.join(PATIENCE_S)
        if process.is_alive():
            process.kill()
            process.join()
        return True

    def _listen(self, process: BaseProcess, pipe: Connection, turn: int, on_end: OnEnd) -> None:
        """Take what the process tells until it ends."""
        how, what = "error", "the solve ended without an answer"
        with contextlib.suppress(EOFError, OSError):
            while True:
                how, what = pipe.recv()
                if how != "progress":
                    break
                with self._lock:
                    if turn == self._turn:
                        self.text = what
                how, what = "error", "the solve ended without an answer"
        pipe.close()
        process.join(PATIENCE_S)
        with self._lock:
            mine = turn == self._turn
        if mine:
            on_end(how, json.loads(what) if how == "design" else what)
            with self._lock:
                if turn == self._turn:
                    self._process = None
                    self.text = what if how != "design" else "solved"


def _solve(content: str, pipe: Connection) -> None:
    """Solve in a process of its own; Ctrl-C is for the one that started it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from codesign.tasks.solve import solve

    started, told = time.monotonic(), [0.0]

    def tell(progress: Any) -> None:
        now = time.monotonic()
        if now - told[0] >= LEAST_S:
            told[0] = now
            try:
                pipe.send(("progress", design_line(progress, now - started)))
            except OSError:  # nobody is left to hear it
                os._exit(1)

    try:
        found = solve(problem_from_dict(json.loads(content), "the problem"), on_progress=tell)
        pipe.send(("design", json.dumps(found.to_dict())))
    except InfeasibleError as error:
        pipe.send(("infeasible", str(error)))
    except CodesignError as error:
        pipe.send(("error", str(error)))
    except MemoryError:
        pipe.send(("error", "out of memory"))
