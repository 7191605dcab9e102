"""What results of every kind have in common as files: JSON, self-contained, of a named format."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

from codesign.errors import SpecError
from codesign.files import digest, expecting, kind_text, read_json, write_json
from codesign.specs.schema import Displayed, parse, renamed
from codesign.specs.seam import done_by

DIGEST = "sha256"
# Follow from the rest, for readers of the file; absent from older ones.
THROUGHPUT, ENERGY, KV_CACHE = "throughput", "energy", "kv_cache_bits"
NOT_READ = ("format", DIGEST, THROUGHPUT, ENERGY, KV_CACHE)
TIMES = ("seconds", "solver_s")  # what equal runs differ in
Result = TypeVar("Result", bound="ResultFile")


class ResultFile(Displayed):
    """A result with a JSON file of its own.

    Attributes
    ----------
    FORMAT : str
        What the file says of itself, as ``codesign-design/1``.
    """

    FORMAT: ClassVar[str]

    def save(self, path: str | Path) -> None:
        """Write the result's file (JSON, in the format of its kind), whole or not at all.

        Raises
        ------
        SpecError
            The file cannot be written.
        """
        write_json(Path(path), self.to_dict())

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read the file of a result of this kind.

        Raises
        ------
        SpecError
            Unreadable, or of another kind.
        """
        path = Path(path)
        with expecting(path, cls._kind()):
            return cls.from_dict(read_json(path), str(path))

    @done_by("results.html.report:report_result")
    def report(
        self,
        path: str | Path,
        *,
        explanation: Any = None,
        certificate: str | Path | None = None,
    ) -> None:
        """Write a page (.html) for a browser, self-contained; see `codesign.report`.

        Raises
        ------
        SpecError
            As of `codesign.report`.
        """

    def to_dict(self) -> dict[str, Any]:
        """The content of the result's file."""
        raise NotImplementedError

    @classmethod
    def from_dict(cls, data: Any, where: str) -> Self:
        """A result from the content of its file.

        Raises
        ------
        SpecError
            Naming ``where`` and what is wrong.
        """
        raise NotImplementedError

    @classmethod
    def _kind(cls) -> str:
        """What `codesign.files.kind_of` calls such a file: ``design``."""
        return cls.FORMAT.removeprefix("codesign-").partition("/")[0]

    @classmethod
    def _check_format(cls, data: Any, where: str) -> None:
        """Refuse the content of a file of another kind."""
        found = data.get("format") if isinstance(data, dict) else None
        if found != cls.FORMAT:
            kind = kind_text(cls._kind())
            raise SpecError(f"{where}: not {kind} (format {found!r}, expected {cls.FORMAT!r})")


def read_content(kind: type[ResultFile], rows: str, data: Any, where: str) -> dict[str, Any]:
    """A file's content but its format and digest, the file's ``layers`` under the name ``rows``.

    Their name differs, for a result's ``layers`` are a table.
    """
    kind._check_format(data, where)
    content = {k: value for k, value in data.items() if k not in NOT_READ}
    content[rows] = renamed(content, "layers", rows, where)
    return content


def parse_content(kind: type[Result], rows: str, content: dict[str, Any], where: str) -> Result:
    """A result of its file's content, in whose faults ``rows`` are called ``layers`` again."""
    try:
        return parse(kind, content, where)
    except SpecError as error:
        raise SpecError(str(error).replace(rows, "layers")) from None


def with_digest(content: dict[str, Any]) -> dict[str, Any]:
    """A file's content with the digest of all of it but the seconds taken.

    `codesign.check` compares it, so that nothing in the file can be altered unnoticed.
    """
    timeless = dict(content)
    if "solver" in content:
        timeless["solver"] = {k: x for k, x in content["solver"].items() if k not in TIMES}
    return {**content, DIGEST: digest(timeless)}
