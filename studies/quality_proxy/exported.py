"""Accuracy of the networks as ONNX files, quantised and run by the commands that anybody has.

Of every architecture the first network goes to ONNX. `codesign evaluate` gives all its tensors one
width, `codesign assign` its weights mixed ones of the same size; `codesign export brevitas --data`
writes the quantised file, runs both on the images held out, and tells their accuracy.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from architectures import IMAGE, SIDE
from quantised import WIDTHS
from subjects import Subject
from training import Images

ARRAY = ("--rows", "4", "--cols", "4", "--pe-bits", "8", "--sram-kbit", "200")
MIXED_BITS = (3, 4)  # of all weights, whose size the mixed ones keep to
BITS_PER_MBIT = 10**6


def exported(subject: Subject) -> pd.DataFrame:
    """One row for each choice of widths: accuracy in floating point and quantised."""
    with tempfile.TemporaryDirectory() as name:
        return pd.DataFrame(_rows(subject, Path(name)))


def _rows(subject: Subject, folder: Path) -> Iterator[dict[str, Any]]:
    write_onnx(subject.net.net, folder / "net.onnx")
    write_images(folder / "trained.npz", subject.split.trained, labels=False)
    write_images(folder / "held_out.npz", subject.split.held_out)
    for bits in WIDTHS:
        given = ("evaluate", "net.onnx", *ARRAY, "--bits", str(bits), "--out", "widths.json")
        yield _row(subject, folder, f"{bits}", given)
    for bits in MIXED_BITS:
        limit = str(bits * subject.network.weights / BITS_PER_MBIT)
        given = ("assign", "net.onnx", "--sensitivity", "weights", "--max-model-mbit", limit)
        given += ("--activation-bits", "8", "--out", "widths.json")
        yield _row(subject, folder, f"8, weights {bits} on average", given)


def _row(subject: Subject, folder: Path, bits: str, given: tuple[str, ...]) -> dict[str, Any]:
    """Choose widths by a command, and measure them by another."""
    command(folder, *given)
    export = ("export", "brevitas", "widths.json", "--onnx", "net.onnx", "--out", "quantised")
    data = ("--calibrate", "trained.npz", "--data", "held_out.npz")
    ((result),) = json.loads(command(folder, *export, *data, "--json"))["results"].values()
    return {
        "architecture": subject.architecture,
        "bits": bits,
        "float_accuracy": result["accuracy"]["float"],
        "accuracy": result["accuracy"]["quantised"],
        "same_digit": result["same_largest"],
        "sqnr_db": result["sqnr_db"],
    }


def command(folder: Path, *words: str) -> str:
    """What a command prints."""
    ran = subprocess.run(
        [sys.executable, "-m", "codesign", *words], cwd=folder, capture_output=True, text=True
    )
    if ran.returncode:
        raise RuntimeError(f"codesign {' '.join(words)}: {ran.stderr}")
    return ran.stdout


def write_onnx(net: torch.nn.Module, path: Path) -> None:
    """A network for one image."""
    image = torch.zeros(1, 1, SIDE, SIDE)
    program = torch.onnx.export(net, (image,), input_names=[IMAGE], dynamo=True, verbose=False)
    program.save(path)


def write_images(path: Path, images: Images, labels: bool = True) -> None:
    """Images as the commands read them, with what they show."""
    shown = {"labels": images.digits.numpy()} if labels else {}
    np.savez(path, **{IMAGE: images.values.numpy()}, **shown)
