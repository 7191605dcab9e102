"""Files of text: read whole and with care, written whole or not at all; digests of content."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

from codesign.errors import SpecError

MAX_FILE_BYTES = 64 * 2**20
# A key of a hundred parts: "a".'b'.c.d.…
LONG_KEY = re.compile(r"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){100}""")


def read_text(path: Path) -> str:
    """The text of a file of sensible size.

    Raises
    ------
    SpecError
        Missing, unreadable, not UTF-8, or over 64 MiB.
    """
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
    """The content of a JSON file.

    Raises
    ------
    SpecError
        Unreadable, or not JSON.
    """
    try:
        return json.loads(read_text(path), object_pairs_hook=_table)
    except ValueError as error:  # malformed, or a number of thousands of digits
        raise SpecError(f"{path}: not JSON: {error}") from None
    except RecursionError:
        raise SpecError(f"{path}: not a file of ours: nested too deeply") from None


def _table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        again, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise ValueError(f"key {again!r} stands twice in one table")
    return table


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file; a mark of byte order is passed over.

    Raises
    ------
    SpecError
        Unreadable, or not TOML.
    """
    text = read_text(path).removeprefix("\ufeff")
    try:
        if LONG_KEY.search(text):  # which takes the reader time that grows with its square
            raise RecursionError
        return tomllib.loads(text)
    except ValueError as error:  # malformed, or a number of thousands of digits
        raise SpecError(f"{path}: not TOML: {error}") from None
    except RecursionError:
        raise SpecError(f"{path}: not a file of ours: nested too deeply") from None


def digest(content: Any) -> str:
    """SHA-256 of what JSON makes of some content, whatever the order of its keys."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file through a temporary one beside it, so that it is never seen half-written.

    Raises
    ------
    SpecError
        The file cannot be written.
    """
    check_writable(path)
    path = path.resolve()  # a link stays a link; what it points to is replaced
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


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file, whole or not at all.

    Raises
    ------
    SpecError
        The file cannot be written.
    """
    write_whole(path, json_text(content))


def json_text(content: Any) -> str:
    """Content as lines of JSON, as files of results hold it."""
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def check_writable(path: Path) -> None:
    """Refuse a path that cannot be written, before any long work.

    Raises
    ------
    SpecError
        No such folder, no permission, or something there that is no ordinary file.
    """
    folder = path.parent
    try:
        path.lstat()  # refuses names too long, and such as no file can have
        exists = path.exists()
    except (FileNotFoundError, NotADirectoryError):
        exists = False
    except (OSError, ValueError) as error:
        raise SpecError(f"{path}: cannot be written: {reason(error)}") from None
    if exists and not path.is_file():
        raise SpecError(f"{path}: cannot be written: not an ordinary file")
    if not folder.is_dir():
        raise SpecError(f"{path}: cannot be written: no folder {str(folder)!r}")
    if not os.access(folder, os.W_OK) or (exists and not os.access(path, os.W_OK)):
        raise SpecError(f"{path}: cannot be written: permission denied")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
