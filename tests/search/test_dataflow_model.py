"""The programme of pipelines, constraint by constraint, against golden files read by hand.

A layer whose input skips it: two layers, two widths of tensors, two arrays; and a hybrid in which
the first of them has a shared array, of one row and two columns, for itself. Every row of a
constraint of `codesign.search.dataflow.formulation` stands in ``golden_dataflow/<constraint>.lp``.
After a deliberate change, write them anew from this folder::

    export PYTHONPATH=../helpers
    python -c "from test_dataflow_model import rewrite_goldens; rewrite_goldens()"

and read the difference against the mathematics in the docstring of `formulation`.
"""

from __future__ import annotations

import ast
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from pyomo.repn import generate_standard_repn
from sources import sources

from codesign import Choices, Layer, Network, Problem, load_technology
from codesign.costs.tiling import ORDERS
from codesign.problem.choices import Architecture
from codesign.results.dataflow_design import platform_of
from codesign.search.dataflow.fifos import Fifos
from codesign.search.dataflow.formulation import build, forbid
from codesign.search.dataflow.programme import Programme
from codesign.search.dataflow.segment_pricing import SEGMENTS, SegmentPricing
from codesign.search.dataflow.table import Pricing, Range
from codesign.space.dataflow import PipelineSpace
from codesign.space.segments import (
    HybridSpace,
    SegmentSpace,
    SharedArray,
    SharedTables,
    Sharing,
)
from codesign.specs.fpga import AnyTechnology

pytestmark = pytest.mark.smoke

GOLDEN = Path(__file__).parent / "golden_dataflow"
LIMITS = {"area_mm2": 0.1, "latency_s": 1e-6, "energy_j": 1e-8, "noise": 0.1}


def space(technology: AnyTechnology, architecture: Architecture = "dataflow") -> PipelineSpace:
    """Layer ``a``, and ``b`` that adds its own input's input."""
    shape = {"C": 2, "K": 2, "P": 2, "H": 2}
    first = Layer(name="a", input="in", output="x", **shape)
    second = Layer(name="b", input="x", output="y", residuals=("in",), **shape)
    tensors = {"in": 4, "x": 4, "y": 4}
    network = Network(name="skip", layers=(first, second), tensors=tensors)
    choices = Choices(
        rows=(1,),
        cols=(1, 2),
        weight_bits=(4,),
        activation_bits=(2, 4),
        architecture=(architecture,),
    )
    problem = Problem(
        network=network,
        technology=technology,
        choices=choices,
        clock_hz=1e9,
        dram_bits_per_s=1e10,
        dram_energy_j_per_bit=1e-11,
    )
    return PipelineSpace(problem, platform_of(problem))


def programme(
    given: PipelineSpace,
    metric: str,
    limits: dict[str, float],
    rows: tuple[str, ...],
    kind: type[Pricing] = Pricing,
) -> Programme:
    """All columns of 2 to 8 ns."""
    pricing = kind(given, rows, Fifos(given))
    pricing.by_cycles = True
    span = Range(2e-9, 8e-9)
    allowed = [np.ones(len(bits), dtype=bool) for bits in given.bits]
    table = pricing.table(span, allowed)
    assert table is not None
    return Programme(pricing, table, span, metric, limits, 4e-9)


def silicon() -> Programme:
    """With static power that grows with area."""
    technology = load_technology("tsmc28")
    assert technology.energy is not None
    energy = replace(technology.energy, static_w=0.1, static_w_per_mm2=0.5)
    rows = ("area_mm2", "latency_s", "energy_j", "noise", "dram_bits")
    given = space(replace(technology, energy=energy))
    return programme(given, "interval_s", LIMITS, rows)


def blocks() -> Programme:
    """On an FPGA."""
    return programme(space(load_technology("finn-lut")), "bram", {}, ("bram", "dram_bits"))


def hybrid() -> Programme:
    """Layer ``a`` on a shared array, with an SRAM of 64 to 96 bits."""
    whole = space(load_technology("tsmc28"), "hybrid")
    tables, array = SharedTables(whole), SharedArray("window", 1, 2)
    sharing = Sharing(64, 96, ((4, 2, (0.001,)), (4, 4, (0.002,))))
    tiled = {0: tables.on(0, array)}
    given = HybridSpace(SegmentSpace(whole, (range(1),)), (array,), (sharing,), tiled)
    rows = ("area_mm2", "dram_bits", SEGMENTS[0])
    return programme(given, "interval_s", {"area_mm2": 0.1}, rows, SegmentPricing)


def names_of(given: Programme) -> dict[str, str]:
    """What the variables of a model are, in words."""
    layers = [layer.name for layer in given.space.network.layers]
    reads = [f"{x.tensor}>{layers[x.reader]}" for x in given.space.reads]
    classes = ["+".join(x.partition(":")[2] for x in each) for each in given.space.classes]
    bits, names, table = given.space.bits, dict[str, str](), given.table
    for o in range(len(table)):
        i = int(table.layer[o])
        options, w, a = given.space.options[i], given.space.weight_class[i], None
        assert w is not None
        a = given.space.input_class[i]
        assert a is not None
        n, place = int(table.option[o]), "stream"
        if options is None:
            assert isinstance(given.space, HybridSpace)
            tiles = given.space.tiled[i].tilings
            array = f"tile{'.'.join(map(str, tiles.tile[n]))},{ORDERS[tiles.order[n]]}"
        else:
            place = place if options.streams[n] else "chip"
            array = f"{options.rows[n]}x{options.cols[n]},{place},p{options.band_rows[n]}"
        widths = f"w{bits[w][table.weight[o]]},a{bits[a][table.activation[o]]}"
        beside = f",beside{table.beside[o]}" if i in given.beside else ""
        names[f"run[{o}]"] = f"run[{layers[i]},{array},{widths}{beside}]"
    for c, of in enumerate(classes):
        names |= {f"width[{c},{b}]": f"width[{of},{x}]" for b, x in enumerate(bits[c])}
    for e, read in enumerate(reads):
        names |= {f"{x}[{e}]": f"{x}[{read}]" for x in ("there", "blocks")}
        c = int(given.fifos.width_class[e])
        for b, x in enumerate(bits[c]):
            names |= {f"{of}[{e},{b}]": f"{of}[{read},{x}]" for of in ("wait", "passing")}
    for k, sharing in enumerate(given.sharings):
        pes = enumerate(sharing.pes)
        names |= {f"pes[{k},{n}]": f"pes[{k},{w}x{a}]" for n, (w, a, _) in pes}
        names |= {f"takes[{i}]": f"takes[{layers[i]}]" for i in given.shared}
    return names | {f"start[{i}]": f"start[{layer}]" for i, layer in enumerate(layers)}


def shown(value: float) -> str:
    """A number to nine digits."""
    return f"{value:+.9g}"


def row_text(row: Any, names: dict[str, str]) -> str:
    """One row: its terms, its sense and right-hand side, constants moved to the right."""
    body = generate_standard_repn(row.body)
    assert body.is_linear()
    pairs = zip(body.linear_coefs, body.linear_vars, strict=True)
    lines = [f"  {shown(value)} {names.get(x.name, x.name)}" for value, x in pairs]
    for sign, bound in (("=" if row.equality else "<=", row.upper), (">=", row.lower)):
        if bound is not None and not (sign == ">=" and row.equality):
            lines.append(f"  {sign} {shown(pyo.value(bound) - body.constant)}")
    return "\n".join([f"{row.name}:", *lines])


@cache
def texts() -> dict[str, str]:
    """What every golden file should hold, by its stem."""
    found = dict[str, str]()
    for given in (hybrid(), blocks(), silicon()):
        model, names = build(given), names_of(given)
        forbid(model, [[0]])
        forbid(model, [[0], [1, given.columns[1][0]]])  # all of them anew
        for constraint in model.component_objects(pyo.Constraint):
            if len(constraint):
                every = [row_text(row, names) for row in constraint.values()]
                found[constraint.local_name] = "\n".join(every) + "\n"
    return found


def rewrite_goldens() -> None:
    """Write all golden files anew; read the difference."""
    GOLDEN.mkdir(exist_ok=True)
    for stem, text in texts().items():
        (GOLDEN / f"{stem}.lp").write_text(text, encoding="utf-8")


def declared() -> set[str]:
    """Names of the constraints that `formulation` writes down."""
    tree = sources()["search.dataflow.formulation"]
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        and any("Constraint" in ast.unparse(x) for x in node.decorator_list)
    }


@pytest.mark.parametrize("stem", sorted(declared()))
def test_constraint_equals_its_golden_file(stem: str) -> None:
    assert texts()[stem] == (GOLDEN / f"{stem}.lp").read_text(encoding="utf-8")
