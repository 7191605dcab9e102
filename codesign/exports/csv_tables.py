"""All tables of a result as CSV files in a folder, and back.

Beside the tables stands ``tables.json``, format ``codesign-tables/1``, which names the kind of
every column: without it nobody could tell a layer called 12 from a number. What is not known is an
empty cell; numbers have all their digits.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from codesign.costs.layer_row import LayerDesign
from codesign.errors import SpecError
from codesign.files import json_text, read_json, reason, write_folder
from codesign.results.dataflow_design import DataflowDesign
from codesign.results.design import Design
from codesign.results.evaluation import Evaluation
from codesign.specs.machine import MACHINE_FIELDS, OF_STAGES, Machine
from codesign.units import kind_of

FORMAT = "codesign-tables/1"
LIST = "tables.json"
KINDS = {"text": str, "whole": int, "number": float, "flag": bool}
UNITS = {"s": "s", "mm2": "mm²", "bits": "bit", "j": "J"}
FLAGS = {"true": True, "false": False}
MOST_BYTES = 64 * 2**20
Cell = str | int | float | bool | None
Table = list[dict[str, Cell]]
Result = Design | DataflowDesign | Evaluation


def tables_of(result: Result) -> dict[str, Table]:
    """The tables by name, each a list of rows: layers, tensors, hardware, metrics.

    Of a design also its budgets and its proof; of a pipeline what waits in FIFOs; of a hybrid the
    array that layers share, and these on it.
    """
    frame = result.layers
    rows = [
        {str(name): _cell(value) for name, value in row.items()}
        for row in frame.reset_index().to_dict("records")
    ]
    found = {
        "layers": rows,
        "tensors": _tensors(result),
        "hardware": [_hardware(result)],
        "metrics": [
            {"metric": name, "value": float(value), "unit": _unit(name)}
            for name, value in result.metrics.items()
        ],
    }
    if isinstance(result, DataflowDesign):
        found["fifos"] = [
            {"layer": row.name, "tensor": name, "bits": float(bits)}
            for row in result.stages
            for name, bits in row.memory_bits.fifos.items()
        ]
        found |= _shared(result)
    if not isinstance(result, Evaluation):
        problem = result.problem
        found["budgets"] = [
            {"metric": name, "limit": float(limit), "unit": _unit(name)}
            for name, limit in problem.budgets.items()
        ]
        proof = {"objective_metric": problem.objective, **asdict(result.proof)}
        found["proof"] = [{name: _cell(value) for name, value in proof.items()}]
    return found


def _shared(design: DataflowDesign) -> dict[str, Table]:
    """The arrays that layers of a hybrid share, and their figures on them."""
    if not design.segments:
        return {}
    arrays, rows = list[dict[str, Cell]](), list[dict[str, Cell]]()
    for n, segment in enumerate(design.segments, 1):
        told = {name: x for name, x in asdict(segment).items() if x is not None}
        told |= told.pop("taken", {})
        each = {name: _cell(x) for name, x in told.items() if name != "layers"}
        arrays.append({"shared_array": n, **each})
        rows += [{"shared_array": n, **_flat(row)} for row in segment.layers]
    names = dict.fromkeys(name for row in rows for name in row)  # of what only moves: no tile
    return {
        "shared_arrays": arrays,
        "shared_layers": [{name: row.get(name) for name in names} for row in rows],
    }


def _flat(row: LayerDesign) -> dict[str, Cell]:
    """A layer's figures, parts of a figure as ``figure_part``."""
    found: dict[str, Cell] = {}
    for name, value in asdict(row).items():
        if isinstance(value, Mapping):
            found |= {f"{name}_{part}": _cell(each) for part, each in value.items()}
        elif name != "tile":
            found[name] = _cell(value)
    return found


def _unit(metric: str) -> str | None:
    """The unit that a metric's name ends with, in which files have it; None of a plain number."""
    return UNITS.get(kind_of(metric).rpartition("_")[-1])


def _tensors(result: Result) -> Table:
    """Every tensor: elements, bits, where it is, and during which layers."""
    network = result.network
    places = None if isinstance(result, DataflowDesign) else result.on_chip
    found: Table = []
    for name, elements in network.tensors.items():
        lives = network.lifetimes.get(name)
        found.append(
            {
                "tensor": name,
                "elements": elements,
                "bits": result.tensor_bits[name],
                "place": None if places is None else places[name],
                "first_layer": None if lives is None else network.layers[lives[0]].name,
                "last_layer": None if lives is None else network.layers[lives[1]].name,
            }
        )
    return found


def _hardware(result: Result) -> dict[str, Cell]:
    """All of the hardware in one row."""
    if isinstance(result, DataflowDesign):
        given = {
            **asdict(result.hardware),
            "clock_hz": result.problem.clock_hz,
            "dram_bits_per_s": result.problem.dram_bits_per_s,
            "technology": result.problem.technology.name,
            **_machine(result.problem.choices, OF_STAGES),
        }
    else:
        on = result.accelerator
        named = ("rows", "cols", "engine", "pe_weight_bits", "pe_activation_bits", "precision")
        given = {name: getattr(on, name) for name in named}
        given |= {name: getattr(on, name) for name in ("sram_bits", "clock_hz", "dram_bits_per_s")}
        given |= _machine(on, MACHINE_FIELDS)
        given["technology"] = None if on.technology is None else on.technology.name
    return {name: _cell(value) for name, value in given.items()}


def _machine(machine: Machine, names: Iterable[str]) -> dict[str, Any]:
    """How the arrays work: fields of a machine, those of several values joined by plus signs."""
    given = {name: getattr(machine, name) for name in names}
    if "mapping" in given:
        given["mapping"] = "+".join(machine.mapping)
    factors = "+".join(f"{x}={factor}" for x, factor in machine.cycle_factors.items())
    return given | {"cycle_factors": factors or None}


def _cell(value: Any) -> Cell:
    """A value as Python has it; None of what is not known."""
    if hasattr(value, "item"):  # a number of numpy's
        value = value.item()
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, str | int | float | bool):
        return value
    return None if value is None or str(value) == "<NA>" else str(value)


def write_tables(tables: Mapping[str, Table], folder: Path) -> None:
    """Write every table, and the list of them, to a folder.

    Raises
    ------
    SpecError
        It cannot be written, or the folder holds something else.
    """
    columns = {name: _columns(rows) for name, rows in tables.items()}
    texts = {}
    for name, rows in tables.items():
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns[name])
        writer.writerows([_text(row[x]) for x in columns[name]] for row in rows)
        texts[f"{name}.csv"] = text.getvalue()
    texts[LIST] = json_text({"format": FORMAT, "tables": columns})
    write_folder(folder, texts)


def _columns(rows: Sequence[Mapping[str, Cell]]) -> dict[str, str]:
    """The kind of every column: the first that all its values are of."""
    found = {}
    for name in rows[0] if rows else ():
        types = {type(row[name]) for row in rows if row[name] is not None}
        if types <= {int, float} and float in types:
            types = {float}
        kinds = [kind for kind, of in KINDS.items() if types == {of}]
        found[name] = kinds[0] if kinds else "text"
    return found


def _text(value: Cell) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, float) else str(value)


def read_tables(folder: Path) -> dict[str, Table]:
    """The tables that `write_tables` has written, every cell of its kind.

    Raises
    ------
    SpecError
        No such folder, or a table or cell that is not what the list says.
    """
    content = read_json(folder / LIST)
    listed = content.get("tables") if isinstance(content, dict) else None
    if not isinstance(listed, dict) or content.get("format") != FORMAT:
        raise SpecError(f"{folder / LIST}: not a list of tables (format {FORMAT!r})")
    return {name: _read(folder, name, columns) for name, columns in listed.items()}


def _read(folder: Path, name: str, columns: Any) -> Table:
    """One table."""
    path = folder / f"{name}.csv"
    known = isinstance(columns, dict) and all(isinstance(x, str) for x in columns.values())
    if Path(name).name != name or not known or not {*columns.values()} <= {*KINDS}:
        raise SpecError(f"{folder / LIST}: tables: {name!r} has no columns of known kinds")
    try:
        data = path.read_bytes()
        if len(data) > MOST_BYTES:
            raise SpecError(f"{path}: larger than {MOST_BYTES >> 20} MiB")
        rows = [*csv.reader(io.StringIO(data.decode("utf-8"), newline=""), strict=True)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = reason(error) if isinstance(error, OSError) else str(error)
        raise SpecError(f"{path}: cannot be read: {why}") from None
    if not rows or rows[0] != [*columns]:
        raise SpecError(f"{path}: its columns are not those that {LIST} lists")
    found: Table = []
    for number, row in enumerate(rows[1:], 2):
        if not columns:
            continue
        if len(row) != len(columns):
            raise SpecError(f"{path}, row {number}: {len(row)} cells, not {len(columns)}")
        where = f"{path}, row {number}"
        pairs = zip(columns.items(), row, strict=True)
        found.append({column: _value(text, kind, where) for (column, kind), text in pairs})
    return found


def _value(text: str, kind: str, where: str) -> Cell:
    if text == "":
        return None
    if kind == "flag":
        if text not in FLAGS:
            raise SpecError(f"{where}: {text!r} is no flag")
        return FLAGS[text]
    try:
        if kind == "text":
            return text
        return int(text) if kind == "whole" else float(text)
    except ValueError:
        raise SpecError(f"{where}: {text!r} is no {kind}") from None
