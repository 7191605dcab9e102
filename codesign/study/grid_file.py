"""The file of a grid: TOML with a ``name``, a ``[grid]`` and, for fronts, a ``[front]``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from numbers import Real
from pathlib import Path
from typing import Any

from codesign.errors import SpecError
from codesign.files import expecting, read_toml
from codesign.problem.goal import front_objectives
from codesign.problem.metrics import by_metric
from codesign.specs.schema import nearest

KEYS = ("name", "grid", "front")
FRONT_KEYS = ("objectives", "points", "ranges", "rel_step")
FRONT_OBJECTIVES = ("latency_s", "area_mm2")
FRONT_POINTS = 20
MAX_POINTS = 10**6
MAX_END = 1e30
NOT_OF_FRONTS = ("minimize", "regret_of", "method", "rel_gap", "ties")


def read_study(path: Path) -> dict[str, Any]:
    """Name, grid and front of a study file.

    Raises
    ------
    SpecError
        Unreadable, not TOML, or keys that are no study's.
    """
    with expecting(path, "study"):
        content = read_toml(path)
        _check_keys(content, KEYS, str(path))
        for key in ("grid", "front"):
            if not isinstance(content.get(key, {}), Mapping):
                raise SpecError(f"{path}: {key}: must be a table, [{key}]")
        if "grid" not in content:
            raise SpecError(f"{path}: grid: missing")
        reserved = [key for key in ("name", "front", "folder") if key in content["grid"]]
        if reserved:
            raise SpecError(f"{path}: grid: unknown {reserved[0]!r}")
        return {"name": path.stem, **content}


def inside(folder: Path, allowed: Iterable[str | Path] = ()) -> Callable[[Path], Path]:
    """Where a path in a study file leads: from the file's folder, and not out of it.

    A file from elsewhere thus cannot read whatever it names. Links are followed first.

    Parameters
    ----------
    allowed : iterable of str or Path
        Further folders that may be read.

    Raises
    ------
    SpecError
        An allowed folder is none; and, by the function returned, for a path outside of all.
    """
    folders = [folder.resolve()]
    for other in map(Path, allowed):
        if not other.is_dir():
            raise SpecError(f"{other}: no such folder to allow")
        folders.append(other.resolve())

    def located(path: Path) -> Path:
        try:
            true_path = (folder / path).resolve()
        except RuntimeError:
            raise SpecError(f"{path}: a link to itself") from None
        if not any(true_path.is_relative_to(known) for known in folders):
            raise SpecError(
                f"{path}: outside the study's folder; allow the folder it is in with --allow "
                "(in Python: allow)"
            )
        return folder / path

    return located


def front_terms(front: Mapping[str, Any], grid: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `codesign.pareto`, checked as far as that is possible before any solve.

    Raises
    ------
    SpecError
        Unknown keys or metrics, or words in the grid that mean nothing to a front.
    """
    if not isinstance(front, Mapping):
        raise SpecError(f"front: {front!r}: give a table")
    _check_keys(front, FRONT_KEYS, "front")
    for word in NOT_OF_FRONTS:
        if word in grid:
            raise SpecError(f"{word}: has no meaning for fronts")
    objectives = front.get("objectives", FRONT_OBJECTIVES)
    if not isinstance(objectives, list | tuple):
        raise SpecError("front.objectives: give a list of metrics")
    objectives = list(front_objectives(objectives, "front.objectives"))
    points = front.get("points", FRONT_POINTS)
    points = None if points == "all" else points
    if points is not None and (
        type(points) is not int or not len(objectives) <= points <= MAX_POINTS
    ):
        raise SpecError(
            f"front.points: {points!r}: give 'all' or a whole number, one for each end at least "
            f"and {MAX_POINTS:,} at most"
        )
    if points is not None and front.get("rel_step"):
        raise SpecError("front.rel_step: says how far points = 'all' goes; give both")
    return {
        "objectives": objectives,
        "points": points,
        "ranges": _ranges(front.get("ranges", {}), objectives),
        "rel_step": _step(front.get("rel_step", 0.0)),
    }


def _ranges(ranges: Any, objectives: list[str]) -> dict[str, list[float]]:
    if not isinstance(ranges, Mapping):
        raise SpecError("front.ranges: give a table of two values for each objective")
    read = {}
    for name, ends in by_metric(ranges).items():
        if name not in objectives:
            raise SpecError(f"front.ranges: {name!r} is no objective ({', '.join(objectives)})")
        given = [] if isinstance(ends, str | Mapping) or not isinstance(ends, Iterable) else [*ends]
        numbers = all(isinstance(end, Real) and not isinstance(end, bool) for end in given)
        if len(given) != 2 or not numbers or not 0 <= given[0] < given[1] <= MAX_END:
            raise SpecError(f"front.ranges.{name}: give a lower and a higher end")
        read[name] = [float(end) for end in given]
    return read


def _step(step: Any) -> float:
    if isinstance(step, bool) or not isinstance(step, int | float) or not 0 <= step < 1:
        raise SpecError(f"front.rel_step: {step!r}: give a number of at least 0 and below 1")
    return float(step)


def _check_keys(given: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in given:
        if key not in known:
            raise SpecError(
                f"{where}: unknown {key!r}{nearest(key, known)} (known: {', '.join(known)})"
            )
