"""The same question has the same answer, to the last digit of its files, in whatever process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from sources import HELPERS, ROOT

BLOCK = 50
PROCESSES = ((0, 1), (1, 2), (77, 4))  # hash seed, threads of numpy's


def digests(*arguments: str, hash_seed: int, threads: int) -> list[str]:
    """What `digests` prints in a process of its own."""
    count = {name: str(threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    places = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = {"PYTHONHASHSEED": str(hash_seed), "PYTHONPATH": places, **count}
    told = subprocess.run(
        [sys.executable, "-W", "error", str(HELPERS / "digests.py"), *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return told.stdout.splitlines()


def same_everywhere(*arguments: str, processes: int) -> list[str]:
    """Lines that some processes agree on."""
    first, *others = (
        digests(*arguments, hash_seed=seed, threads=threads)
        for seed, threads in PROCESSES[:processes]
    )
    for other in others:
        assert other == first
    return first


@pytest.mark.slow
def test_random_problems_have_the_same_files() -> None:
    lines = same_everywhere("0", "5", processes=2)
    assert {line.split()[1] for line in lines} == {
        *("search", "whole", "assign", "certificate", "explain", "pareto")
    }
    assert sum("infeasible" in line for line in lines) < len(lines) / 2


@pytest.mark.long
def test_networks_have_the_same_files() -> None:
    assert len(same_everywhere("networks", processes=2)) == 6


@pytest.mark.long
@pytest.mark.parametrize("first", range(1000, 1300, BLOCK))
def test_random_problems_have_the_same_files_long(first: int) -> None:
    same_everywhere(str(first), str(first + BLOCK), processes=3)
