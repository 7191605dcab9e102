"""How the words of a problem are read from text, on the command line and in a study's grid.

Each reader takes the text of one value and raises `ValueError` with a sentence for one that does
not fit. Only the standard library is imported, so that ``--help`` is immediate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codesign.problem.metrics import COST, INTERVAL, WORDS, is_cost, meant, word_of
from codesign.problem.places import PLACES, Place
from codesign.units import kind_of

Reader = Callable[[str], Any]
Pin = tuple[str, int | Place]  # an operand and its width, or a tensor and its place


@dataclass(eq=False, repr=False)
class Number:
    """Reads a finite number within a range."""

    low: float
    high: float

    def __call__(self, text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise ValueError(f"{text!r} is not a number.") from None
        if self.low > 0 and not value > 0:  # not-a-number included
            raise ValueError(f"{text!r} is not a positive number.")
        if not self.low <= value <= self.high:
            raise ValueError(f"{text!r} is not between {self.low:g} and {self.high:g}.")
        return value


@dataclass(eq=False, repr=False)
class WholeNumber:
    """Reads a whole number within a range."""

    low: int
    high: int

    def __call__(self, text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise ValueError(f"{text!r} is not a valid integer range.") from None
        if not self.low <= value <= self.high:
            raise ValueError(f"{value} is not in the range {self.low}<=x<={self.high}.")
        return value


@dataclass(eq=False, repr=False)
class Numbers:
    """Reads numbers separated by commas, each by itself."""

    one: Number

    def __call__(self, text: str) -> tuple[float, ...]:
        return tuple(self.one(word) for word in text.split(","))


@dataclass(eq=False, repr=False)
class WholeNumbers:
    """Reads whole numbers from 1 on, separated by commas."""

    high: int

    def __call__(self, text: str) -> tuple[int, ...]:
        try:
            values = tuple(int(word) for word in text.split(","))
        except ValueError:
            raise ValueError(
                f"{text!r}: write whole numbers separated by commas, as in 4,6,8."
            ) from None
        for value in values:
            if not 1 <= value <= self.high:
                raise ValueError(f"{value} is not between 1 and {self.high}.")
        return values


@dataclass(eq=False, repr=False)
class OneOf:
    """Reads one of a few words."""

    known: tuple[str, ...]

    def __call__(self, text: str) -> str:
        if text not in self.known:
            raise ValueError(f"{text!r} is not one of {', '.join(map(repr, self.known))}.")
        return text


@dataclass(eq=False, repr=False)
class SomeOf:
    """Reads some of a few words, separated by commas, in the order in which they are known."""

    known: tuple[str, ...]

    def __call__(self, text: str) -> tuple[str, ...]:
        one = OneOf(self.known)
        given = {one(word.strip()) for word in text.split(",")}
        return tuple(word for word in self.known if word in given)


@dataclass(eq=False, repr=False)
class OneMetric:
    """Reads one of a few metrics, by either of its names, as the word of the command line.

    With ``costs`` also ``cost:NAME``.
    """

    known: tuple[str, ...]
    costs: bool = False

    def __call__(self, text: str) -> str:
        return text if self.costs and is_cost(text) else OneOf(self.known)(word_of(text))


LIMIT = Number(1e-30, 1e15)
ONE_WIDTH, WIDTHS = WholeNumber(1, 32), WholeNumbers(32)


Limits = float | dict[str | None, float]  # of all alike, or by member of a suite, None for others


def limits(texts: Sequence[str], read: Callable[[str], float] = LIMIT) -> Limits:
    """Read ``2``, or ``resnet18=2,vit_b_16=8``: a limit, or those of several networks by name.

    What has no name is for those that are not named.

    Parameters
    ----------
    texts : sequence of str
        What is said, once or more.
    read : callable
        Reads one limit.
    """
    if len(texts) == 1 and "=" not in texts[0]:
        return read(texts[0])
    found: dict[str | None, float] = {}
    for part in ",".join(texts).split(","):
        name, sign, amount = part.strip().rpartition("=")
        key = name if sign else None
        if key in found or key == "":
            said = " ".join(texts)
            raise ValueError(f"{said!r}: write X, or NAME=X once for each network.")
        found[key] = read(amount)
    return found


def pin(text: str) -> Pin:
    """Read ``weight:conv1=8``, an operand and its width, or ``chip:x``, a tensor and its place."""
    kind, _, name = text.partition(":")
    places = {str(place): place for place in PLACES}
    if kind in places and name:
        return name, places[kind]
    if kind not in ("weight", "tensor"):
        raise ValueError(
            f"{text!r}: write weight:LAYER=BITS, tensor:TENSOR=BITS, chip:TENSOR, dram:TENSOR or "
            "band:TENSOR, as in weight:conv1=8."
        )
    return width_pin(text)


def width_pin(text: str) -> tuple[str, int]:
    """Read ``weight:conv1=8``: an operand and its given width."""
    key, _, bits = text.rpartition("=")
    if key.partition(":")[0] not in ("weight", "tensor") or not bits.isdecimal():
        raise ValueError(
            f"{text!r}: write weight:LAYER=BITS or tensor:TENSOR=BITS, as in weight:conv1=8."
        )
    return key, WIDTHS(bits)[0]


def group(text: str) -> tuple[str, ...]:
    """Read ``weight:conv1,weight:layer1.*``: operands, or patterns of such, of one common width."""
    words = tuple(word.strip() for word in text.split(","))
    for word in words:
        kind, _, name = word.partition(":")
        if kind not in ("weight", "tensor") or not name:
            raise ValueError(
                f"{word!r}: write weight:LAYER or tensor:TENSOR, as in weight:conv1,weight:conv2."
            )
    return words


def cycle_factor(text: str) -> tuple[str, str]:
    """Read ``3x3=4/9``: a kernel and the factor on the cycles of its layers."""
    from codesign.specs.machine import KERNEL, MOST_FACTOR, is_factor

    kernel, _, factor = text.partition("=")
    if not KERNEL.fullmatch(kernel):
        raise ValueError(f"{text!r}: write KERNEL=X, as in 3x3=4/9, or 3x3s1=4/9 for strides of 1.")
    if not is_factor(factor):
        raise ValueError(
            f"{text!r}: a factor is above 0 and at most {MOST_FACTOR}, as in 3x3=4/9 or 3x3=0.5."
        )
    return kernel, factor


def cost(text: str) -> tuple[str, Path]:
    """Read ``energy=table.csv``: a cost of one's own and its table."""
    name, _, path = text.partition("=")
    if not is_cost(COST + name) or not path:
        raise ValueError(f"{text!r}: write NAME=TABLE.csv, as in energy=energy.csv.")
    return name, Path(path)


def cost_limit(text: str) -> tuple[str, float]:
    """Read ``energy=3.5``: a cost of one's own and its limit."""
    name, _, limit = text.partition("=")
    if not is_cost(COST + name) or not limit:
        raise ValueError(f"{text!r}: write NAME=X, as in energy=3.5.")
    return name, LIMIT(limit)


def dim(text: str) -> tuple[str, int]:
    """Read ``sequence=128``: a symbolic dimension of an ONNX file and its size."""
    name, _, size = text.rpartition("=")
    if "=" in name:
        again = " ".join(f"--dim {part.strip()}" for part in text.split(","))
        raise ValueError(f"{text!r}: one dimension each time: {again}.")
    if not name or not size.isdecimal() or not 1 <= int(size) <= 10**9:
        raise ValueError(f"{text!r}: write NAME=SIZE, as in sequence=128.")
    return name, int(size)


def model_input(text: str) -> tuple[str, tuple[float | bool, ...]]:
    """Read ``sr=16000``, ``flag=true`` or ``shape=1,3,4``: the value of an input of a model."""
    name, _, words = text.rpartition("=")
    if not name or not words:
        raise ValueError(f"{text!r}: write NAME=VALUE, as in sr=16000, flag=true or shape=1,3,4.")
    return name, tuple(_input_number(word.strip()) for word in words.split(","))


def _input_number(word: str) -> float | bool:
    if word.lower() in ("true", "false"):
        return word.lower() == "true"
    try:
        return int(word)
    except ValueError:
        return Number(-1e308, 1e308)(word)


def objectives(text: str) -> tuple[str, ...]:
    """Read ``latency,area``: two or three metrics."""
    words = tuple(word_of(word.strip()) for word in text.split(","))
    known = (*WORDS, word_of(INTERVAL))
    for word in words:
        if kind_of(word) not in known:
            raise ValueError(f"{word!r} is none of {', '.join(known)}{meant(word, known)}.")
    if len(set(words)) != len(words) or not 2 <= len(words) <= 3:
        raise ValueError(f"{text!r}: write two or three different ones, as in latency,area")
    return words


def span(text: str) -> tuple[str, float, float]:
    """Read ``area=1:16``: an objective and the ends of its range, in the unit of its limit."""
    word, _, ends = text.partition("=")
    low, _, high = ends.partition(":")
    word = word_of(word)
    if kind_of(word) not in WORDS or not low or not high:
        raise ValueError(f"{text!r}: write OBJECTIVE=LOW:HIGH, as in area=1:16.")
    bounds = Number(0, 1e15)(low), Number(0, 1e15)(high)
    if not bounds[0] < bounds[1]:
        raise ValueError(f"{text!r}: the lower end comes first.")
    return word, *bounds
