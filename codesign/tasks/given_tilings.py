"""Tilings that are given: read from a file or from a result, and checked against the network.

A file is that of a design or evaluation (.json), whose tiles are taken, or a table (.csv) with the
columns of `HardwareResult.layers`: of those, ``layer``, the parts of a tile and ``order`` are
needed, and the figures are ignored. A layer that is not there gets its best tiling.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from codesign.costs.given_tiling import GivenTiling
from codesign.costs.layers import LayerDesign, Tile
from codesign.costs.tiling import ORDERS
from codesign.errors import SpecError
from codesign.results.hardware_result import HardwareResult
from codesign.results.load import load_on_hardware
from codesign.specs.csv_tables import read_rows
from codesign.specs.network import Network
from codesign.specs.schema import nearest, parse

Tiling = Path | HardwareResult | Mapping[str, Any]

PARTS = tuple(part.name for part in fields(Tile))
NEEDED = ("layer", *(f"tile_{part}" for part in PARTS if part != "q"), "order")
FIGURES = (  # further columns of a table of layers
    *("tile_q", "mapping", "fused_run", "weight_bits", "input_bits", "output_bits", "sram_bits"),
    *("resident_bits", "macs", "stored_macs", "ops", "cycles", "utilisation", "gops"),
    *("dram_weight_bits", "dram_ifmap_bits", "dram_output_bits", "dram_psum_bits"),
    *("dram_residual_bits", "dram_bits", "compute_s", "sram_s", "memory_s", "latency_s"),
    *("bound_by", "sram_read_bits", "sram_written_bits", "mac_energy_j", "sram_energy_j"),
    *("dram_energy_j", "static_energy_j", "energy_j"),
)


def given_tilings(network: Network, given: Tiling) -> dict[str, GivenTiling]:
    """The tiling of each layer that has a given one, by name.

    Parameters
    ----------
    given : Path, HardwareResult or mapping
        A file, a result, or ``{"tile": {"g": …, …}, "order": "kcp"}`` by layer, as in a result's
        file; there may be a ``"mapping"`` beside.

    Raises
    ------
    SpecError
        The file is unreadable, has no layers, misses a column or has fused layers; what is given is
        none of these; or a layer is unknown.
    """
    if isinstance(given, Path):
        where, rows = f"{given}: ", _read(given)
    elif isinstance(given, HardwareResult):
        where, rows = "tiling: ", _of_result(given, "tiling")
    elif isinstance(given, Mapping):
        where = "tiling: "
        rows = {layer: _parsed(row, f"tiling: layer {layer!r}") for layer, row in given.items()}
    else:
        raise SpecError(
            "tiling: must be a Path, a design, an evaluation, or a mapping from layers to tiles, "
            f"got {str(given)[:40]!r}"
        )
    known = tuple(layer.name for layer in network.layers)
    for name in rows:
        if name not in known:
            raise SpecError(f"{where}unknown layer {name!r}{nearest(str(name), known)}")
    return rows


def _read(path: Path) -> dict[str, GivenTiling]:
    if path.suffix.lower() != ".csv":
        return _of_result(load_on_hardware(path), str(path))
    found: dict[str, GivenTiling] = {}
    for where, cells in read_rows(path, NEEDED, "layer", FIGURES):
        name = cells["layer"]
        if name in found:
            raise SpecError(f"{where}: layer {name!r} is there twice")
        if cells.get("fused_run"):
            raise _fused(where, name)
        parts = [cells.get(f"tile_{part}", "") for part in PARTS]
        if any((*parts, cells["order"])):  # what only moves data has none
            found[name] = _of_cells(cells, where)
    if not found:
        raise SpecError(f"{path}: no layer has a tile")
    return found


def _of_cells(cells: Mapping[str, str], where: str) -> GivenTiling:
    """One line of a table."""
    tile: dict[str, int] = {}
    for part in PARTS:
        cell = cells.get(f"tile_{part}", "")
        if part == "q" and not cell:  # all output columns, as in older tables
            continue
        if not (cell.isascii() and cell.isdecimal()) or len(cell) > 10:
            raise SpecError(
                f"{where}: tile_{part} must be a whole number from 1 to 10^9, got {cell!r}"
            )
        tile[part] = int(cell)
    row = {"tile": tile, "order": cells["order"], "mapping": cells.get("mapping") or None}
    return _parsed(row, where)


def _parsed(row: Any, where: str) -> GivenTiling:
    if not isinstance(row, Mapping | GivenTiling):
        raise SpecError(f"{where}: must have a tile and an order, got {str(row)[:40]!r}")
    order = row.get("order") if isinstance(row, Mapping) else None
    if isinstance(order, str) and order not in ORDERS:
        raise SpecError(f"{where}: order must be k, c and p, outermost first, got {order!r}")
    return parse(GivenTiling, row, where)


def _of_result(result: HardwareResult, where: str) -> dict[str, GivenTiling]:
    for run in result.fused_runs:
        raise _fused(where, result.layer_designs[run.first].name)
    found = {row.name: _of_row(row) for row in result.layer_designs if row.tile is not None}
    if not found:
        raise SpecError(f"{where}: no layer has a tile; take a result of the tiled roofline")
    return found


def _of_row(row: LayerDesign) -> GivenTiling:
    assert row.tile is not None
    assert row.order is not None
    return GivenTiling(tile=row.tile, order=row.order, mapping=row.mapping)


def _fused(where: str, layer: str) -> SpecError:
    return SpecError(
        f"{where}: layer {layer!r} is fused, and has no tile of its own; take a result without "
        "fused layers (--on-chip tensors)"
    )
