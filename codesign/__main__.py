"""The way in: ``codesign`` and ``python -m codesign``, interrupted in one line from here on."""

import os
import sys


def main() -> int:
    """Run the command line and return its exit code."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy's own, that would wait busily
    try:
        from codesign import interrupt

        interrupt.listen()
        from codesign.cli import main as run

        code = run()
        interrupt.ignore()
    except KeyboardInterrupt:
        from codesign.interrupt import told

        return told()
    return code


if __name__ == "__main__":
    sys.exit(main())
