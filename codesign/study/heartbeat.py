"""Which of the runs that share a store are still alive.

A run counts up its heartbeats in the store, and whoever waits for it watches that count by a
monotonic clock of its own; the wall clock is never read. On the same machine the process itself is
looked for too, so that a killed run is known for dead at once; one that ended while its process
goes on (a notebook's, say, after a full disk) is known by its missing heartbeats.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import NamedTuple

HEARTBEAT_S = 2.0
DEAD_AFTER_S = 60.0  # without a heartbeat


class ProcessId(NamedTuple):
    """What tells a process from all others, also from later ones of its number.

    ``machine`` is empty where it cannot be told; ``started`` is in ticks since its boot.
    """

    machine: str
    pid: int
    started: str


class RunState(NamedTuple):
    """A run as the store shows it."""

    run: int
    process: ProcessId
    beats: int


def this_process() -> ProcessId:
    """This process."""
    pid = os.getpid()
    return ProcessId(_machine(), pid, _started(pid) or "")


def _machine() -> str:
    """Host, boot and process numbering of this process (Linux); empty elsewhere."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{socket.gethostname()} {boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _started(pid: int) -> str | None:
    """When a process of this machine started; None where there is none, or a dead one."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # from the third on: state, parent, …
    return None if fields[0] in "ZX" else fields[19]


class LivenessMonitor:
    """Tells dead runs from living ones.

    Parameters
    ----------
    clock : callable
        Seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._here = this_process()
        self._seen: dict[int, tuple[int, float]] = {}  # run: beats, since when

    def is_dead(self, run: RunState) -> bool:
        """Whether a run will never answer what it has claimed."""
        process = run.process
        here = process.machine and process.machine == self._here.machine
        if here and _started(process.pid) != process.started:
            return True
        now = self._clock()
        beats, since = self._seen.setdefault(run.run, (run.beats, now))
        if beats != run.beats:
            self._seen[run.run] = (run.beats, now)
            return False
        return now - since > DEAD_AFTER_S


@contextmanager
def heartbeats(beat: Callable[[], None]) -> Iterator[None]:
    """Meanwhile call a function every few seconds, whatever the main thread is busy with."""
    over = Event()

    def call() -> None:
        while not over.wait(HEARTBEAT_S):
            beat()

    thread = Thread(target=call, name="codesign-heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
