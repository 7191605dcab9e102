"""What results of every kind have in common as files: JSON, self-contained, of a named format.

A file's ``layers`` are rows that its result holds under another name, for a result's ``layers`` are
a table.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self, TypeVar

from codesign.errors import SpecError
from codesign.files import digest
from codesign.specs.schema import Displayed, parse, renamed
from codesign.specs.seam import done_by

DIGEST = "sha256"
THROUGHPUT = "throughput"  # follows from the rest, for readers of the file; absent from older ones
TIMES = ("seconds", "solver_s")  # what equal runs differ in
Result = TypeVar("Result", bound="Stored")


class Stored(Displayed):
    """A result with a file of its own."""

    @done_by("results.load:save")
    def save(self, path: str | Path) -> None:
        """Write the result's file (JSON, in the format of its kind), whole or not at all.

        Raises
        ------
        SpecError
            The file cannot be written.
        """

    @classmethod
    @done_by("results.load:load")
    def load(cls, path: str | Path) -> Self:
        """Read the file of a result of this kind.

        Raises
        ------
        SpecError
            Unreadable, or of another kind.
        """


def content_of(data: Any, form: str, kind: str, rows: str, where: str) -> dict[str, Any]:
    """A file's content but its format and digest, ``layers`` under the name ``rows``.

    Parameters
    ----------
    form : str
        The format it has to be of.
    kind : str
        What such a file is called, with its article.

    Raises
    ------
    SpecError
        Another format, or no ``layers``.
    """
    found = data.get("format") if isinstance(data, dict) else None
    if not isinstance(data, dict) or found != form:
        raise SpecError(f"{where}: not {kind} file (format {found!r}, expected {form!r})")
    content = {k: value for k, value in data.items() if k not in ("format", DIGEST, THROUGHPUT)}
    content[rows] = renamed(content, "layers", rows, where)
    return content


def parse_result(kind: type[Result], content: dict[str, Any], rows: str, where: str) -> Result:
    """A result of its file's content, in whose faults ``rows`` are called ``layers`` again.

    Raises
    ------
    SpecError
        Naming ``where`` and what is wrong.
    """
    try:
        return parse(kind, content, where)
    except SpecError as error:
        raise SpecError(str(error).replace(rows, "layers")) from None


def with_digest(content: dict[str, Any]) -> dict[str, Any]:
    """A file's content with the digest of all of it but the seconds taken.

    `codesign.check` compares it, so that nothing in the file can be altered unnoticed.
    """
    solver = content.get("solver")
    if solver is None:
        return {**content, DIGEST: digest(content)}
    untimed = {key: value for key, value in solver.items() if key not in TIMES}
    return {**content, DIGEST: digest({**content, "solver": untimed})}
