"""Pipelines that are given: read from a design's file, a list of stages or a folding of FINN.

Of a file of ours, whole or only its ``layers``, what is decided is read and the figures are
ignored: they are computed anew. A folding (JSON) has PE and SIMD of each matrix-vector and
vector-vector unit, numbered in the order of the network; other nodes are passed over.

Source of the names of nodes, their attributes and defaults: the sources of the FINN compiler. Its
usual ``mem_mode`` is "internal_decoupled", of older versions "decoupled" or "const": all of them
keep weights on chip.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from codesign.costs.finn_units import Unit, array_of, check_has_unit, sizes_of
from codesign.errors import SpecError
from codesign.files import expecting, read_json
from codesign.problem.file import problem_from_dict
from codesign.results.dataflow_design import DataflowDesign
from codesign.specs.given_pipeline import GivenPipeline
from codesign.specs.given_stage import FIELDS, GivenStage
from codesign.specs.layer import Layer
from codesign.specs.machine import MACHINE_FIELDS
from codesign.specs.network import Network
from codesign.specs.schema import nearest, parse

NODE = re.compile(r"(\w+?)_(\d{1,6})")
KINDS = {
    "matrix": ("MVAU_hls", "MVAU_rtl", "MVAU", "MatrixVectorActivation", "StreamingFCLayer_Batch"),
    "vector": (
        *("VVAU_hls", "VVAU_rtl", "VVAU", "VectorVectorActivation"),
        "Vector_Vector_Activate_Batch",
    ),
}
KIND_OF = {name: kind for kind, names in KINDS.items() for name in names}
PLACES = {
    **dict.fromkeys(("internal_decoupled", "internal_embedded", "decoupled", "const"), "chip"),
    "external": "stream",
}
PLATFORM = "technology", "clock_hz", "dram_bits_per_s", "dram_energy_j_per_bit", "area_overhead"
DECIDED = ("name", "weight_bits", *FIELDS, "start")
FIGURES = ("lag", "cycles", "memory_bits", "dram_bits", "taken")


def load_pipeline(path: str | Path, network: Network, **platform: Any) -> GivenPipeline:
    """Read what is given of a pipeline for a network.

    Parameters
    ----------
    path : path
        A `DataflowDesign`'s file, or ``{"layers": [{"name", "rows", "cols", …}, …]}`` of it alone,
        perhaps with ``tensor_bits``; or a folding as FINN and ``codesign export finn`` have it.
    platform
        Fields of `GivenPipeline`, in place of those in a design's file or the usual ones.

    Raises
    ------
    SpecError
        Unreadable; or a layer, unit or number that does not fit the network.
    """
    path = Path(path)
    with expecting(path, "dataflow", "JSON"):
        return _read(read_json(path), network, platform, str(path))


def _read(data: Any, network: Network, platform: Mapping[str, Any], where: str) -> GivenPipeline:
    if isinstance(data, list) or (isinstance(data, dict) and "layers" in data):
        content = {"layers": data} if isinstance(data, list) else data
        return _of_design(content, network, platform, where)
    if not isinstance(data, dict) or not any(map(_node, data)):
        raise SpecError(f"{where}: no format of a pipeline, no layers and no units of FINN")
    given = _parsed({**platform, "stages": {}}, where)
    return replace(given, stages=_of_folding(data, network, given, where))


def _parsed(content: Mapping[str, Any], where: str) -> GivenPipeline:
    return parse(GivenPipeline, dict(content), where)


# --- files of ours --------------------------------------------------------------------------------


def _of_design(
    data: Mapping[str, Any], network: Network, platform: Mapping[str, Any], where: str
) -> GivenPipeline:
    """Stages, starts and widths; and what all is built in, where the file tells."""
    told = data.get("format", DataflowDesign.FORMAT)
    if told != DataflowDesign.FORMAT:
        raise SpecError(f"{where}: format {told!r} is none of a pipeline, {DataflowDesign.FORMAT}")
    if data.get("segments") or data.get("segment"):
        raise SpecError(f"{where}: a hybrid, some of whose layers share an array, is not evaluated")
    rows = dict(_rows(data["layers"], network, where))
    layers = {layer.name: layer for layer in network.layers}
    stages = {
        name: parse(
            GivenStage, {x: row[x] for x in FIELDS if x in row}, f"{where}: layers ({name!r})"
        )
        for name, row in rows.items()
        if not layers[name].moves
    }
    known: dict[str, Any] = {}
    if "problem" in data:
        problem = problem_from_dict(data["problem"], where)
        known = {name: getattr(problem, name) for name in PLATFORM}
        known |= {name: getattr(problem.choices, name) for name in MACHINE_FIELDS}
    starts = {name: row["start"] for name, row in rows.items() if row.get("start") is not None}
    lacking = [name for name in layers if name not in starts]
    if starts and lacking:
        raise SpecError(
            f"{where}: layers ({lacking[0]!r}).start: missing; give that of every layer, or of none"
        )
    widths = _widths(data, rows, network, where)
    content = {**known, **platform, "stages": stages, "starts": starts, "widths": widths}
    return _parsed(content, where)


def _rows(given: Any, network: Network, where: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """What is decided of each layer."""
    if not isinstance(given, list):
        raise SpecError(f"{where}: layers: must be a list of stages")
    known, seen = tuple(layer.name for layer in network.layers), set[str]()
    for n, row in enumerate(given):
        if not isinstance(row, Mapping) or not isinstance(row.get("name"), str):
            raise SpecError(f"{where}: layers[{n}].name: missing")
        name = row["name"]
        if name not in known:
            raise SpecError(
                f"{where}: layers[{n}]: network {network.name!r} has no layer {name!r}"
                f"{nearest(name, known)}"
            )
        if name in seen:
            raise SpecError(f"{where}: layers[{n}]: layer {name!r} is there twice")
        for key in row:
            if key not in (*DECIDED, *FIGURES):
                near = nearest(str(key), DECIDED)
                raise SpecError(f"{where}: layers ({name!r}): unknown key {key!r}{near}")
        seen.add(name)
        yield name, row


def _widths(
    data: Mapping[str, Any], rows: Mapping[str, Mapping[str, Any]], network: Network, where: str
) -> dict[str, Any]:
    """Widths that are told, by source; those of an operand that is a tensor are the tensor's."""
    tensors = data.get("tensor_bits", {})
    if not isinstance(tensors, Mapping):
        raise SpecError(f"{where}: tensor_bits: must be widths by tensor")
    found: dict[str, Any] = {f"tensor:{name}": bits for name, bits in tensors.items()}
    for layer in network.layers:
        bits = rows.get(layer.name, {}).get("weight_bits")
        if bits is None:
            continue
        source = layer.weight_source
        if found.setdefault(source, bits) != bits:
            raise SpecError(
                f"{where}: layers ({layer.name!r}).weight_bits: {bits}, and {source} has "
                f"{found[source]}"
            )
    return found


# --- foldings of FINN -----------------------------------------------------------------------------


def _node(name: Any) -> re.Match[str] | None:
    """A node of FINN: its kind and number."""
    return NODE.fullmatch(name) if isinstance(name, str) else None


def _of_folding(
    data: Mapping[str, Any], network: Network, given: GivenPipeline, where: str
) -> dict[str, GivenStage]:
    """The stage of each layer, by its unit."""
    units = _units(data, where)
    defaults = _defaults(data.get("Defaults", {}), where)
    found, layers = dict[str, GivenStage](), dict[str, list[Layer]]()
    for layer in network.layers:
        check_has_unit(layer)
        layers.setdefault("vector" if layer.G > 1 else "matrix", []).append(layer)
    for kind in KINDS:
        mine, of = units.get(kind, []), layers.get(kind, [])
        _check_numbers(mine, of, where)
        if len(mine) < len(of):
            raise SpecError(
                f"{where}: {len(mine)} {kind}-vector units, and {network.name!r} has {len(of)} "
                f"layers of that kind; the first without one is {of[len(mine)].name!r}"
            )
        if len(mine) > len(of):
            raise SpecError(
                f"{where}: {mine[len(of)]}: unknown unit; {network.name!r} has {len(of)} layers "
                f"for {kind}-vector units"
            )
        for name, layer in zip(mine, of, strict=True):
            attributes = {**defaults.get("all", {}), **defaults.get(_kind(name), {}), **data[name]}
            found[layer.name] = _stage(attributes, layer, given, f"{where}: {name}")
    return {layer.name: found[layer.name] for layer in network.layers}


def _check_numbers(units: Sequence[str], layers: Sequence[Layer], where: str) -> None:
    """Refuse units of one kind among whose numbers, from 0 on, one is left out."""
    if len({_kind(name) for name in units}) != 1:
        return
    for n, (name, layer) in enumerate(zip(units, layers, strict=False)):
        expected = f"{_kind(name)}_{n}"
        if name != expected:
            raise SpecError(f"{where}: {expected}: missing; it is of layer {layer.name!r}")


def _kind(node: str) -> str:
    match = _node(node)
    return match[1] if match else ""


def _units(data: Mapping[str, Any], where: str) -> dict[str, list[str]]:
    """Names of units by kind; in the order of their numbers, or of the file where those repeat."""
    found: dict[str, list[tuple[int, str]]] = {}
    for name, attributes in data.items():
        if name == "Defaults":
            continue
        match = _node(name)
        if match is None or not isinstance(attributes, Mapping):
            raise SpecError(f"{where}: {name}: no node of FINN with its attributes")
        kind = KIND_OF.get(match[1])
        if kind is None and {"PE", "SIMD"} <= {*attributes}:
            known = ", ".join(x for names in KINDS.values() for x in names[:2])
            raise SpecError(f"{where}: {name}: unknown unit with PE and SIMD (known: {known})")
        if kind is not None:
            found.setdefault(kind, []).append((int(match[2]), name))
    ordered = {}
    for kind, each in found.items():
        distinct = len({number for number, _ in each}) == len(each)
        ordered[kind] = [name for _, name in (sorted(each) if distinct else each)]
    return ordered


def _defaults(given: Any, where: str) -> dict[str, dict[str, Any]]:
    """Attributes by kind of node, or of all: ``{"mem_mode": ["external", ["all"]]}``."""
    found: dict[str, dict[str, Any]] = {}
    if not isinstance(given, Mapping):
        raise SpecError(f"{where}: Defaults: must be attributes")
    for name, entry in given.items():
        if not isinstance(entry, list) or len(entry) != 2 or not isinstance(entry[1], list):
            raise SpecError(f'{where}: Defaults.{name}: write [value, [kinds of nodes or "all"]]')
        for kind in entry[1]:
            found.setdefault(str(kind), {})[name] = entry[0]
    return found


def _stage(
    attributes: Mapping[str, Any], layer: Layer, given: GivenPipeline, where: str
) -> GivenStage:
    """What a unit's attributes give of its layer."""
    outputs = "channels" if layer.G > 1 else "output channels"
    for key, size, words in zip(
        Unit._fields, sizes_of(layer), (outputs, "products of an output"), strict=True
    ):
        value = attributes.get(key)
        if type(value) is not int or value < 1:
            shown = "missing" if value is None else f"{value!r}, no whole number of at least 1"
            raise SpecError(f"{where}: {key}: {shown}")
        if size % value:
            raise SpecError(
                f"{where}: {key}: {value} does not divide the {size} {words} of layer "
                f"{layer.name!r}"
            )
    mode = attributes.get("mem_mode", "internal_decoupled")
    if not isinstance(mode, str) or mode not in PLACES:
        raise SpecError(f"{where}: mem_mode: {mode!r} is none of {', '.join(PLACES)}")
    unit, engine = Unit(attributes["PE"], attributes["SIMD"]), given.technology.engine
    array = array_of(layer, unit, engine, () if given.mapping == ("window",) else given.mapping)
    if array is None:
        lanes = engine == 1 and layer.G > 1 and unit.SIMD > 1
        raise SpecError(
            f"{where}: PE {unit.PE} and SIMD {unit.SIMD} of layer {layer.name!r}: no array of PEs "
            f"of {engine} products at once is folded so"
            + ("" if engine == 1 else "; take technology finn-mvau")
            + ("; SIMD of a depthwise layer is 1" if lanes else "")
        )
    return GivenStage(
        mapping=array.mapping,
        rows=array.rows,
        cols=array.cols,
        weights=PLACES[mode],  # type: ignore[arg-type]
    )
