"""Executors: processes that answer and stop, and one that breaks while others finish."""

from __future__ import annotations

import os
import time
from concurrent.futures import BrokenExecutor, Executor, Future
from pathlib import Path
from typing import Any

import pytest
from study_work import grid, made_up

from codesign.errors import CodesignError
from codesign.study import Processes, results
from codesign.study.solve_cell import worker_version

posix = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")


class Breaking(Executor):
    """Ends all calls at once with the last of `calls`; the first of them by breaking."""

    def __init__(self, calls: int) -> None:
        self._max_workers, self._calls, self._held = calls, calls, list[Any]()

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        if fn is worker_version:
            future.set_result(fn())
            return future
        self._held.append((future, fn, args))
        if len(self._held) == self._calls:
            (first, _, _), *others = self._held
            first.set_exception(BrokenExecutor("gone"))
            for other, work, given in others:
                other.set_result(work(*given))
        return future


def test_what_ends_while_an_executor_breaks_is_counted(path: Path) -> None:
    with pytest.raises(CodesignError, match="7 of 8 cells are finished"):
        grid(8).run(path, executor=Breaking(8), work=made_up)
    assert {**results(path)["status"].value_counts()} == {"optimal": 7, "waiting": 1}


@pytest.mark.slow
def test_processes_are_an_executor() -> None:
    with Processes(2) as pool:
        assert [*pool.map(divmod, (7, 9), (2, 4))] == [(3, 1), (2, 1)]
        with pytest.raises(ZeroDivisionError):
            pool.submit(divmod, 1, 0).result()
        with pytest.raises(Exception, match=r"pickle|local object"):
            pool.submit(lambda: 1).result()
        assert pool.submit(divmod, 1, 1).result() == (1, 0)
        assert pool.submit(os.getenv, "OMP_NUM_THREADS").result() is not None
        assert len(pool._all) <= 2


@pytest.mark.slow
@posix
def test_processes_can_be_stopped() -> None:
    pool = Processes(1)
    future = pool.submit(time.sleep, 60)
    while not pool._all:
        time.sleep(0.01)
    started_s = time.monotonic()
    pool.kill()
    assert time.monotonic() - started_s < 30
    with pytest.raises(CodesignError, match="its worker process died"):
        future.result()
