"""The memory planner of TensorFlow Lite for Microcontrollers: one arena for all feature maps.

It lays every tensor of a graph, the network's input and result included, into one block of memory:
greedily, larger ones first, each at the lowest address that is free while it lives.

    python studies/on_chip/micro_planner.py FILE     # what `arena_bytes` runs, and reads
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ENOUGH_BYTES = 1 << 26  # for the whole arena
HEAD = re.compile(r"Arena allocation head (\d+) bytes")  # of what tensors share


def arena_bytes(graph: bytes) -> int:
    """Bytes the planner needs for the tensors of a TFLite file.

    Raises
    ------
    RuntimeError
        It does not accept the file.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder, "network.tflite")
        path.write_bytes(graph)
        command = [sys.executable, __file__, str(path)]
        run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    found = HEAD.search(run.stdout)
    if run.returncode != 0 or found is None:
        raise RuntimeError(f"the planner ended with {run.returncode}: {run.stdout[-500:]}")
    return int(found[1])


def main() -> None:
    """Plan one file; the library prints what it has planned."""
    from tflite_micro.python.tflite_micro import runtime

    graph = Path(sys.argv[1]).read_bytes()
    runtime.Interpreter.from_bytes(graph, arena_size=ENOUGH_BYTES).print_allocations()


if __name__ == "__main__":
    main()
