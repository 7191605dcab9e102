"""A design as AccelForge reads it: an architecture, and a workload and mapping for each piece.

A piece of a layer (`codesign.exports.pieces`) is an einsum of its own, at the layer's widths. Its
mapping is a loop tree: each operand is kept in the SRAM below the last loop over tiles that fetches
it anew, so that it stays while those below run. What a piece does not move to or from DRAM is at
home in a memory of its own, ``Elsewhere``, which has no end and takes no energy.

Source: AccelForge 1.0.467, its documentation of architectures, workloads and mappings.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from codesign.costs.layers import LayerDesign
from codesign.exports.mapped import Exported, ExportedLayer, Mapped, kinds_of
from codesign.exports.perfect_nests import (
    PADDED,
    SPILLED,
    Nest,
    identifier,
    nests,
    spans_as_held,
)
from codesign.exports.yaml_text import Tagged, yaml_text
from codesign.results.design import Design
from codesign.results.evaluation import Evaluation
from codesign.specs.layer import Layer, along

TENSORS = {"weights": "W", "ifmap": "I", "output": "O"}


def export_accelforge(result: Design | Evaluation) -> Exported:
    """A design, or an evaluation with tiles, for AccelForge.

    Raises
    ------
    SpecError
        Of what it has no form for.
    """
    mapped = Mapped(result, "AccelForge")
    texts = {"arch.yaml": yaml_text({"arch": _architecture(mapped)})}
    layers = []
    for layer, row in mapped.layers:
        files = []
        for part, content in _specs(mapped, layer, row):
            name = identifier(f"{layer.name}_{part}", len(texts))
            content["workload"]["einsums"][0]["name"] = name
            content["mapping"]["nodes"][-1].content["einsum"] = name
            files.append(f"{name}.yaml")
            texts[files[-1]] = yaml_text(content)
        differs = _difference(mapped, layer, row)
        layers.append(ExportedLayer(layer.name, tuple(files), kinds_of(row), None, differs))
    return Exported(texts, tuple(layers))


def _difference(mapped: Mapped, layer: Layer, row: LayerDesign) -> str | None:
    """Why AccelForge cannot count what we do in a layer; None where it must."""
    if layer.moves:
        return None
    if row.dram_bits.psum:
        return SPILLED
    found = nests(mapped, layer, row)
    if row.dram_bits.ifmap and not all(spans_as_held(layer, x.piece) for x in found):
        return PADDED
    return None


def _specs(mapped: Mapped, layer: Layer, row: LayerDesign) -> Iterator[tuple[str, dict[str, Any]]]:
    """Workload and mapping of each piece of a layer, then of what moves beside it."""
    if not layer.moves:
        found = nests(mapped, layer, row)
        for n, nest in enumerate(found):
            yield str(n + 1), _convolution(mapped, layer, row, nest)
    for each in mapped.transfers(layer):
        yield each.part, _copy(each.elements, each.bits, each.written)


def _convolution(mapped: Mapped, layer: Layer, row: LayerDesign, nest: Nest) -> dict[str, Any]:
    weights, ifmap, psum = mapped.widths(layer, row)
    piece = nest.piece
    bits = {"weights": weights, "ifmap": ifmap, "output": mapped.written_bits(layer)}
    fetched = [x for x in TENSORS if bits[x] and piece.charged[x]]
    if row.dram_bits.psum:
        bits["output"] = psum
    rows, cols = (
        f"{pixels} * {along(axis, layer.stride)} + {taps} * {along(axis, layer.dilation)}"
        for axis, (pixels, taps) in enumerate((("p", "r"), ("q", "s")))
    )
    projections: dict[str, dict[str, str]] = {
        "weights": {x: x.lower() for x in "GKCRS"},
        "ifmap": {"N": "n", "G": "g", "C": "c", "H": rows, "W": cols},
        "output": {x: x.lower() for x in "NGKPQ"},
    }
    accesses = [
        {
            "name": TENSORS[x],
            "projection": projections[x],
            "bits_per_value": bits[x] or psum,
            **({"output": True} if x == "output" else {}),
        }
        for x in TENSORS
    ]
    space = [f"0 <= {x.lower()} < {n}" for x, n in piece.sizes.items()]
    return {
        "workload": {"einsums": [_einsum(accesses, space, "W")]},
        "mapping": {"nodes": _loop_tree(nest, fetched)},
    }


def _einsum(accesses: list[dict[str, Any]], space: list[str], weight: str) -> dict[str, Any]:
    names = {"input": "I", "output": "O", "weight": weight}
    return {
        "name": "",
        "tensor_accesses": accesses,
        "iteration_space_shape": space,
        "renames": names,
    }


def _loop_tree(nest: Nest, fetched: list[str]) -> list[Tagged]:
    """From the homes of the tensors down to the multipliers."""
    piece = nest.piece
    nodes = []
    for home, held in (("Elsewhere", [*{*TENSORS} - {*fetched}]), ("DRAM", fetched)):
        nodes += [_storage(home, sorted(TENSORS[x] for x in held))] * bool(held)
    left = piece.sizes
    for n in range(len(piece.loops) + 1):
        kept = [TENSORS[x] for x in TENSORS if nest.above(x) == n]
        nodes += [_storage("SRAM", kept)] * bool(kept)
        if n < len(piece.loops) and piece.trips[piece.loops[n]] > 1:
            left[piece.loops[n]] //= piece.trips[piece.loops[n]]
            nodes.append(_loop("Temporal", piece.loops[n], left))
    for name, count in nest.turns.items():
        if count > 1 or not {name} & {*nest.down, *nest.across}:
            left[name] //= count
            nodes.append(_loop("Temporal", name, left))
    for where, sizes in (("rows", nest.down), ("cols", nest.across)):
        for name, count in sizes.items():
            left[name] //= count
            nodes.append(_loop("Spatial", name, left, component="PE", name=where))
    return [*nodes, Tagged("Compute", {"einsum": "", "component": "MAC"})]


def _storage(component: str, tensors: list[str]) -> Tagged:
    return Tagged("Storage", {"component": component, "tensors": tensors})


def _loop(tag: str, dimension: str, left: dict[str, int], **where: str) -> Tagged:
    content = {"rank_variable": dimension.lower(), "tile_shape": left[dimension], **where}
    return Tagged(tag, content)


def _copy(elements: int, bits: int, written: bool) -> dict[str, Any]:
    """Elements that are read for the array, or written from the SRAM."""
    home = {"I": "Elsewhere", "O": "DRAM"} if written else {"I": "DRAM", "O": "Elsewhere"}
    accesses: list[dict[str, Any]] = [
        {"name": "I", "projection": {"K": "k"}, "bits_per_value": bits},
        {"name": "O", "projection": {"K": "k"}, "bits_per_value": bits, "output": True},
    ]
    nodes = [_storage(where, [x]) for x, where in home.items()]
    nodes += [_loop("Temporal", "K", {"K": 1}), _storage("SRAM", ["I", "O"])]
    compute = Tagged("Compute", {"einsum": "", "component": "MAC"})
    return {
        "workload": {"einsums": [_einsum(accesses, [f"0 <= k < {elements}"], "Nothing")]},
        "mapping": {"nodes": [*nodes, compute]},
    }


def _architecture(mapped: Mapped) -> dict[str, Any]:
    """Memories and multipliers; energies in J per bit and MAC, 0 where they are not known."""
    chip, (read, write, dram, mac) = mapped.accelerator, mapped.energies_j
    per_s = {"sram": chip.sram_bits_per_cycle, "dram": chip.dram_bits_per_s}
    if chip.sram_bits_per_cycle is not None:
        per_s["sram"] = chip.sram_bits_per_cycle * chip.clock_hz
    multipliers = [
        {"name": "rows", "fanout": chip.rows * chip.engine},
        {"name": "cols", "fanout": chip.cols},
    ]
    nodes = [
        _memory("DRAM", "inf", dram, dram, per_s["dram"]),
        _memory("Elsewhere", "inf", 0.0, 0.0, None),
        _memory("SRAM", chip.sram_bits or "inf", read, write, per_s["sram"]),
        Tagged("Container", {"name": "PE", "spatial": multipliers}),
        Tagged(
            "Compute",
            {
                "name": "MAC",
                "leak_power": 0,
                "area": 0,
                "actions": [{"name": "compute", "energy": mac, "throughput": chip.clock_hz}],
            },
        ),
    ]
    return {"nodes": nodes}


def _memory(
    name: str, size: int | str, read: float, write: float, bits_per_s: float | None
) -> Tagged:
    rate = "inf" if bits_per_s is None else bits_per_s
    actions = [
        {"name": "read", "energy": read, "throughput": rate},
        {"name": "write", "energy": write, "throughput": rate},
    ]
    given = {"leak_power": 0, "area": 0, "tensors": {"may_keep": "All"}, "actions": actions}
    return Tagged("Memory", {"name": name, "size": size, **given})
