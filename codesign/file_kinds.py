"""What kind of file something is, told by its content, so that a wrong one can be named.

Looked at only once a file could not be read as what is wanted; its name decides where the content
does not.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import dropwhile
from pathlib import Path

from codesign.errors import SpecError
from codesign.text_files import read_json, read_toml

WORDS = {  # what we write and read
    "network": "a network (TOML)",
    "technology": "a technology (TOML)",
    "memory": "a memory (TOML)",
    "accelerator": "an accelerator (TOML)",
    "study": "a study's grid (TOML)",
    "onnx": "an ONNX model",
    "design": "a design file",
    "evaluation": "an evaluation file",
    "assignment": "an assignment file",
    "explanation": "an explanation file",
    "certificate": "a certificate",
    "infeasible": "what solve --json says of an infeasible problem",
    "store": "a study store (SQLite)",
    "front": "a front table (CSV)",
    "sensitivity": "a sensitivity table (CSV, TOML)",
    "latency": "a latency table (CSV)",
    "pe_areas": "a table of measured PE areas (CSV)",
    "sram_areas": "a table of measured SRAM areas (CSV)",
    "widths": "a table of an assignment's layers (CSV)",
    "results": "a table of a study's results (CSV)",
}
MODELS = {  # of other frameworks
    "PyTorch": "a PyTorch file",
    "Keras": "a Keras file",
    "HDF5": "an HDF5 file, as Keras writes",
    "TFLite": "a TensorFlow Lite model",
    "TensorFlow": "a TensorFlow graph",
    "safetensors": "weights alone (safetensors)",
}
OTHERS = {
    "ZIP": "a ZIP archive",
    "gzip": "a gzip archive",
    "PNG": "a PNG picture",
    "JPEG": "a JPEG picture",
    "SVG": "an SVG picture",
    "PDF": "a PDF document",
    "Parquet": "a Parquet table",
    "NumPy": "NumPy arrays",
    "pickle": "a Python pickle",
    "SQLite": "an SQLite database of another program",
    "JSON": "a JSON file of another program",
}
JSON = ("design", "evaluation", "assignment", "explanation", "certificate", "infeasible")
EXPORT = "; export it to ONNX first"

HEAD_BYTES = 2**16
MAGIC = {
    b"\x89PNG": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"%PDF": "PDF",
    b"\x1f\x8b": "gzip",
    b"PAR1": "Parquet",
    b"\x93NUMPY": "NumPy",
    b"\x89HDF": "HDF5",
    b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19": "PyTorch",  # before its version 1.6
    **dict.fromkeys((b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"), "pickle"),
}
SQLITE = b"SQLite format 3\0"
STORE = b"cods"  # a study's store: SQLite's application id, at its place in the header
APPLICATION_AT = 68
MEMBERS = {  # endings of the names in a ZIP archive
    "data.pkl": "PyTorch",
    "constants.pkl": "PyTorch",
    "model.weights.h5": "Keras",
    ".npy": "NumPy",
}
SUFFIXES = {".pb": "TensorFlow", ".pt": "PyTorch", ".pth": "PyTorch"}
TABLES = {  # headings of all tables of a kind, the more telling ones first
    "front": {"latency_s", "area_mm2", "rate_to_next", "minimised"},
    "results": {"study", "status", "latency_s", "question"},
    "latency": {"layer", "weight_bits", "activation_bits", "latency_s"},
    "widths": {"layer", "weight_bits", "input_bits", "output_bits"},
    "sensitivity": {"tensor", "bits", "loss"},
    "pe_areas": {"bw", "ba", "area_um2"},
    "sram_areas": {"bits", "area_um2"},
}
KEYS = {  # of all descriptions of a kind; an accelerator may have an area of its PEs too
    "network": {"layers"},
    "accelerator": {"rows", "cols", "clock_hz"},
    "technology": {"pe_area_um2"},
    "memory": {"transfer_rate_gt_per_s"},
    "study": {"grid"},
}


@contextmanager
def wanted(path: Path, *kinds: str) -> Iterator[None]:
    """Say of a file that cannot be read as one of these kinds what it is instead.

    Raises
    ------
    SpecError
        Naming what it is and what is wanted; where that does not tell, the fault found.
    """
    try:
        yield
    except SpecError:
        found = kind_of(path)
        unnamed = found == "onnx" and path.suffix.lower() != ".onnx"
        right = found in kinds and not unnamed
        if found is None or right or (found == "JSON" and {*kinds} & {*JSON}):
            raise
        raise refusal(path, found, kinds) from None


def refusal(path: Path, found: str, kinds: tuple[str, ...]) -> SpecError:
    """What to say of a file of one kind where one of others is wanted."""
    remedy = EXPORT if "onnx" in kinds and found in MODELS else ""
    if found == "onnx" and found in kinds:
        remedy = "; let its name end in .onnx"
    return SpecError(f"{path}: this is {described(found)}; wanted is {listed(kinds)}{remedy}")


def described(kind: str) -> str:
    """A kind in words, with its article."""
    return (WORDS | MODELS | OTHERS)[kind]


def listed(kinds: tuple[str, ...]) -> str:
    """``a design file, an evaluation file or an assignment file``."""
    *first, last = map(described, kinds)
    return f"{', '.join(first)} or {last}" if first else last


def kind_of(path: Path) -> str | None:
    """What an ordinary file is, as a key of `WORDS`, `MODELS` or `OTHERS`; None: hard to say."""
    try:
        if not path.is_file():  # what is no file may be read only once
            return None
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except (OSError, ValueError):
        return None
    found = _binary(head, path)
    if found is None:
        try:
            text = head.decode("utf-8", errors="strict" if len(head) < HEAD_BYTES else "ignore")
        except UnicodeDecodeError:
            return SUFFIXES.get(path.suffix.lower())
        found = _text(text.removeprefix("\ufeff"), path)
    return found or SUFFIXES.get(path.suffix.lower())


def _binary(head: bytes, path: Path) -> str | None:
    if head.startswith(SQLITE):
        return "store" if head[APPLICATION_AT:].startswith(STORE) else "SQLite"
    if head.startswith(b"PK\x03\x04"):
        return _archive(path)
    if head[4:8] == b"TFL3":
        return "TFLite"
    if head[8:10] == b'{"' and int.from_bytes(head[:8], "little") < 2**32:
        return "safetensors"
    for magic, kind in MAGIC.items():
        if head.startswith(magic):
            return kind
    # Protocol buffers have no magic; ONNX begins with a small version, then what made the file.
    if (
        head[:1] == b"\x08"
        and 1 <= int.from_bytes(head[1:2]) < 32
        and head[2:3] in b"\x12\x1a\x22:B"
    ):
        return "onnx"
    return None


def _archive(path: Path) -> str:
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        names = []
    for ending, kind in MEMBERS.items():
        if any(name.endswith(ending) for name in names):
            return kind
    return SUFFIXES.get(path.suffix.lower(), "ZIP")


def _text(head: str, path: Path) -> str | None:
    start = head.lstrip()
    try:
        if start.startswith("{"):
            return _of_json(read_json(path))
        if start.startswith("<"):
            return "SVG" if "<svg" in head else None
        return _of_table(head) or _of_toml(read_toml(path))
    except SpecError:
        return None


def _of_json(content: object) -> str | None:
    if not isinstance(content, Mapping):
        return "JSON"
    form = content.get("format")
    if not isinstance(form, str) or not form.startswith("codesign-"):
        return "JSON"
    kind = form.removeprefix("codesign-").removesuffix("/1")
    return kind if kind in WORDS else None  # of a newer version


def _of_table(head: str) -> str | None:
    """By the first line that is neither empty nor a comment, in whatever separates its cells."""
    lines = head.splitlines()
    line = next(dropwhile(lambda x: not x.strip() or x.startswith("#"), lines), "")
    for separator in ",;\t":
        try:
            cells = {
                cell.strip() for row in csv.reader([line], delimiter=separator) for cell in row
            }
        except csv.Error:
            return None
        for kind, headings in TABLES.items():
            if headings <= cells:
                return kind
    return None


def _of_toml(content: Mapping[str, object]) -> str | None:
    if content and all(key.startswith(("weight:", "tensor:")) for key in content):
        return "sensitivity"
    return next((kind for kind, keys in KEYS.items() if keys <= content.keys()), None)
