"""The file of a front: its table of points as CSV, and what belongs to the front as a whole.

The latter is JSON in the first row of the last column, ``front``, in the metrics' own units. A
table without that column tells neither the question nor what was ruled out. All as one JSON
(``codesign-front/1``) is what ``codesign pareto --json`` prints.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

from codesign.costs.layers import Amount
from codesign.errors import SpecError
from codesign.files import expecting, read_json, read_text, write_atomically
from codesign.problem.metrics import METRICS
from codesign.problem.problem import Metric
from codesign.results.front import Front, Ruled
from codesign.results.records import ProofRecord
from codesign.results.tables import front_frame
from codesign.results.views import Named, Outline, Question, Row
from codesign.specs.accelerator import Hardware
from codesign.specs.schema import parse, spec_dataclass

FORMAT = "codesign-front/1"
WHOLE = "front"
ROOFS = ("compute", "memory")
OTHERS = ("memory_bound_share", "minimised", "seconds")
MOST_CELL = 64 * 2**20  # characters; a file is no larger

Limits = Mapping[Metric, Amount]


@spec_dataclass
class Rule:
    """As `Ruled`, with what is infinite left out."""

    limits: Limits
    bound: Amount | None


@spec_dataclass
class Whole:
    """What belongs to a front as a whole, and the budgets that each of its points was found in."""

    network: str
    technology: str
    objectives: tuple[Metric, ...]
    budgets: Limits
    quality: str | None
    point_budgets: tuple[Limits, ...]
    ruled_out: tuple[Rule, ...]
    complete: bool
    rel_step: Amount
    gap: Amount | None
    seconds: Amount
    interrupted: bool


def save(front: Front, path: str | Path) -> None:
    """Write a front's file, whole or not at all."""
    frame = front_frame(front)
    frame[WHOLE] = [json.dumps(_whole(front)) if row == 0 else "" for row in range(len(frame))]
    write_atomically(Path(path), str(frame.to_csv(index=False)))


def to_dict(front: Front) -> dict[str, Any]:
    """All that is known of a front, as ``--json`` prints it."""
    return {"format": FORMAT, **_whole(front), "points": front_frame(front).to_dict("records")}


def _whole(front: Front) -> dict[str, Any]:
    problem = front.problem
    return {
        "network": problem.network.name,
        "technology": problem.technology.name,
        "objectives": list(front.objectives),
        "budgets": dict(problem.budgets),
        "quality": problem.quality,
        "point_budgets": [dict(design.problem.budgets) for design in front.designs],
        "ruled_out": [
            {
                "limits": {name: x for name, x in rule.limits.items() if math.isfinite(x)},
                "bound": rule.bound if math.isfinite(rule.bound) else None,
            }
            for rule in front.ruled
        ],
        "complete": front.complete,
        "rel_step": front.rel_step,
        "gap": front.gap,
        "seconds": front.seconds,
        "interrupted": front.interrupted,
    }


def load(kind: type[Front], path: str | Path) -> Front:
    """A front from its file; its designs are outlines.

    Of a table without the column ``front`` the gap is not-a-number, the names are empty.

    Raises
    ------
    SpecError
        Unreadable, no table of a front, or an entry that is none.
    """
    path = Path(path)
    with expecting(path, "front"):
        text = read_text(path).removeprefix("\ufeff")
        told: Any = None
        if text.lstrip().startswith("{"):
            told, rows = _of_json(read_json(path), path)
        else:
            rows = _of_csv(text, path)
            if rows and rows[0].get(WHOLE):
                told = _json(rows[0][WHOLE], path)
        _check_rows(rows, path)
        whole = None if told is None else parse(Whole, told, f"{path}: {WHOLE}")
        return _front(rows, whole, str(path))


def _of_json(content: Any, path: Path) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """What belongs to the whole, and the points as rows of a table have them."""
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise SpecError(f"{path}: not the file of a front (expected format {FORMAT!r})")
    points = content.get("points")
    if not isinstance(points, list) or not all(isinstance(point, dict) for point in points):
        raise SpecError(f"{path}: points: not a list of tables")
    told = {key: value for key, value in content.items() if key not in ("format", "points")}
    rows = [{key: "" if x is None else str(x) for key, x in point.items()} for point in points]
    return told, rows


def _of_csv(text: str, path: Path) -> list[dict[str, str]]:
    csv.field_size_limit(MOST_CELL)
    try:
        return [*csv.DictReader(io.StringIO(text), strict=True)]
    except csv.Error as error:
        raise SpecError(f"{path}: not CSV: {error}") from None


def _check_rows(rows: list[dict[str, str]], path: Path) -> None:
    """Refuse points that lack what is known of every one."""
    if not rows:
        raise SpecError(f"{path}: a front without points")
    always = [x.name for kind in (Hardware, ProofRecord) for x in fields(kind) if _required(x)]
    known = (*METRICS, *always)
    for number, row in enumerate(rows, 1):
        if None in row or None in row.values():
            raise SpecError(f"{path}: point {number}: another number of cells than of headings")
        for column in (*known, *OTHERS):
            if column not in row:
                raise SpecError(f"{path}: point {number}: {column!r} is missing")


def _required(part: Field[Any]) -> bool:
    """Whether every file has it; what has a default may be absent from older ones."""
    return part.default is MISSING and part.default_factory is MISSING


def _json(text: str, path: Path) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise SpecError(f"{path}: {WHOLE}: not JSON") from None


def _front(rows: list[dict[str, str]], whole: Whole | None, where: str) -> Front:
    objectives = whole.objectives if whole else _objectives(rows)
    if whole and (len(whole.point_budgets) != len(rows) or len(objectives) not in (2, 3)):
        raise SpecError(f"{where}: {WHOLE}: not of these points")
    network, technology = (Named(name=getattr(whole, x, "")) for x in ("network", "technology"))
    question: dict[str, Any] = {"network": network, "technology": technology}
    question |= {"quality": whole.quality if whole else None}
    designs = tuple(
        _outline(
            row, question, dict(whole.point_budgets[n]) if whole else {}, f"{where}: point {n + 1}"
        )
        for n, row in enumerate(rows)
    )
    asked = Question(**question, objective=objectives[0], budgets=whole.budgets if whole else {})
    return Front(
        problem=asked,
        objectives=objectives,
        designs=designs,
        ruled=tuple(_ruled(rule, objectives) for rule in whole.ruled_out) if whole else (),
        complete=whole.complete if whole else False,
        rel_step=whole.rel_step if whole else 0.0,
        gap=whole.gap if whole and whole.gap is not None else math.nan,
        seconds=whole.seconds if whole else sum(x.solver.seconds for x in designs),
        interrupted=whole.interrupted if whole else False,
    )


def _objectives(rows: list[dict[str, str]]) -> tuple[str, ...]:
    """Those of a table that does not tell them: its first columns, two where there is a rate."""
    names = [name for name in rows[0] if name in METRICS]
    rates = len(rows) == 1 or any(row.get("rate_to_next") for row in rows)
    return tuple(names[: 2 if rates else 3])


def _ruled(rule: Rule, objectives: tuple[str, ...]) -> Ruled:
    limits = dict.fromkeys(objectives[1:], math.inf) | dict(rule.limits)
    return Ruled(limits, math.inf if rule.bound is None else rule.bound)


def _outline(
    row: Mapping[str, str], question: Mapping[str, Any], budgets: dict[str, float], where: str
) -> Outline:
    def cells(kind: type) -> dict[str, Any]:
        given = {field.name: row.get(field.name, "") for field in fields(kind)}
        return {name: _value(cell) for name, cell in given.items() if cell}

    metrics = {name: _value(row[name]) for name in METRICS}
    counts = {roof: _value(row.get(f"{roof}_bound_layers", "0")) for roof in ROOFS}
    for name, count in counts.items():
        if type(count) is not int or not 0 <= count <= 10**6:
            raise SpecError(f"{where}: {name}_bound_layers: must be a count, got {count!r:.40}")
    content = {
        "problem": {**question, "objective": row["minimised"], "budgets": budgets},
        "hardware": cells(Hardware),
        "metrics": metrics,
        "memory_bound_share": _value(row["memory_bound_share"]),
        "layer_designs": [Row(bound_by=roof) for roof in ROOFS for _ in range(counts[roof])],
        "proof": cells(ProofRecord),
        "solver": {"seconds": _value(row["seconds"])},
    }
    return parse(Outline, content, where)


def _value(cell: str) -> Any:
    """A cell as what it is: a whole number, a number, yes or no, or a word."""
    if cell in ("True", "False"):
        return cell == "True"
    for kind in (int, float):
        try:
            return kind(cell)
        except ValueError:
            continue
    return cell
