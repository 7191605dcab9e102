"""Runs that are killed or filled up at one exact point, each in a forked process of its own.

Run as a script, it tries every STEP-th point, one after the other, until a run gets through, and
writes a line for each: point, signal, cells finished, what the run said, what is wrong afterwards.

    python study_faults.py statements|bytes STEP FOLDER
"""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from study_work import bulky, finished, grid, integrity

from codesign.errors import SpecError
from codesign.study import Serial, results
from codesign.study import database as of_sqlite

CELLS = 3
BLOCK_BYTES = 8 << 10


def answered(store: Path) -> str:
    """A run of a few cells; the one line it ends with, if any."""
    try:
        grid(CELLS).run(store, executor=Serial(), work=bulky)
    except SpecError as error:
        return str(error)
    return ""


def killed_at(statement: int) -> Callable[[], None]:
    """Kills the process where SQLite begins a statement, counted from its first."""
    left = [statement]

    def count(_: str) -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def prepare() -> None:
        connect = of_sqlite.connect

        def counted(*given: Any) -> sqlite3.Connection:
            connection = connect(*given)
            connection.set_trace_callback(count)
            return connection

        of_sqlite.connect = counted

    return prepare


def no_larger_than(size_bytes: int) -> Callable[[], None]:
    """Lets no file grow beyond a size."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, size_bytes))


def forked(store: Path, prepare: Callable[[], None]) -> tuple[int, str]:
    """A run in a process of its own: the signal that ended it, and the line it ended with."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        prepare()
        os.write(theirs, answered(store).encode())
        os._exit(0)
    os.close(theirs)
    with os.fdopen(ours) as pipe:
        told = pipe.read()
    return os.WTERMSIG(os.waitpid(pid, 0)[1]), told


def survived(store: Path) -> str:
    """What is wrong with a store after a fault, once it was gone on with; empty if nothing is."""
    known = finished(store)
    if store.exists() and (found := integrity(store)) != "ok":
        return found
    tally = grid(CELLS).run(store, executor=Serial(), resume=True, work=bulky)
    if (tally.answered, tally.here) != (CELLS, CELLS - len(known)):
        return f"{len(known)} were finished, then {tally}"
    if not known.items() <= finished(store).items():
        return "what was finished changed"
    frame = results(store)
    whole = len(frame) == CELLS == frame["question"].nunique() and frame["latency_s"].notna().all()
    return integrity(store) if integrity(store) != "ok" else "" if whole else "not each cell once"


def main() -> None:
    """Try one point after the other; a line for each."""
    kind, step, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    point, unharmed = 0, False
    while not unharmed:
        point += step
        store = folder / f"{kind}{point}.sqlite"
        prepare = killed_at(point) if kind == "statements" else no_larger_than(point * BLOCK_BYTES)
        killed, told = forked(store, prepare)
        unharmed = not killed and not told
        before = len(finished(store))
        fault = survived(store)
        sys.stdout.write(f"{point}\t{killed}\t{before}\t{told}\t{fault}\n")


if __name__ == "__main__":
    main()
