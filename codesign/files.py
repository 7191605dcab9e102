"""Files: read whole and with care, written whole or not at all; what kind a file is.

Every fault is a `SpecError` that names the file.
"""

from __future__ import annotations

import csv
import hashlib
import json
import math
import os
import re
import tempfile
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import dropwhile
from pathlib import Path
from typing import Any, TypeVar

from codesign.errors import SpecError

Parsed = TypeVar("Parsed")

MAX_FILE_BYTES = 64 * 2**20
# A key of a hundred parts: "a".'b'.c.d.…
LONG_KEY = re.compile(r"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){100}""")


def read_text(path: Path) -> str:
    """The text of a file; refused if missing, unreadable, not UTF-8, or over 64 MiB."""
    try:
        with path.open("rb") as file:  # what is no file may have no end, and tells no size
            data = file.read(MAX_FILE_BYTES + 1)
        if len(data) > MAX_FILE_BYTES:
            raise SpecError(f"{path}: larger than {MAX_FILE_BYTES >> 20} MiB")
        return data.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise SpecError(f"{path}: not UTF-8 text (byte {error.start})") from None
    except (OSError, ValueError) as error:
        raise SpecError(f"{path}: cannot be read: {reason(error)}") from None


def reason(error: OSError | ValueError) -> str:
    """Why a file cannot be reached, in words."""
    return str(error.strerror if isinstance(error, OSError) else error)


def read_json(path: Path) -> Any:
    """The content of a JSON file."""
    return _parsed(path, "JSON", lambda text: json.loads(text, object_pairs_hook=_table))


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file; a byte order mark is passed over."""

    def load(text: str) -> dict[str, Any]:
        if LONG_KEY.search(text):  # which takes the reader time that grows with its square
            raise RecursionError
        return tomllib.loads(text.removeprefix("\ufeff"))

    return _parsed(path, "TOML", load)


def _parsed(path: Path, language: str, load: Callable[[str], Parsed]) -> Parsed:
    try:
        return load(read_text(path))
    except ValueError as error:  # malformed, or a number of thousands of digits
        raise SpecError(f"{path}: not {language}: {error}") from None
    except RecursionError:
        raise SpecError(f"{path}: not a file of ours: nested too deeply") from None


def _table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        again, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise ValueError(f"key {again!r} stands twice in one table")
    return table


def digest(content: Any) -> str:
    """SHA-256 of content's canonical JSON, in hexadecimal."""
    return sha256(canonical_json(content))


def canonical_json(content: Any) -> str:
    """JSON that is the same for equal content: sorted keys, no spaces, ASCII."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"))


def sha256(text: str) -> str:
    """SHA-256 of a text, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def as_json(value: Any) -> Any:
    """Content as JSON has it: numbers of numpy as Python's, what is not finite as null."""
    if isinstance(value, Mapping):
        return {str(key): as_json(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(each) for each in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file, whole or not at all."""
    write_atomically(path, json_text(content))


def json_text(content: Any) -> str:
    """A JSON file's text."""
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file through a temporary one beside it, so that it is never seen half-written.

    It is on the disk before it takes the other's place; a link stays a link.
    """
    check_writable(path)
    path = path.resolve()
    data = content.encode() if isinstance(content, str) else content
    temporary = None
    try:
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=".codesign-", delete=False
        ) as handle:
            temporary = Path(handle.name)
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
        temporary = None
    except OSError as error:
        raise SpecError(f"{path}: cannot be written: {error.strerror}") from None
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Make a folder, and those it lies in, if it is not there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SpecError(f"{folder}: cannot be made: {error.strerror}") from None


def write_folder(folder: Path, texts: Mapping[str, str | bytes]) -> None:
    """Write files by name into a folder, made if needed; where it shows beforehand, all or none.

    What is there of the same names is replaced. A folder that holds anything else, which may be
    what an earlier export has left, is refused: who reads all that is there took it in.
    """
    make_folder(folder)
    there = sorted(x.name for x in folder.iterdir())
    others = [name for name in there if name not in texts and not name.startswith(".")]
    if others:
        raise SpecError(f"{folder}: holds {others[0]}, which is not written now; name a new folder")
    for name in texts:
        check_writable(folder / name)
    for name, text in texts.items():
        write_atomically(folder / name, text)


def check_writable(path: Path) -> None:
    """Refuse a path that cannot be written, before any long work.

    There is no such folder, no permission, or something there that is no ordinary file.
    """
    folder = path.parent
    try:
        path.lstat()  # refuses names too long, and such as no file can have
        exists = path.exists()
    except (FileNotFoundError, NotADirectoryError):
        exists = False
    except (OSError, ValueError) as error:
        raise SpecError(f"{path}: cannot be written: {reason(error)}") from None
    fault = None
    if exists and not path.is_file():
        fault = "not an ordinary file"
    elif not folder.is_dir():
        fault = f"no folder {str(folder)!r}"
    elif not os.access(folder, os.W_OK) or (exists and not os.access(path, os.W_OK)):
        fault = "permission denied"
    if fault is not None:
        raise SpecError(f"{path}: cannot be written: {fault}")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


OUR_KINDS = {  # what we write and read
    "network": "a network (TOML)",
    "technology": "a technology (TOML)",
    "memory": "a memory (TOML)",
    "accelerator": "an accelerator (TOML)",
    "study": "a study's grid (TOML)",
    "onnx": "an ONNX model",
    "design": "a design file",
    "dataflow": "a dataflow design file",
    "evaluation": "an evaluation file",
    "assignment": "an assignment file",
    "explanation": "an explanation file",
    "comparison": "a comparison file",
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
FRAMEWORK_KINDS = {  # of other frameworks
    "PyTorch": "a PyTorch file",
    "Keras": "a Keras file",
    "HDF5": "an HDF5 file, as Keras writes",
    "TFLite": "a TensorFlow Lite model",
    "TensorFlow": "a TensorFlow graph",
    "safetensors": "weights alone (safetensors)",
}
FOREIGN_KINDS = {
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
JSON_KINDS = (
    *("design", "evaluation", "assignment", "explanation", "comparison"),
    *("certificate", "infeasible"),
)
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
    "front": {"latency_s", "rate_to_next", "minimised"},
    "results": {"study", "status", "latency_s", "question"},
    "latency": {"layer", "weight_bits", "activation_bits", "latency_s"},
    "widths": {"layer", "weight_bits", "input_bits", "output_bits"},
    "sensitivity": {"tensor", "bits", "loss"},
    "pe_areas": {"bw", "ba", "area_um2"},
    "sram_areas": {"bits", "area_um2"},
}
DECODER = "decoder"  # of a network by its parameters
FPGA_KEYS = {"bram_bits", "multipliers"}  # of a technology that is no silicon
KEYS = {  # of all descriptions of a kind; an accelerator may have an area of its PEs too
    "network": {"layers"},
    "accelerator": {"rows", "cols", "clock_hz"},
    "technology": {"pe_area_um2"},
    "memory": {"transfer_rate_gt_per_s"},
    "study": {"grid"},
}


@contextmanager
def expecting(path: Path, *kinds: str) -> Iterator[None]:
    """Say of a file that cannot be read as one of these kinds what it is instead, if that tells."""
    try:
        yield
    except SpecError:
        found = kind_of(path)
        unnamed = found == "onnx" and path.suffix.lower() != ".onnx"
        right = found in kinds and not unnamed
        if found is None or right or (found == "JSON" and {*kinds} & {*JSON_KINDS}):
            raise
        raise wrong_kind(path, found, kinds) from None


def wrong_kind(path: Path, found: str, kinds: tuple[str, ...]) -> SpecError:
    """What to say of a file of one kind where one of others is wanted."""
    remedy = EXPORT if "onnx" in kinds and found in FRAMEWORK_KINDS else ""
    if found == "onnx" and found in kinds:
        remedy = "; let its name end in .onnx"
    return SpecError(f"{path}: this is {kind_text(found)}; wanted is {kinds_text(kinds)}{remedy}")


def kind_text(kind: str) -> str:
    """A kind in words, with its article."""
    return (OUR_KINDS | FRAMEWORK_KINDS | FOREIGN_KINDS)[kind]


def kinds_text(kinds: tuple[str, ...]) -> str:
    """``a design file, an evaluation file or an assignment file``."""
    *first, last = map(kind_text, kinds)
    return f"{', '.join(first)} or {last}" if first else last


def kind_of(path: Path) -> str | None:
    """What kind an ordinary file is, a key of one of the three tables above; None: hard to say."""
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
    return kind if kind in OUR_KINDS else None  # of a newer version


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
    if content.keys() >= FPGA_KEYS:
        return "technology"
    if DECODER in content:
        return "network"
    return next((kind for kind, keys in KEYS.items() if keys <= content.keys()), None)
