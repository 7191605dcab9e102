"""Result files with one number altered, and what the check says of them."""

from __future__ import annotations

import copy
import random
import re
from collections.abc import Callable, Iterator
from typing import Any

from codesign.checking import check_content

Path_ = tuple[Any, ...]


def findings(content: Any) -> list[str]:
    """What the check of this content says is wrong."""
    return [str(finding) for finding in check_content(content, "given.json").findings]


def matches(pattern: str, path: Path_) -> bool:
    """Whether a path, its parts joined by dots, is of this pattern."""
    return re.fullmatch(pattern, ".".join(map(str, path))) is not None


def is_time(_content: Any, path: Path_) -> bool:
    """Whether a number only says how long something took."""
    return matches(r"solver\.(seconds|solver_s)", path)


def numbers(content: Any, path: Path_ = ()) -> Iterator[tuple[Path_, int | float]]:
    """Every number of a file with its path."""
    entries = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in entries:
        if isinstance(value, dict | list):
            yield from numbers(value, (*path, key))
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield (*path, key), value


def at(content: Any, path: Path_) -> Any:
    """The entry at a path."""
    for key in path:
        content = content[key]
    return content


def put(content: Any, path: Path_, value: Any) -> Any:
    """A copy with one entry altered."""
    altered = inner = copy.copy(content)
    for key in path[:-1]:  # what is not on the path is shared
        inner[key] = inner = copy.copy(inner[key])
    inner[path[-1]] = value
    return altered


def alterations(content: Any, path: Path_, value: int | float) -> Iterator[Any]:
    """Copies with one number larger, a little larger, negative, halved or swapped with another."""
    changed: list[Any] = [value + 1, -value, value // 2, float(value) + 0.5]
    changed.append(value * 1.001 if isinstance(value, float) else value * 1001 // 1000)
    changed.append(value * (1 + 1e-10) if isinstance(value, float) else value - 1)
    for other in dict.fromkeys(changed):
        if abs(other - value) > 1e-11 * abs(value):  # more than rounding
            yield put(content, path, other)
    beside = at(content, path[:-1])
    siblings = beside if isinstance(beside, dict) else range(len(beside))
    for key in siblings:
        other = beside[key]
        if isinstance(other, int | float) and not isinstance(other, bool) and other != value:
            swapped = put(content, path, other)
            at(swapped, path[:-1])[key] = value
            yield swapped
            break


def unnoticed(
    content: Any,
    free: Callable[[Any, Path_], bool] = is_time,
    most: int = 10**6,
    ways: int = 4,
) -> list[str]:
    """Paths of numbers that can be altered in some way unnoticed, but those that are free.

    Of so many numbers drawn at random, each altered in so many ways.
    """
    every, rng = [*numbers(content)], random.Random(1)
    chosen = rng.sample(every, min(most, len(every)))
    found = []
    for path, value in chosen:
        if free(content, path):
            continue
        altered = [*alterations(content, path, value)]
        if any(not findings(one) for one in rng.sample(altered, min(ways, len(altered)))):
            found.append(".".join(map(str, path)))
    return found
