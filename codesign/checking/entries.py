"""Parsed JSON read entry by entry: each value by its kind and range, each fault with its path."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any, NoReturn

from codesign.checking.findings import Ledger, Unreadable

MOST_COUNT = 10**9  # of a loop bound or the elements of a tensor
LEAST, MOST = Fraction(1e-30), Fraction(1e30)  # of given numbers, as descriptions take them


@dataclass(frozen=True)
class Entry:
    """A value with its path in the file.

    Methods that read a value as a kind note a finding and raise `Unreadable` where it is none.
    """

    where: str
    value: Any
    ledger: Ledger

    def fault(self, expected: str) -> NoReturn:
        """Note that this is not what is expected, and give up on what depends on it."""
        self.ledger.wrong(self.where or "file", self.value, expected)
        raise Unreadable

    def __getitem__(self, key: str) -> Entry:
        """The entry of a table; it must be there."""
        if not isinstance(self.value, dict):
            self.fault("a table")
        if key not in self.value:
            self.ledger.wrong(self._path(key), None, "an entry: it is missing")
            raise Unreadable
        return Entry(self._path(key), self.value[key], self.ledger)

    def get(self, key: str, default: Any) -> Entry:
        """The entry of a table, or a default in its place."""
        if not isinstance(self.value, dict):
            self.fault("a table")
        return Entry(self._path(key), self.value.get(key, default), self.ledger)

    def table(self) -> dict[str, Entry]:
        """Entries by key."""
        if not isinstance(self.value, dict):
            self.fault("a table")
        return {key: Entry(self._path(key), x, self.ledger) for key, x in self.value.items()}

    def _path(self, key: str) -> str:
        return f"{self.where}.{key}" if self.where else key

    def known_keys(self, known: Iterable[str]) -> None:
        """Note every key of a table that is none of those known."""
        for key, entry in self.table().items():
            if key not in known:
                self.ledger.wrong(entry.where, entry.value, "no entry of this name")

    def items(self) -> list[Entry]:
        """Entries of a list; tables that have a name with it in their path."""
        if not isinstance(self.value, list):
            self.fault("a list")
        found = []
        for n, value in enumerate(self.value):
            name = value.get("name") if isinstance(value, dict) else None
            named = f" ({name!r})" if isinstance(name, str) else ""
            found.append(Entry(f"{self.where}[{n}]{named}", value, self.ledger))
        return found

    def whole(self, least: int = 1, most: int = MOST_COUNT) -> int:
        """A whole number within a range."""
        if type(self.value) is not int or not least <= self.value <= most:
            self.fault(f"a whole number from {least} to {most:.4g}")
        return int(self.value)

    def _exact(self) -> Fraction:
        """A finite number, exactly."""
        finite = type(self.value) is float and math.isfinite(self.value)
        if not finite and type(self.value) is not int:
            self.fault("a number")
        return Fraction(self.value)

    def number(self, least: int | None = None) -> Fraction:
        """A given number, exactly."""
        value = self._exact()
        if abs(value) > MOST:
            self.fault("a number")
        if least is not None and value < least:
            self.fault(f"a number of at least {least}")
        return value

    def positive(self) -> Fraction:
        """A given number above 0, exactly."""
        value = self._exact()
        if not LEAST <= value <= MOST:
            self.fault("a number above 0")
        return value

    def decimal(self) -> Fraction:
        """A given number above 0, as its decimal digits say it."""
        self.positive()
        return Fraction(repr(self.value))

    def share(self, most_digits: int) -> Fraction:
        """A given number from 0 to 1, as its decimal digits say it."""
        value = Fraction(repr(self.value)) if 0 <= self._exact() <= 1 else Fraction(-1)
        if value < 0 or (value * 10**most_digits).denominator > 1:
            self.fault(f"a number from 0 to 1 of at most {most_digits} decimal places")
        return value

    def figure(self) -> Fraction:
        """A derived number of at least 0, exactly: given ones make it as large as they make it."""
        value = self._exact()
        if value < 0:
            self.fault("a number of at least 0")
        return value

    def text(self, known: Iterable[str] | None = None) -> str:
        """A text; one of those known."""
        if not isinstance(self.value, str) or (known is not None and self.value not in known):
            self.fault("a text" if known is None else f"one of {', '.join(known)}")
        return str(self.value)

    def flag(self) -> bool:
        """True or false."""
        if not isinstance(self.value, bool):
            self.fault("true or false")
        return bool(self.value)

    def texts(self) -> tuple[str, ...]:
        """A list of texts."""
        return tuple(item.text() for item in self.items())

    def ascending(self, most: int) -> tuple[int, ...]:
        """A list of one or more whole numbers from 1, each larger than the one before."""
        numbers = tuple(item.whole(1, most) for item in self.items())
        if not numbers or any(a >= b for a, b in pairwise(numbers)):
            self.fault("one or more whole numbers, ascending")
        return numbers
