"""How the values of options are read from the command line.

Only click and the standard library are imported, so that ``--help`` is immediate.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from codesign.problem.metrics import COST, WORDS, is_cost, meant, word_of


def number(low: float, high: float) -> Callable[[str], float]:
    """A reader of finite numbers within a range."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise click.BadParameter(f"{text!r} is not a number.") from None
        if low > 0 and not value > 0:  # not-a-number included
            raise click.BadParameter(f"{text!r} is not a positive number.")
        if not low <= value <= high:
            raise click.BadParameter(f"{text!r} is not between {low:g} and {high:g}.")
        return value

    return read


def whole_numbers(high: int) -> Callable[[str], tuple[int, ...]]:
    """A reader of comma-separated whole numbers from 1 to ``high``."""

    def read(text: str) -> tuple[int, ...]:
        try:
            values = tuple(int(word) for word in text.split(","))
        except ValueError:
            raise click.BadParameter(
                f"{text!r}: write whole numbers separated by commas, as in 4,6,8."
            ) from None
        for value in values:
            if not 1 <= value <= high:
                raise click.BadParameter(f"{value} is not between 1 and {high}.")
        return values

    return read


def numbers(low: float, high: float) -> Callable[[str], tuple[float, ...]]:
    """A reader of comma-separated numbers within a range."""
    one = number(low, high)
    return lambda text: tuple(one(word) for word in text.split(","))


LIMIT = number(1e-30, 1e15)


def pin(text: str) -> tuple[str, int]:
    """Read ``weight:conv1=8``: an operand and its given width."""
    key, _, bits = text.rpartition("=")
    if key.partition(":")[0] not in ("weight", "tensor") or not bits.isdecimal():
        raise click.BadParameter(
            f"{text!r}: write weight:LAYER=BITS or tensor:TENSOR=BITS, as in weight:conv1=8."
        )
    return key, whole_numbers(32)(bits)[0]


def cost(text: str) -> tuple[str, Path]:
    """Read ``energy=table.csv``: a cost of one's own and its table."""
    name, _, path = text.partition("=")
    if not is_cost(COST + name) or not path:
        raise click.BadParameter(f"{text!r}: write NAME=TABLE.csv, as in energy=energy.csv.")
    return name, Path(path)


def cost_limit(text: str) -> tuple[str, float]:
    """Read ``energy=3.5``: a cost of one's own and its limit."""
    name, _, limit = text.partition("=")
    if not is_cost(COST + name) or not limit:
        raise click.BadParameter(f"{text!r}: write NAME=X, as in energy=3.5.")
    return name, LIMIT(limit)


def group(text: str) -> tuple[str, ...]:
    """Read ``weight:conv1,weight:layer1.*``: operands, or patterns of such, of one common width."""
    words = tuple(word.strip() for word in text.split(","))
    for word in words:
        kind, _, name = word.partition(":")
        if kind not in ("weight", "tensor") or not name:
            raise click.BadParameter(
                f"{word!r}: write weight:LAYER or tensor:TENSOR, as in weight:conv1,weight:conv2."
            )
    return words


def dim(text: str) -> tuple[str, int]:
    """Read ``sequence=128``: a symbolic dimension of an ONNX file and its size."""
    name, _, size = text.rpartition("=")
    if not name or not size.isdecimal() or not 1 <= int(size) <= 10**9:
        raise click.BadParameter(f"{text!r}: write NAME=SIZE, as in sequence=128.")
    return name, int(size)


def objectives(text: str) -> tuple[str, ...]:
    """Read ``latency,area``: two or three metrics."""
    words = tuple(word_of(word.strip()) for word in text.split(","))
    for word in words:
        if word not in WORDS:
            raise click.BadParameter(f"{word!r} is none of {', '.join(WORDS)}{meant(word, WORDS)}.")
    if len(set(words)) != len(words) or not 2 <= len(words) <= 3:
        raise click.BadParameter(f"{text!r}: write two or three different ones, as in latency,area")
    return words


def span(text: str) -> tuple[str, float, float]:
    """Read ``area=1:16``: an objective and the ends of its range, in the unit of its limit."""
    word, _, ends = text.partition("=")
    low, _, high = ends.partition(":")
    word = word_of(word)
    if word not in WORDS or not low or not high:
        raise click.BadParameter(f"{text!r}: write OBJECTIVE=LOW:HIGH, as in area=1:16.")
    bounds = number(0, 1e15)(low), number(0, 1e15)(high)
    if not bounds[0] < bounds[1]:
        raise click.BadParameter(f"{text!r}: the lower end comes first.")
    return word, *bounds


class Metric(click.Choice):  # type: ignore[type-arg]
    """One of a few metrics, by either of its names; read as the word of the command line.

    With ``costs`` also ``cost:NAME``.
    """

    costs = False

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        if self.costs and is_cost(str(value)):
            return str(value)
        return str(super().convert(word_of(str(value)), param, ctx))
