"""The file of a front: its table of points as CSV, and what belongs to the front as a whole.

The latter is JSON in the first row of the last columns: ``front``, in the metrics' own units, and
``problem``, as design files have it. A table without the former tells neither the question nor what
was ruled out; without the latter its front cannot be asked for more. All but the problem as one
JSON (``codesign-front/1``) is what ``codesign pareto --json`` prints.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from codesign.errors import SpecError
from codesign.files import expecting, read_json, read_text, write_atomically
from codesign.problem.file import problem_from_dict, problem_to_dict
from codesign.problem.metrics import ADDITIVE_METRICS, ALL_METRICS, ENERGY, INTERVAL, SEARCHED
from codesign.problem.problem import Metric, Problem
from codesign.results.front import Front, RuledOut
from codesign.results.records import PipelineHardware, ProofRecord
from codesign.results.tables import front_frame
from codesign.results.views import DesignOutline, LayerOutline, NameOutline, ProblemOutline
from codesign.specs.accelerator import Hardware
from codesign.specs.fpga import Fpga
from codesign.specs.schema import parse, spec_dataclass
from codesign.specs.technology import Amount, Technology
from codesign.units import RATES, kind_of, member_of

FORMAT = "codesign-front/1"
COLUMN = "front"  # of what belongs to the front as a whole
ASKED = "problem"  # of what was asked
ROOFS = ("compute", "sram", "memory")
ON_CHIP = ("resident_tensors", "band_tensors")  # where tensors may stay, and layers be fused
MAX_CELL = 64 * 2**20  # characters; a file is no larger
# What every point tells; what has a default may be absent from older files.
POINT_COLUMNS = (*ADDITIVE_METRICS, *("memory_bound_share", "minimised", "seconds"))

Limits = Mapping[Metric, Amount]


@spec_dataclass
class RuledEntry:
    """As `RuledOut`, with what is infinite left out."""

    limits: Limits
    bound: Amount | None


@spec_dataclass
class FrontEntry:
    """What belongs to a front as a whole, and the budgets that each of its points was found in."""

    network: str
    technology: str
    objectives: tuple[Metric, ...]
    budgets: Limits
    quality: str | None
    point_budgets: tuple[Limits, ...]
    ruled_out: tuple[RuledEntry, ...]
    complete: bool
    rel_step: Amount
    gap: Amount | None
    seconds: Amount
    interrupted: bool
    scaling_note: tuple[str, ...] = ()


def save(front: Front, path: str | Path) -> None:
    """Write a front's file, whole or not at all."""
    frame = front_frame(front)
    whole = {COLUMN: json.dumps(_entry(front))}
    if isinstance(front.problem, Problem):
        whole[ASKED] = json.dumps(problem_to_dict(front.problem))
    for column, cell in whole.items():
        frame[column] = [cell, *[""] * (len(frame) - 1)][: len(frame)]
    write_atomically(Path(path), str(frame.to_csv(index=False)))


def to_dict(front: Front) -> dict[str, Any]:
    """All that is known of a front, as ``--json`` prints it."""
    return {"format": FORMAT, **_entry(front), "points": front_frame(front).to_dict("records")}


def _entry(front: Front) -> dict[str, Any]:
    """The content of a `FrontEntry`."""
    problem = front.problem
    scaled = problem.technology.scaling_note
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
        **({"scaling_note": scaled} if scaled else {}),
    }


def load(kind: type[Front], path: str | Path) -> Front:
    """A front from its file; its designs are outlines.

    Of a table without the column ``front`` the gap is not-a-number, the names are empty.
    """
    path = Path(path)
    with expecting(path, "front"):
        text = read_text(path).removeprefix("\ufeff")
        if text.lstrip().startswith("{"):
            content, rows = _read_json(read_json(path), path)
        else:
            content, rows = _read_csv(text, path)
        _check_rows(rows, path)
        entry = None if content is None else parse(FrontEntry, content, f"{path}: {COLUMN}")
        return _front(rows, entry, _asked(rows, entry, path), str(path))


def _read_json(content: Any, path: Path) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """What belongs to the whole, and the points as rows of a table have them."""
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise SpecError(f"{path}: not the file of a front (expected format {FORMAT!r})")
    points = content.get("points")
    if not isinstance(points, list) or not all(isinstance(point, dict) for point in points):
        raise SpecError(f"{path}: points: not a list of tables")
    whole = {key: value for key, value in content.items() if key not in ("format", "points")}
    rows = [{key: "" if x is None else str(x) for key, x in point.items()} for point in points]
    return whole, rows


def _read_csv(text: str, path: Path) -> tuple[Any, list[dict[str, str]]]:
    """What belongs to the whole, None where the table does not tell it, and the points."""
    csv.field_size_limit(MAX_CELL)
    try:
        rows = [*csv.DictReader(io.StringIO(text), strict=True)]
    except csv.Error as error:
        raise SpecError(f"{path}: not CSV: {error}") from None
    cell = rows[0].get(COLUMN) if rows else None
    if not cell:
        return None, rows
    try:
        return json.loads(cell), rows
    except (ValueError, RecursionError):
        raise SpecError(f"{path}: {COLUMN}: not JSON") from None


def _asked(rows: list[dict[str, str]], entry: FrontEntry | None, path: Path) -> Problem | None:
    """The problem, where the file tells it."""
    cell = rows[0].get(ASKED)
    if not cell or entry is None:
        return None
    try:
        found = problem_from_dict(json.loads(cell), f"{path}: {ASKED}")
    except (ValueError, RecursionError):
        raise SpecError(f"{path}: {ASKED}: not JSON") from None
    told = found.network.name, found.technology.name, dict(found.budgets)
    if told != (entry.network, entry.technology, dict(entry.budgets)):
        raise SpecError(f"{path}: {ASKED}: not the problem of this front")
    return found


def _check_rows(rows: list[dict[str, str]], path: Path) -> None:
    """Refuse points that lack what is known of every one."""
    if not rows:
        raise SpecError(f"{path}: a front without points")
    for number, row in enumerate(rows, 1):
        if None in row or None in row.values():
            raise SpecError(f"{path}: point {number}: another number of cells than of headings")
        hardware = Fpga.hardware_metrics if "lut" in row else Technology.hardware_metrics
        kinds = (PipelineHardware if "stages" in row else Hardware), ProofRecord
        required = [
            field.name
            for kind in kinds
            for field in fields(kind)
            if field.default is MISSING and field.default_factory is MISSING
        ]
        for column in (*POINT_COLUMNS, *required, *hardware):
            if column not in row:
                raise SpecError(f"{path}: point {number}: {column!r} is missing")


def _front(
    rows: list[dict[str, str]], entry: FrontEntry | None, problem: Problem | None, where: str
) -> Front:
    known = entry or _unknown(rows)
    if len(known.point_budgets) != len(rows) or len(known.objectives) not in (2, 3):
        raise SpecError(f"{where}: {COLUMN}: not of these points")
    asked: dict[str, Any] = {
        "network": NameOutline(name=known.network),
        "technology": NameOutline(name=known.technology, scaling_note=known.scaling_note),
        "quality": known.quality,
    }
    designs = tuple(
        _outline(row, {**asked, "budgets": dict(budgets)}, f"{where}: point {number}")
        for number, (row, budgets) in enumerate(zip(rows, known.point_budgets, strict=True), 1)
    )
    objective, *others = known.objectives
    return Front(
        problem=problem or ProblemOutline(**asked, objective=objective, budgets=known.budgets),
        objectives=known.objectives,
        designs=designs,
        ruled=tuple(_ruled(rule, others) for rule in known.ruled_out),
        complete=known.complete,
        rel_step=known.rel_step,
        gap=math.nan if known.gap is None else known.gap,
        seconds=entry.seconds if entry else sum(x.solver.seconds for x in designs),
        interrupted=known.interrupted,
    )


def _unknown(rows: list[dict[str, str]]) -> FrontEntry:
    """What is known of a front whose table tells its points alone.

    Its objectives are the first columns: two where there is a rate.
    """
    names = [name for name in rows[0] if name in (INTERVAL, *ALL_METRICS)]
    rates = len(rows) == 1 or any(row.get("rate_to_next") for row in rows)
    return FrontEntry(
        network="",
        technology="",
        objectives=tuple(names[: 2 if rates else 3]),
        budgets={},
        quality=None,
        point_budgets=tuple({} for _ in rows),
        ruled_out=(),
        complete=False,
        rel_step=0.0,
        gap=None,
        seconds=0.0,
        interrupted=False,
    )


def _ruled(rule: RuledEntry, others: list[Metric]) -> RuledOut:
    limits = {**dict.fromkeys(others, math.inf), **rule.limits}
    return RuledOut(limits, math.inf if rule.bound is None else rule.bound)


def _outline(row: Mapping[str, str], asked: Mapping[str, Any], where: str) -> DesignOutline:
    """The design of a point."""

    def cells(kind: type) -> dict[str, Any]:
        given = {field.name: row.get(field.name, "") for field in fields(kind)}
        return {name: _value(cell) for name, cell in given.items() if cell}

    shares = [name for name in row if member_of(name) and kind_of(name) in SEARCHED]
    counts = {roof: _value(row.get(f"{roof}_bound_layers", "0")) for roof in ROOFS}
    for name, count in counts.items():
        if type(count) is not int or not 0 <= count <= 10**6:
            raise SpecError(f"{where}: {name}_bound_layers: must be a count, got {count!r:.40}")
    known = (INTERVAL, *ALL_METRICS, ENERGY)
    layers = (LayerOutline(bound_by=roof) for roof in ROOFS for _ in range(counts[roof]))
    content = {
        "problem": {**asked, "objective": row["minimised"]},
        "hardware": cells(PipelineHardware if row.get("stages") else Hardware),
        "architecture": row.get("architecture") or ("dataflow" if row.get("stages") else "array"),
        "metrics": {x: _value(row[x]) for x in (*known, *shares) if row.get(x)},
        "memory_bound_share": _value(row["memory_bound_share"]),
        **{name: _value(row[name]) for name in ON_CHIP if row.get(name)},
        "image_rates": {
            name: _value(row[name]) for name in RATES if name != INTERVAL and row.get(name)
        },
        "layer_designs": [*layers],
        "proof": cells(ProofRecord),
        "solver": {"seconds": _value(row["seconds"])},
    }
    return parse(DesignOutline, content, where)


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
