"""Small or absurd input that asks for endless time or memory: refused clearly, or answered.

Each case runs in a process of its own that may take 3 GiB beyond what Python and its packages
take, and a minute. What it says is one line for an error, as anywhere.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from fuzzing import Told, check_answer

GIB = 2**30
ROOM = 3 * GIB
WALL_S = 60
LIMITED = f"""
import resource, sys, warnings
import matplotlib.figure, pandas, pyomo.environ
import codesign.certifying, codesign.cli, codesign.onnx.importing, codesign.solver, codesign.study
from codesign.solver import *
with open("/proc/self/statm") as file:
    most = int(file.read().split()[0]) * resource.getpagesize() + {ROOM}
resource.setrlimit(resource.RLIMIT_AS, (most, most))
code = codesign.cli.main(sys.argv[1:])
print("MiB", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10, file=sys.stderr)
sys.exit(code)
"""


def limited(*words: str, folder: Path) -> Told:
    """What a command answers within bounds of memory and time."""
    run = subprocess.run(
        [sys.executable, "-c", LIMITED, *words],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=WALL_S,
    )
    assert "Traceback" not in run.stderr, run.stderr[-2000:]
    err, _, _ = run.stderr.rpartition("MiB ")
    answer = Told(run.returncode, run.stdout, err)
    check_answer(answer, words[0])
    return answer
