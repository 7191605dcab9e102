"""The SQLite file of a study: its tables, and how it is made, recognised and opened.

Tables
------
networks
    Networks by the sha256 of their canonical JSON.
questions
    Each different question once, by the sha256 of its canonical JSON, with its answer:
    ``waiting`` (``run`` has claimed it), or one of `records.OUTCOMES`.
designs
    The designs of an answer: one, or those of a front. ``design`` is the design file's content
    with the network given by its sha256.
cells
    What each study calls its questions: parameters and place in its grid.
runs
    Processes that solve, see `heartbeat`.

A commit is on the disk before it counts (write-ahead log, synchronous FULL), so that neither a
kill nor a power cut loses an answer. All that share a store must be on one machine: SQLite's
write-ahead log works on no other file system.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from codesign.errors import SpecError
from codesign.files import check_writable, expecting

APPLICATION = 0x63_6F_64_73  # "cods"
FORMAT = 1
BUSY_S = 60.0

TABLES = """
CREATE TABLE networks (sha256 TEXT PRIMARY KEY, network TEXT NOT NULL);
CREATE TABLE runs (
    run INTEGER PRIMARY KEY, machine TEXT NOT NULL, pid INTEGER NOT NULL, started TEXT NOT NULL,
    beats INTEGER NOT NULL DEFAULT 0, answered INTEGER NOT NULL DEFAULT 0,
    seconds REAL NOT NULL DEFAULT 0
);
CREATE TABLE questions (
    sha256 TEXT PRIMARY KEY, question TEXT NOT NULL,
    network TEXT NOT NULL REFERENCES networks (sha256),
    untimed TEXT NOT NULL, time_limit_s REAL NOT NULL,
    status TEXT NOT NULL, run INTEGER REFERENCES runs (run),
    final INTEGER NOT NULL DEFAULT 0, front_gap REAL, seconds REAL,
    solver TEXT, codesign TEXT, error TEXT
);
CREATE INDEX questions_untimed ON questions (untimed);
CREATE INDEX questions_claimed ON questions (run) WHERE run IS NOT NULL;
CREATE TABLE designs (
    question TEXT NOT NULL REFERENCES questions (sha256), number INTEGER NOT NULL,
    metrics TEXT NOT NULL, hardware TEXT NOT NULL, proof TEXT NOT NULL, design TEXT NOT NULL,
    PRIMARY KEY (question, number)
);
CREATE TABLE cells (
    study TEXT NOT NULL, parameters TEXT NOT NULL, position INTEGER NOT NULL,
    question TEXT NOT NULL REFERENCES questions (sha256),
    PRIMARY KEY (study, parameters)
);
"""


@contextmanager
def open_database(path: Path, *, write: bool) -> Iterator[sqlite3.Connection]:
    """A connection to a store; see `store.opened`."""
    _check_path(path, write)
    with expecting(path, "store"):
        try:
            with closing(connect(path, "rwc" if write else _reading(path))) as connection:
                _identify(path, connection, write)
                connection.execute(f"PRAGMA query_only = {not write}")
                yield connection
        except sqlite3.Error as error:
            raise SpecError(_in_one_line(path, error)) from None
        except UnicodeDecodeError as error:  # SQLite quotes the file in what it says of it
            raise SpecError(f"{path}: damaged: {error}") from None


def _check_path(path: Path, write: bool) -> None:
    try:
        path.resolve()
        is_store = path.is_file()
    except (OSError, ValueError) as error:  # a locked folder on the way, a name too long
        reason = error.strerror if isinstance(error, OSError) else error
        raise SpecError(f"{path}: cannot be opened: {reason}") from None
    if write:
        check_writable(path)
    elif not is_store:
        raise SpecError(f"{path}: no such study store")


def _reading(path: Path) -> str:
    """The mode to read a file in: in a locked folder SQLite cannot register a reader."""
    path = path.resolve()  # its log lies beside the file itself, not beside a link to it
    if os.access(path.parent, os.W_OK) and os.access(path, os.W_OK):
        return "rw"  # the last to close it removes the log
    return "ro" if Path(f"{path}-wal").exists() else "ro&immutable=1"


def json_object(text: str) -> dict[str, Any]:
    """What a column of JSON holds.

    Raises
    ------
    sqlite3.DatabaseError
        It is not what was written.
    """
    try:
        found = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise sqlite3.DatabaseError("malformed content")
    return found


def connect(path: Path, mode: str, timeout_s: float = BUSY_S) -> sqlite3.Connection:
    """Open a database, whatever it holds."""
    connection = sqlite3.connect(
        f"{path.resolve().as_uri()}?mode={mode}", uri=True, timeout=timeout_s, isolation_level=None
    )
    try:
        for setting in ("synchronous = FULL", "fullfsync = ON", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {setting}")
    except BaseException:
        connection.close()
        raise
    return connection


def _identify(path: Path, connection: sqlite3.Connection, write: bool) -> None:
    """Refuse what is not a store of ours; make one in an empty file."""
    if write and _is_empty(connection):
        connection.execute("PRAGMA journal_mode = WAL")
        with transaction(connection):
            if _is_empty(connection):  # another run may have been faster
                for statement in TABLES.split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {APPLICATION}")
                connection.execute(f"PRAGMA user_version = {FORMAT}")
    if _pragma(connection, "application_id") != APPLICATION:
        raise SpecError(f"{path}: not a study store")
    version = _pragma(connection, "user_version")
    if version > FORMAT:
        raise SpecError(
            f"{path}: written by a newer codesign (store format {version}, this one knows "
            f"{FORMAT}); update codesign"
        )
    if write:
        fault = " ".join(_pragma(connection, "quick_check(1)").split())
        if fault != "ok":
            raise SpecError(f"{path}: damaged: {fault}")


def _is_empty(connection: sqlite3.Connection) -> bool:
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return not tables and _pragma(connection, "application_id") == 0


def _pragma(connection: sqlite3.Connection, name: str) -> Any:
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing, and nobody else writes meanwhile."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _in_one_line(path: Path, error: sqlite3.Error) -> str:
    text = " ".join(str(error).split())
    if "not a database" in text:
        return f"{path}: not a study store"
    if "malformed" in text or "no such" in text:
        return f"{path}: damaged: {text}"
    if "locked" in text:
        return f"{path}: another program keeps it locked"
    if "full" in text or "I/O" in text:
        return f"{path}: cannot be written: {text}; what is finished stays, --resume continues"
    return f"{path}: {text}"
