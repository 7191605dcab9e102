"""The file of a grid: TOML with a ``name``, a ``[grid]`` and, for fronts, a ``[front]``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from codesign.errors import SpecError
from codesign.options import OBJECTIVES
from codesign.problem import METRICS
from codesign.schema import nearest
from codesign.text_files import read_text

KEYS = ("name", "grid", "front")
FRONT_KEYS = ("objectives", "points", "ranges", "rel_step")
FRONT_OBJECTIVES = ("latency_s", "area_mm2")
FRONT_POINTS = 20
NOT_OF_FRONTS = ("minimize", "method", "rel_gap")


def read_study(path: Path) -> dict[str, Any]:
    """Name, grid and front of a study file.

    Raises
    ------
    SpecError
        Unreadable, not TOML, or keys that are no study's.
    """
    try:
        content = tomllib.loads(read_text(path))
    except ValueError as error:
        raise SpecError(f"{path}: not TOML: {error}") from None
    except RecursionError:
        raise SpecError(f"{path}: not a study: nested too deeply") from None
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


def front_terms(front: Mapping[str, Any], grid: Mapping[str, Any]) -> dict[str, Any]:
    """What `codesign.pareto` is told, checked as far as that is possible before any solve.

    Raises
    ------
    SpecError
        Unknown keys or metrics, or words in the grid that mean nothing to a front.
    """
    _check_keys(front, FRONT_KEYS, "front")
    for word in NOT_OF_FRONTS:
        if word in grid:
            raise SpecError(f"{word}: has no meaning for fronts")
    objectives = front.get("objectives", FRONT_OBJECTIVES)
    if not isinstance(objectives, list | tuple):
        raise SpecError("front.objectives: give a list of metrics")
    objectives = [OBJECTIVES.get(str(word), word) for word in objectives]
    for metric in objectives:
        if metric not in METRICS:
            raise SpecError(
                f"front.objectives: unknown {metric!r}{nearest(str(metric), METRICS)} "
                f"(known: {', '.join(METRICS)})"
            )
    if len(set(objectives)) != len(objectives) or not 2 <= len(objectives) <= 3:
        raise SpecError("front.objectives: give two or three different metrics")
    points = front.get("points", FRONT_POINTS)
    points = None if points == "all" else points
    if points is not None and (type(points) is not int or points < len(objectives)):
        raise SpecError(
            f"front.points: {points!r}: give 'all' or a whole number, one for each end at least"
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
    for name, ends in ranges.items():
        if name not in objectives:
            raise SpecError(f"front.ranges: {name!r} is no objective ({', '.join(objectives)})")
        try:
            low, high = (float(end) for end in ends)
        except (TypeError, ValueError):
            raise SpecError(f"front.ranges.{name}: give a lower and a higher end") from None
        if not 0 <= low < high < float("inf"):
            raise SpecError(f"front.ranges.{name}: give a lower and a higher end")
        read[name] = [low, high]
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
