"""Studies for tests: a tiny network, grids over it, and work that takes no solver.

Run as a script, it runs a grid of made-up work on a store: what a test kills.

    python study_work.py STORE CELLS SECONDS [WORKERS]
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from codesign.specs.network import Layer, Network
from codesign.study import Study
from codesign.study.records import Answer

CONV = Layer(name="conv1", input="image", output="a", K=8, C=4, P=6, Q=6, H=6, W=6, R=3, S=3)
FC = Layer(name="fc", input="a", output="out", K=10, C=288)
TINY = Network(name="tiny", layers=(CONV, FC), tensors={"image": 144, "a": 288, "out": 10})
SMALL = {"rows": "1,2", "cols": "1,2", "bits": "4,6,8"}
LOG = "STUDY_WORK_LOG"  # where work notes what it begins
SECONDS = "STUDY_WORK_SECONDS"


def areas(cells: int) -> list[float]:
    """As many budgets, 0.01 mm² apart."""
    return [round(0.01 * (i + 1), 2) for i in range(cells)]


def grid(cells: int, **given: Any) -> Study:
    """A grid over area budgets of the tiny network."""
    return Study.grid(networks=[TINY], max_area_mm2=areas(cells), **{**SMALL, **given})


def area_of(question: str) -> float:
    """The area budget of a question."""
    return float(json.loads(question)["problem"]["budgets"]["area_mm2"])


def made_up(question: str, network: str) -> Answer:
    """An answer without a solver, noted in a log."""
    area = area_of(question)
    if LOG in os.environ:
        with open(os.environ[LOG], "a") as log:
            log.write(f"{area}\n")
    time.sleep(float(os.environ.get(SECONDS, "0")))
    names = ("latency_s", "area_mm2", "dram_bits", "noise", "model_bits", "bops")
    design = {
        "metrics": {**dict.fromkeys(names, 1.0), "latency_s": 1e-3 / area, "area_mm2": area},
        "hardware": {"rows": 2, "cols": 2, "sram_bits": 1000},
        "proof": {"objective": 1e-3 / area, "bound": 1e-3 / area, "gap": 0.0, "ties_broken": True},
    }
    return Answer("optimal", seconds=0.5, final=True, designs=(design,), codesign="0.1.0")


def deadly(question: str, network: str) -> Answer:
    """Made up, but the second cell kills its process."""
    if area_of(question) == areas(2)[1]:
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
    return made_up(question, network)


def bulky(question: str, network: str) -> Answer:
    """Made up, with a design of 100 kB."""
    answer = made_up(question, network)
    design = {**answer.designs[0], "layers": "x" * 100_000}
    return answer._replace(designs=(design,))


def failing(question: str, network: str) -> Answer:
    """Made up, but it fails outside of what is caught in a worker."""
    if area_of(question) == areas(2)[1]:
        raise OSError("the connection\nbroke")
    return made_up(question, network)


def finished(store: Path) -> dict[str, tuple[Any, ...]]:
    """The rows of all questions that are answered, by their hash; nothing before there are any."""
    if not store.exists():
        return {}
    connection = sqlite3.connect(store)
    try:
        rows = connection.execute(
            "SELECT rowid, * FROM questions WHERE status != 'waiting'"
        ).fetchall()
    except sqlite3.OperationalError:  # not made yet
        rows = []
    finally:
        connection.close()
    return {row[1]: row for row in rows}


def integrity(store: Path) -> str:
    """What SQLite says of the file, ``ok`` if all is well."""
    connection = sqlite3.connect(store)
    try:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])
    finally:
        connection.close()


def started(store: Path, cells: int, seconds: float, log: Path) -> subprocess.Popen[str]:
    """A run in a process of its own, on two workers."""
    return subprocess.Popen(
        [sys.executable, __file__, str(store), str(cells), str(seconds)],
        env={**os.environ, LOG: str(log)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent,
    )


def mixed(question: str, network: str) -> Answer:
    """An answer of every kind, by the area."""
    kinds = ("optimal", "infeasible", "feasible", "unanswered", "failed", "lost")
    status = dict(zip(areas(6), kinds, strict=True)).get(area_of(question), "optimal")
    if status in ("optimal", "feasible"):
        return made_up(question, network)._replace(status=status)
    return Answer(status, seconds=0.5, codesign="0.1.0", error=f"why {status}")


def pointed(question: str, network: str) -> Answer:
    """A front of three points."""
    answer = made_up(question, network)
    first = answer.designs[0]
    designs = tuple(
        {**first, "metrics": {**first["metrics"], "area_mm2": 1.0 * i, "latency_s": 1.0 / i}}
        for i in (1, 2, 3)
    )
    return answer._replace(designs=designs, front_gap=0.25)


def complain() -> None:
    """Log an error as Pyomo does."""
    import pyomo.core  # which sets up its log

    logging.getLogger(pyomo.core.__name__).error("Rule failed")


if __name__ == "__main__":
    import study_work  # by the name under which workers find it

    os.environ[SECONDS] = sys.argv[3]
    workers = int(sys.argv[4]) if len(sys.argv) > 4 else 2
    tally = grid(int(sys.argv[2])).run(
        sys.argv[1], workers=workers, resume=True, work=study_work.made_up
    )
    sys.stdout.write(f"{tally.here} {tally.done}\n")
