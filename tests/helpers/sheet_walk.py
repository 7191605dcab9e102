"""Sheets: loop nests walked by an interpreter that knows nothing of the cost model."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from itertools import pairwise
from math import ceil, prod
from typing import Any

FULL = {"g": "G", "k": "K", "c": "C", "n": "N", "p": "P", "q": "Q"}


class Walk:
    """What a layer's statements do, counted one by one."""

    def __init__(self, layer: Mapping[str, Any], array: Mapping[str, Any]) -> None:
        self.layer, self.array, self.shape = layer, array, layer["shape"]
        self.cycles = 0
        self.bits = dict.fromkeys(("weights", "ifmap", "psum", "output"), Fraction(0))
        self.held = dict.fromkeys(("weights", "ifmap", "psum"), Fraction(0))
        self.tiles = {operand: set[tuple[tuple[str, int], ...]]() for operand in self.held}
        self.at: dict[str, tuple[int, int, bool]] = {
            name: (0, self.shape[full], True) for name, full in FULL.items()
        }  # where each loop is, how much of it the tile has, and whether it is the last
        self.do(layer["nest"])

    def do(self, statements: list[dict[str, Any]]) -> None:
        for each in statements:
            if "for" in each:
                self.loop(each)
            elif "compute" in each:
                self.compute()
            elif self.due(each):
                self.move(next(each[x] for x in ("fetch", "reload", "spill", "store") if x in each))

    def due(self, each: Mapping[str, Any]) -> bool:
        """Whether a statement moves anything between DRAM and SRAM at this point."""
        if "reload" in each:
            return any(self.at[x][0] > 0 for x in each["unless first"])
        if "spill" in each:
            return not all(self.at[x][2] for x in each["unless last"])
        if "store" in each:
            return each["to"] == "dram" and all(self.at[x][2] for x in each["when last"])
        return "fetch" in each

    def loop(self, each: Mapping[str, Any]) -> None:
        name, of, step = each["for"], each["of"], each["step"]
        starts = range(0, of, step)
        assert len(starts) == each["trips"]
        for start in starts:
            size = min(step, of - start)
            self.at[name] = (start, size, start + size == of)
            self.do(each["do"])
        self.at[name] = (0, of, True)

    def size(self, letters: str) -> int:
        return prod(self.at[x][1] for x in letters)

    def elements(self, operand: str) -> Fraction:
        """Of the tile at hand: weights, stored rows and columns of channels, outputs."""
        if operand == "weights":
            return Fraction(self.size("gkc") * self.shape["R"] * self.shape["S"])
        if operand == "psum":
            return Fraction(self.size("gknpq"))
        if operand == "output":  # after a pooling
            outputs = self.layer["output_elements"]
            return Fraction(self.size("gknpq") * outputs["stored"], outputs["computed"])
        rows, columns = (self.fetched(n) for n in (0, 1))
        return self.size("gcn") * rows * columns

    def fetched(self, n: int) -> Fraction:
        """Stored rows (columns) that a tile fetches, as the mean over a pass."""
        most, trips = self.stored(n)[1:]
        full = self.shape["HW"[n]]
        kernel = (self.shape["RS"[n]] - 1) * self.shape["dilation"][n] + 1
        shared = ceil(max(kernel - self.shape["stride"][n], 0) / self.shape["input_dilation"][n])
        again = (trips - 1) * shared
        if self.shape["input_repetition"][n] > 1:
            again = sum(len(one & other) for one, other in pairwise(self.under_tiles(n)))
        whole = full if trips == 1 else min(full + again, trips * most)
        return Fraction(whole, trips)

    def stored(self, n: int) -> tuple[int, int, int]:
        """Tile, stored rows that it holds, and how many tiles there are."""
        tile = self.layer["tile"]["pq"[n]]
        kernel = (self.shape["RS"[n]] - 1) * self.shape["dilation"][n] + 1
        covered = (tile - 1) * self.shape["stride"][n] + kernel
        rows = ceil(covered / self.shape["input_dilation"][n])
        if self.shape["input_repetition"][n] > 1:
            rows = max(map(len, self.under_tiles(n)))
        most = min(self.shape["HW"[n]], rows)
        return tile, most, ceil(self.shape["PQ"[n]] / tile)

    def under_tiles(self, n: int) -> list[set[int]]:
        """Stored rows (columns) under each tile, of an image that windows see enlarged."""
        outputs, stored, tile = (
            self.shape["PQ"[n]],
            self.shape["HW"[n]],
            self.layer["tile"]["pq"[n]],
        )
        step, again = self.shape["stride"][n], self.shape["input_repetition"][n]
        kernel = (self.shape["RS"[n]] - 1) * self.shape["dilation"][n] + 1
        above = max((outputs - 1) * step + kernel - again * stored, 0) // 2
        tiles = []
        for first in range(0, outputs, tile):
            last = min(first + tile, outputs) - 1
            rows = range(first * step, last * step + kernel)
            tiles.append({(row - above) // again for row in rows})
        return tiles

    def move(self, operand: str) -> None:
        self.bits[operand] += self.elements(operand) * self.layer["bits"][operand]

    def compute(self) -> None:
        """The cycles of a tile, and what is held of each operand meanwhile."""
        spatial, shape = self.layer["spatial"], self.shape
        window, engine = shape["R"] * shape["S"], spatial["multipliers_per_pe"]
        rows, cols = self.array["rows"], self.array["cols"]
        if spatial["mapping"] == "window":
            pack = max(1, engine // window)
            reduction = ceil(self.at["c"][1] / (rows * pack)) * ceil(window / engine)
        elif spatial["mapping"] == "im2col":
            reduction = ceil(self.at["c"][1] * window / (rows * engine))
        else:
            reduction = ceil(self.at["c"][1] * window / engine)
        pixels = self.size("pq")
        pixels = ceil(pixels / rows) if spatial["mapping"] == "output" else pixels
        self.cycles += (
            ceil(self.at["g"][1] / spatial["groups_at_once"])
            * reduction
            * ceil(self.at["k"][1] / cols)
            * self.at["n"][1]
            * pixels
            * spatial["passes_of_precision"]
        )
        depends = {"weights": "gkc", "ifmap": "gcnpq", "psum": "gknpq"}
        for operand, letters in depends.items():
            self.tiles[operand].add(tuple((x, self.at[x][0]) for x in letters))
            here = self.elements(operand)
            if operand == "ifmap":
                here = Fraction(self.size("gcn") * self.stored(0)[1] * self.stored(1)[1])
            self.held[operand] = max(self.held[operand], here)

    @property
    def need(self) -> int:
        """SRAM bits: the largest tile of each operand, twice where there are several."""
        found = Fraction(0)
        for operand, elements in self.held.items():
            if self.layer["operands"][operand]["place"] != "chip":
                copies = 2 if len(self.tiles[operand]) > 1 else 1
                found += copies * elements * self.layer["bits"][operand]
        assert found.denominator == 1
        return int(found)


def check_sheet(content: Mapping[str, Any], plain: bool = True) -> None:
    """Every figure of every layer, by what its statements do."""
    for layer in content["layers"]:
        if layer["kind"] != "tiled":
            continue
        walk = Walk(layer, content["array"])
        told = {x: layer["dram_bits"][x] for x in walk.bits}
        assert walk.bits == told
        assert walk.need == layer["sram_bits"] == _regions(layer)
        if plain:
            assert walk.cycles == layer["cycles"]
    for each in content["runs"]:
        assert sum(x["elements"] * x["bits"] for x in each["held"]) == each["sram_bits"]
    names = [layer["name"] for layer in content["layers"]]
    for n, layer in enumerate(content["layers"]):
        live = [
            x["sram_bits"]
            for x in content["residents"]
            if names.index(x["first_layer"]) <= n <= names.index(x["last_layer"])
        ]
        if layer["run"] is None:
            assert sum(live) == layer["resident_bits"]
    for operand, buffer in content["buffers"].items():
        assert buffer["word_bits"] == buffer["word_elements"] * buffer["element_bits"]
        for layer in content["layers"]:
            tile = layer["operands"].get(operand)
            if tile is not None and tile["place"] != "chip":
                assert tile["sram_bits"] <= buffer["bits"]


def _regions(layer: Mapping[str, Any]) -> int:
    """Where the regions of the SRAM end, which do not overlap."""
    end = 0
    for each in layer["operands"].values():
        if each["sram_offset_bits"] is not None:
            assert each["sram_offset_bits"] == end
            end += each["sram_bits"]
    return end
