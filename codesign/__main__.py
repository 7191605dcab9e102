"""The way in: ``codesign`` and ``python -m codesign``, interrupted in one line from here on."""

import sys


def main() -> int:
    """Run the command line and return its exit code."""
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
