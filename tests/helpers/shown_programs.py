"""Programs that a text shows, run as a reader would run them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


def run_shown(program: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What a program prints that runs in the working folder.

    In this process, which has loaded the libraries; one that starts others in a process of its own.
    """
    if "__main__" not in program:
        exec(compile(program, "shown.py", "exec"), {})
        return capsys.readouterr().out
    Path("shown.py").write_text(program, encoding="utf-8")
    done = subprocess.run([sys.executable, "shown.py"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    Path("shown.py").unlink()
    return done.stdout
