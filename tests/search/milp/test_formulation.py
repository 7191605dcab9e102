"""The programme, constraint by constraint, against golden files that were read by hand.

Two layers, two widths, two arrays, options with round numbers; tensors on chip and fused runs on
one array; two arrays of unlike power. Every row of a constraint of `formulation`, `places`,
`fusion` and `power` stands in
``golden/<constraint>.lp``, the objective of each metric in ``golden/objective_<metric>.lp``. After
a deliberate change, write them anew from this folder::

    export PYTHONPATH=../../helpers
    python -c "from test_formulation import rewrite_goldens; rewrite_goldens()"

and read the difference against the mathematics in the docstring of `formulation`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pyomo.environ as pyo
import pytest
from pair_models import (
    CONV,
    FC,
    FPGA,
    FUSED,
    LIMITS,
    MATCH,
    PAIR,
    PRODUCT,
    block_space,
    choose,
    fused_joint,
    fused_offered,
    fused_space,
    joint_model,
    kept_candidates,
    kept_model,
    kept_space,
    listed,
    pair_model,
    port_model,
    powered_fused_model,
    powered_model,
    product_model,
    space_of,
)
from pyomo.repn import generate_standard_repn
from sources import sources

from codesign.problem.goal import Goal
from codesign.problem.metrics import METRICS
from codesign.search.milp import formulation
from codesign.search.milp.choice import exclude
from codesign.search.milp.formulation import build, objective_unit
from codesign.space.candidates import Candidates
from codesign.space.energy import StaticGrowth
from codesign.space.hardware import HardwareSpace

pytestmark = pytest.mark.smoke

GOLDEN = Path(__file__).parent / "golden"
MODULES = ("formulation", "places", "fusion", "power")  # in which the rows are written down
AMONG_RUNS = (  # rows that are otherwise where layers may be fused
    "every_layer_runs",
    "input_widths",
    "resident_at_width",
    "resident_inputs",
    "tiles_fit",
    "memory_roof",
    "within_budget",
)


# --- golden files -------------------------------------------------------------------------------


def names_of(space: HardwareSpace, offered: Candidates) -> dict[str, str]:
    """What the variables of a model are, in words."""
    layers = [layer.name for layer in space.problem.network.layers]
    tensors = ["+".join(x.removeprefix("tensor:") for x in each) for each in space.variables]
    arrays = [f"{space.rows[o]}x{space.cols[o]}" for o in offered.options]
    bits = space.widths.tolist()
    names = {f"build[{h}]": f"build[{array}]" for h, array in enumerate(arrays)}
    names |= {f"latency[{i}]": f"latency[{layer}]" for i, layer in enumerate(layers)}
    for (i, layer), (h, array) in product(enumerate(layers), enumerate(arrays)):
        names |= {f"{x}[{i},{h}]": f"{x}[{layer},{array}]" for x in ("latency_on", "moved_on")}
    for t, tensor in enumerate(tensors):
        names |= {f"width[{t},{b}]": f"width[{tensor},{bits[b]}]" for b in range(len(bits))}
    for i, (layer, rows) in enumerate(zip(layers, offered.layers, strict=True)):
        for o in range(len(rows)):
            array = arrays[offered.options.tolist().index(int(rows.option[o]))]
            widths = f"w{bits[rows.weight[o]]},a{bits[rows.ifmap[o]]}"
            names[f"run[{i},{o}]"] = f"run[{layer},{array},{widths},#{o}]"
    return {"sram": "sram", "static_j[energy_j]": "static_j[energy_j]", **names}


def shown(value: float) -> str:
    """A number to nine digits."""
    return f"{value:+.9g}"


def terms(expression: Any, names: dict[str, str]) -> list[str]:
    """One line per variable of a linear expression."""
    body = generate_standard_repn(expression)
    assert body.is_linear()
    pairs = zip(body.linear_coefs, body.linear_vars, strict=True)
    return [f"  {shown(value)} {names[variable.name]}" for value, variable in pairs]


def row_text(row: Any, names: dict[str, str]) -> str:
    """One row: its terms, its sense and right-hand side, constants moved to the right."""
    constant = generate_standard_repn(row.body).constant
    lines = [f"{row.name}:", *terms(row.body, names)]
    if row.equality:
        lines.append(f"  = {shown(pyo.value(row.upper) - constant)}")
    else:
        assert row.lower is None
        lines.append(f"  <= {shown(pyo.value(row.upper) - constant)}")
    return "\n".join(lines)


def constraint_texts(model: pyo.ConcreteModel, names: dict[str, str]) -> dict[str, str]:
    """Every constraint of a model that has rows."""
    return {
        constraint.local_name: "\n".join(row_text(row, names) for row in constraint.values()) + "\n"
        for constraint in model.component_objects(pyo.Constraint)
        if len(constraint)
    }


def objective_text(model: pyo.ConcreteModel, names: dict[str, str]) -> str:
    """The objective and what one unit of it is."""
    lines = [f"minimise (one unit is {objective_unit(model):.9g}):"]
    lines += terms(model.objective.expr, names)
    constant = generate_standard_repn(model.objective.expr).constant
    return "\n".join([*lines, f"  {shown(constant)}", ""])


@cache
def texts() -> dict[str, str]:
    """What every golden file should hold, by its stem."""
    products, pairs = listed(MATCH, MATCH), listed(CONV, FC)
    product_names = names_of(space_of(PRODUCT, (2,)), products)
    pair_names = names_of(space_of(PAIR, (2, 4)), pairs)
    found = constraint_texts(product_model(Goal("latency_s", LIMITS)), product_names)
    products_alone = found["weight_widths"]
    # All else is shown on two arrays.
    found |= constraint_texts(pair_model(Goal("latency_s", LIMITS)), pair_names)
    found["weight_widths"] = products_alone + "".join(shared_weight_widths())
    for metric in METRICS:
        model = pair_model(Goal(metric, {}))
        found[f"objective_{metric}"] = objective_text(model, pair_names)
    kept = constraint_texts(kept_model(Goal("latency_s", LIMITS)), kept_names())
    for stem in ("tiles_fit", "memory_roof", "within_budget"):
        found[stem] += kept.pop(stem)
    joint = constraint_texts(joint_model(Goal("latency_s", LIMITS)), kept_names())
    for stem in ("tiles_fit", "compute_roof", "memory_roof", "within_budget"):
        found[stem] += joint.pop(stem)
    found |= {stem: text for stem, text in (kept | joint).items() if stem not in found}
    goal, names = Goal("latency_s", LIMITS), fused_names()
    fused = constraint_texts(build(fused_space(), fused_offered(), goal), names)
    for stem in AMONG_RUNS:
        found[stem] += fused.pop(stem)
    joint = constraint_texts(build(fused_space(), fused_joint(), goal), names)
    for stem in ("widths_beside", "places_beside"):
        found[stem] += joint.pop(stem)
    found |= {stem: text for stem, text in (joint | fused).items() if stem not in found}
    # A quarter of the shorter time adds to the longer.
    in_turn = constraint_texts(build(fused_space(overlap=0.75), fused_offered(), goal), names)
    for stem in ("compute_roof", "memory_roof", "run_compute_roof", "run_memory_roof"):
        found[stem] += in_turn[stem]
    port = constraint_texts(port_model(goal), kept_names())
    found |= {stem: port[stem] for stem in ("port_roof", "memory_beside_port")}
    for metric in ("lut", "dsp", "bram"):  # arrays of 1 × 2 and 1 × 4 PEs: 8 bits of operands each
        fpga = build(space_of(PAIR, (2, 4), FPGA), listed(CONV, FC), Goal(metric, {"bram": 6.0}))
        found[f"objective_{metric}"] = objective_text(fpga, pair_names)
    found["silicon"] += constraint_texts(fpga, pair_names)["silicon"]
    limits = {"bram": 3.0}
    blocks = build(block_space(), kept_candidates(), Goal("latency_s", limits))
    found["whole_blocks"] = constraint_texts(blocks, kept_names())["whole_blocks"]
    # One unit of the limit is 8 nJ; within 20 ns arrays of 0.1 and 0.2 W take 2 and 4 nJ.
    goal = Goal("latency_s", {"energy_j": 8e-6, "latency_s": 2e-5})
    for power_w in ((0.1, 0.1), (0.1, 0.2)):
        powered = constraint_texts(powered_model(goal, power_w), pair_names)
        found["within_budget"] += powered["within_budget"]
    found |= {stem: text for stem, text in powered.items() if stem not in found}
    # 0.1 mW for each bit beyond 400, 12 500 units a second; 10 to 20 µs.
    growth = StaticGrowth(1e-4, (400.0, 1000.0), {"energy_j": (1e-5, 2e-5)})
    grown = constraint_texts(powered_model(goal, (0.1, 0.1), growth), pair_names)
    found["within_budget"] += grown["within_budget"]
    found |= {stem: text for stem, text in grown.items() if stem not in found}
    model = powered_model(Goal("energy_j", {}), (0.1, 0.2))
    found["objective_energy_j"] = objective_text(model, pair_names)
    fused_j = powered_fused_model(Goal("energy_j", {"energy_j": 2e-6, "latency_s": 2e-5}))
    found["objective_energy_j"] += objective_text(fused_j, names)
    found["spends_alone"] = constraint_texts(fused_j, names)["spends_alone"]
    model = pair_model(Goal("noise", {}))
    choose(model, option=0, tensors=(0, 1), runs=(2, 1))
    exclude(model)
    found["excluded"] = constraint_texts(model, pair_names)["excluded"]
    return found


def kept_names() -> dict[str, str]:
    """The variables of the model with tensors on chip."""
    names = names_of(kept_space(), kept_candidates())
    for x, tensor in enumerate(("q", "k")):
        names |= {
            f"resident[{x},{b}]": f"resident[{tensor},{bits}]" for b, bits in ((0, 2), (1, 4))
        }
    names |= {f"size[{n}]": f"size[{bits}]" for n, bits in ((0, 50), (1, 100))}
    return names | {"blocks": "blocks"}


def fused_names() -> dict[str, str]:
    """The variables of the model with fused runs."""
    space, offered = fused_space(), fused_offered()
    names = names_of(space, offered)
    bits, layers = space.widths.tolist(), [layer.name for layer in FUSED.layers]
    names |= {
        f"resident[{x},{b}]": f"resident[{tensor},{bits[b]}]"
        for x, tensor in enumerate(space.placed)
        for b in range(len(bits))
    }
    for i, layer in enumerate(layers):
        names |= {f"{x}_alone[{i}]": f"{x}[{layer}]" for x in ("moved", "spent")}
    for n, run in enumerate(offered.fused):
        first, last = (layers[run.layers[at].layer] for at in (0, -1))
        which = f"{first}..{last}"
        names |= {f"{x}[{n}]": f"{x}[{which}]" for x in ("fuse", "psums")}
        names[f"run_latency[{n}]"] = f"latency[{which}]"
        names |= {f"source[{n},{b}]": f"source[{which},{bits[b]}]" for b in run.source_width}
        for at, layer in enumerate(run.layers):
            for o in range(len(layer)):
                widths = f"w{bits[layer.weight[o]]},a{bits[layer.ifmap[o]]}"
                names[f"pair[{n},{at},{o}]"] = f"pair[{which},{layers[layer.layer]},{widths}]"
        for s, each in enumerate(run.beside):
            (tensor,) = (x.removeprefix("tensor:") for x in space.variables[each.variable])
            for o in range(len(each.width)):
                place = "chip" if each.on_chip[o] else "dram"
                chosen = f"{tensor},{bits[each.width[o]]},{place}"
                names[f"beside[{n},{s},{o}]"] = f"beside[{which},{chosen}]"
    return names


def shared_weight_widths() -> Iterator[str]:
    """Constraint (5) where weights share a width with each other, then with their inputs."""
    group = {"shared": (("weight:conv", "weight:fc"),)}
    for sharing, variables in ((group, 3), ({"tied": True}, 2)):
        space, offered = space_of(PAIR, (2,), **sharing), listed(MATCH, MATCH, variables=variables)
        model = build(space, offered, Goal("noise", {}))
        yield constraint_texts(model, names_of(space, offered))["weight_widths"]


def rewrite_goldens() -> None:
    """Write every golden file anew, and delete those of constraints that are gone."""
    GOLDEN.mkdir(exist_ok=True)
    for path in GOLDEN.iterdir():
        path.unlink()
    for stem, text in texts().items():
        (GOLDEN / f"{stem}.lp").write_text(text, encoding="utf-8")


GOLDEN_STEMS = sorted(path.stem for path in GOLDEN.iterdir()) if GOLDEN.is_dir() else []


def test_every_constraint_has_a_golden_file_and_the_other_way_round() -> None:
    assert sorted(texts()) == GOLDEN_STEMS
    assert {path.suffix for path in GOLDEN.iterdir()} == {".lp"}


def test_the_docstring_lists_every_constraint() -> None:
    text = str(formulation.__doc__)
    constraints = [stem for stem in texts() if not stem.startswith(("objective_", "excluded"))]
    for stem in constraints:
        assert f") {stem} " in text, f"{stem} has no equation"
    numbers = re.findall(r"^ {3,4}\((\d+)\) \w", text, re.MULTILINE)
    assert numbers == [str(n) for n in range(1, len(constraints) + 1)]


def test_every_constraint_has_the_number_of_its_equation() -> None:
    listed_as = dict(re.findall(r"^ {3,4}(\(\d+\)) (\w+)", str(formulation.__doc__), re.MULTILINE))
    assert {name: number for number, name in listed_as.items()} == {
        name: number for name, (number, _) in rules().items()
    }


def rules() -> dict[str, tuple[str, str | None]]:
    """Number and docstring of every function that writes rows."""
    return {
        node.name: (number.value, ast.get_docstring(node))
        for module in MODULES
        for node in ast.walk(sources()[f"search.milp.{module}"])
        if isinstance(node, ast.FunctionDef)
        for each in node.decorator_list
        if isinstance(each, ast.Call) and "Constraint" in ast.dump(each.func)
        for keyword in each.keywords
        if keyword.arg == "doc" and isinstance(number := keyword.value, ast.Constant)
    }


def test_every_constraint_is_explained_where_it_is_written() -> None:
    every = {s for s in texts() if not s.startswith(("objective_", "excluded"))}
    assert {*rules()} == every
    assert all(text for _, text in rules().values())


@pytest.mark.parametrize("stem", GOLDEN_STEMS)
def test_golden(stem: str) -> None:
    assert texts()[stem] == (GOLDEN / f"{stem}.lp").read_text(encoding="utf-8")
