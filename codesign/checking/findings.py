"""What a check found: figures that hold, and those that are wrong, where, and what is right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from codesign.errors import printable

TOLERANCE = Fraction(1, 10**12)  # relative, of figures a file gives as floating-point numbers
MOST_SHOWN = 80  # characters of a value
MOST_TEXT = 500  # characters of a path or of what is expected


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes
    ----------
    where : str
        Path in the file: ``layers[3] ('conv1').cycles``.
    found, expected : str
    """

    where: str
    found: str
    expected: str

    def __str__(self) -> str:
        return f"{self.where}: found {self.found}, expected {self.expected}"


@dataclass(frozen=True)
class Report:
    """Outcome of a check.

    Attributes
    ----------
    figures : int
        Figures compared with what they should be.
    findings : tuple of Finding
        Those that are wrong; none where all hold.
    proven : bool or None
        Whether the certificate proves the design's status without trusting the solver anywhere;
        None where no certificate was checked.
    notes : tuple of str
        What was not checked or is taken on trust, and what a certificate proves.
    """

    figures: int
    findings: tuple[Finding, ...]
    proven: bool | None = None
    notes: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings


class Unreadable(Exception):
    """Raised where what follows makes no sense; the finding is already noted.

    Whatever reads or checks an entry may raise it; `check_content` catches it.
    """


@dataclass
class Ledger:
    """Collects findings and counts what was compared."""

    figures: int = 0
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def wrong(self, where: str, found: object, expected: str) -> None:
        """Note something wrong."""
        self.findings.append(Finding(short_line(where), shown(found), short_line(expected)))

    def holds(self, where: str, right: bool, found: object, expected: str) -> bool:
        """Count a figure that must be as said; note it where it is not."""
        self.figures += 1
        if not right:
            self.wrong(where, found, expected)
        return right

    def same(self, where: str, found: object, expected: object) -> bool:
        """Count a figure that must be exactly as expected."""
        right = type(found) is type(expected) and found == expected
        return self.holds(where, right, found, shown(expected))

    def close(
        self, where: str, found: Fraction, expected: Fraction, terms: Sequence[Fraction] = ()
    ) -> bool:
        """Count a figure that must be as expected up to the rounding of floating-point numbers.

        Parameters
        ----------
        terms : sequence of Fraction
            Of a sum in which they may cancel: it is rounded as they are.
        """
        size = sum(map(abs, terms)) or abs(expected)
        right = abs(found - expected) <= TOLERANCE * size
        return self.holds(where, right, found, shown(expected))

    def report(self, proven: bool | None = None) -> Report:
        """All that was found."""
        return Report(self.figures, tuple(self.findings), proven, tuple(self.notes))


def shown(value: object) -> str:
    """A value in one short line; exact fractions as the nearest floating-point number."""
    if isinstance(value, Fraction):
        whole = value.denominator == 1 and abs(value) < 10**21  # beyond, digits say nothing
        text = str(value.numerator) if whole else _decimal(value)
    else:
        text = repr(value)
    text = short_line(text)
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 3]}..."


def _decimal(value: Fraction) -> str:
    try:
        return repr(float(value))
    except OverflowError:
        return f"about 10^{len(str(int(abs(value)))) - 1}"


def short_line(text: str) -> str:
    """The text as one printable line of sensible length."""
    if len(text) > MOST_TEXT:
        text = f"{text[: MOST_TEXT // 2]} … {text[-MOST_TEXT // 2 :]}"
    return printable(text)
