"""Whole processes, measured; what all cases are asked with."""

from __future__ import annotations

import os
import subprocess
import time
from typing import NamedTuple

AREA_MM2 = 6.0
QUALITY = "uniform:6"
ON_CHIP = "none"  # but for the part on tensors that stay on chip, which takes both


class Usage(NamedTuple):
    """What one process took, and what it wrote to standard output."""

    wall_s: float
    cpu_s: float
    peak_mib: float
    output: str

    def minus(self, other: Usage) -> Usage:
        """The times beyond those of another process."""
        return self._replace(wall_s=self.wall_s - other.wall_s, cpu_s=self.cpu_s - other.cpu_s)


def run_process(arguments: list[str], codes: tuple[int, ...] = (0,)) -> Usage:
    """Run one process to its end; stop at another exit code than expected."""
    started = time.perf_counter()
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        output = process.stdout.read()
        errors = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in codes:
        raise SystemExit(f"{' '.join(arguments)} failed: {errors.decode()}")
    wall_s, cpu_s = time.perf_counter() - started, usage.ru_utime + usage.ru_stime
    return Usage(wall_s, cpu_s, usage.ru_maxrss / 1024, output.decode())
