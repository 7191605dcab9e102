"""Where the questions of a study are answered: this process, worker processes, a Dask cluster.

Only the standard library is imported up here: a worker sets its environment before numpy loads.
"""

from __future__ import annotations

import logging
import os
import pickle
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing import (
    current_process,
    get_all_start_methods,
    get_context,
    parent_process,
    resource_tracker,
    set_start_method,
)
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Lock, Thread
from typing import Any, ParamSpec, TypeVar

from codesign.errors import CodesignError, SpecError
from codesign.files import read_json

Params = ParamSpec("Params")
Result = TypeVar("Result")

THREAD_LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
CONNECT_S = 10


class WorkerDied(CodesignError):
    """The process that worked on a call is gone: killed, crashed, or out of memory."""


class Serial(Executor):
    """Calls at once, in this process."""

    def submit(
        self, fn: Callable[Params, Result], /, *args: Params.args, **kwargs: Params.kwargs
    ) -> Future[Result]:
        """Call now; an interrupt goes to the caller."""
        future: Future[Result] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class Processes(ThreadPoolExecutor):
    """Calls in processes of their own, one solver thread each.

    Each process has a pipe to itself: one that dies takes no other's call along. A process that
    outlives this one ends by itself. The processes do not see Ctrl-C.

    Parameters
    ----------
    workers : int, optional
        How many at most; default: as many as there are cores.
    """

    def __init__(self, workers: int | None = None) -> None:
        if getattr(current_process(), "_inheriting", False):
            raise SpecError(
                "a study was run while a worker process was starting; put what runs it under "
                "if __name__ == '__main__':"
            )
        self.workers = workers or cores()
        self._idle: list[_Worker] = []
        self._all: list[_Worker] = []
        self._killed = False
        self._starting = Lock()
        if os.name == "posix":
            resource_tracker.ensure_running()  # would let Ctrl-C through to the first process
        super().__init__(
            self.workers, thread_name_prefix="codesign-worker", initializer=_block_interrupts
        )

    def submit(
        self, fn: Callable[Params, Result], /, *args: Params.args, **kwargs: Params.kwargs
    ) -> Future[Result]:
        """Call in the next process that is free.

        The future raises `WorkerDied` where that process died.
        """
        return super().submit(self._call, fn, args, kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes when their calls are through."""
        super().shutdown(wait=wait, cancel_futures=cancel_futures)
        if wait:
            for worker in self._all:
                worker.close()

    def kill(self) -> None:
        """End the processes now; calls under way raise `WorkerDied`."""
        with self._starting:
            self._killed = True
            for worker in self._all:
                worker.process.kill()
        self.shutdown(cancel_futures=True)

    def _call(self, fn: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        try:
            worker = self._idle.pop()
        except IndexError:
            worker = self._started()
        try:
            worker.pipe.send((fn, args, kwargs))
            result, error = worker.pipe.recv()
        except (EOFError, OSError):
            worker.close()
            raise WorkerDied("its worker process died: killed, crashed or out of memory") from None
        except Exception:  # it could not be sent
            self._idle.append(worker)
            raise
        self._idle.append(worker)
        if error is not None:
            raise error
        return result

    def _started(self) -> _Worker:
        with self._starting:
            if self._killed:
                raise WorkerDied("the workers were stopped")
            self._all = [worker for worker in self._all if worker.process.exitcode is None]
            self._all.append(_Worker())
            return self._all[-1]


class _Worker:
    """A process and the pipe to it."""

    def __init__(self) -> None:
        context = get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(target=_serve, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()

    def close(self) -> None:
        """Hang up, and wait for its end."""
        self.pipe.close()
        self.process.join()


def _serve(pipe: Connection) -> None:
    """Answer calls until the other side hangs up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.getLogger("pyomo").setLevel(logging.CRITICAL + 1)  # it would write to standard output
    for name in THREAD_LIMITS:
        os.environ.setdefault(name, "1")
    if "fork" in get_all_start_methods():  # then locks have no name that a killed process leaves
        set_start_method("fork", force=True)
    Thread(target=_end_with_parent, daemon=True).start()
    with suppress(EOFError, OSError):
        while True:
            content = pipe.recv_bytes()
            try:
                fn, args, kwargs = pickle.loads(content)
                pipe.send((fn(*args, **kwargs), None))
            except BaseException as error:
                pipe.send((None, error))


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)


def _block_interrupts() -> None:
    """Keep Ctrl-C from this thread, and so from the processes it starts."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def cores() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def slots(executor: Executor) -> int:
    """Calls an executor works on at a time, where it says so."""
    client: Any = getattr(executor, "_client", None)  # Dask's
    if hasattr(client, "nthreads"):
        threads: dict[str, int] = client.nthreads()
        return max(sum(threads.values()), 1)
    if isinstance(executor, Serial):
        return 1
    known = getattr(executor, "_max_workers", None) or getattr(executor, "num_workers", None)
    return known if isinstance(known, int) else cores()


@contextmanager
def dask(address: str) -> Iterator[Executor]:
    """The executor of a running Dask cluster: its scheduler's address, or its scheduler file.

    Meanwhile Dask's client does not log lost connections.

    Raises
    ------
    SpecError
        Dask is not installed, or nothing answers at the address.
    """
    try:
        from distributed import Client
        from distributed.comm import resolve_address
    except ImportError:
        raise SpecError("Dask is not installed: pip install 'codesign[dask]'") from None
    try:  # an address that is none would keep a client busy with closing
        where = resolve_address(_scheduler(address))
        client = Client(where, timeout=CONNECT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise SpecError(f"--dask {address}: {error}") from None
    log = logging.getLogger("distributed.client")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        with client:
            yield client.get_executor(pure=False)
    finally:
        log.setLevel(level)


def _scheduler(address: str) -> str:
    """The address itself, or the one in a scheduler file."""
    if not address.endswith(".json"):
        return address
    content = read_json(Path(address))
    found = content.get("address") if isinstance(content, dict) else None
    if not isinstance(found, str):
        raise SpecError(f"{address}: not a scheduler file")
    return found
