"""The way in: ``codesign`` and ``python -m codesign``, interrupted in one line from here on."""

import gc
import os
import sys
from contextlib import suppress

STDOUT = 1  # the file descriptor that libraries in C and C++ print to, past Python's `sys.stdout`


def main() -> int:
    """Run the command line and return its exit code."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy's own, that would wait busily
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # looked for in all packages
    gc.set_threshold(100_000)  # loading libraries makes many objects, and garbage of none
    try:
        from codesign import stopping

        stopping.handle_interrupts()
        _keep_stdout_for_python()
        from codesign.cli.app import main as run

        code = run()
        stopping.ignore_interrupts()
    except KeyboardInterrupt:
        from codesign.stopping import tell_interrupted

        return tell_interrupted()
    return code


def _keep_stdout_for_python() -> None:
    """Lose whatever is written to file descriptor 1, in this process and its children.

    Python's `sys.stdout` writes to another one from here on. Where it is closed, no file that is
    opened later becomes what libraries take for standard output.
    """
    with suppress(OSError):  # no descriptor is left for it
        kept = None if sys.stdout is None else os.dup(STDOUT)
        nobody = os.open(os.devnull, os.O_WRONLY)
        if nobody != STDOUT:
            os.dup2(nobody, STDOUT)
            os.close(nobody)
        if kept is not None:
            usual = sys.stdout
            sys.stdout = open(kept, "w", encoding=usual.encoding, errors=usual.errors)  # noqa: SIM115
            sys.__stdout__ = sys.stdout  # type: ignore[misc]  # asked how wide the terminal is


if __name__ == "__main__":
    sys.exit(main())
