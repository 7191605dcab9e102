"""The programme, constraint by constraint, against golden files that were read by hand.

Two layers, two widths, two arrays, options with round numbers: every row of a constraint of
`formulation` stands in ``golden/<constraint>.lp``, the objective of each metric in
``golden/objective_<metric>.lp``. After a deliberate change, write them anew from this folder::

    export PYTHONPATH=../../helpers
    python -c "from test_formulation import rewrite_goldens; rewrite_goldens()"

and read the difference against the mathematics in the docstring of `formulation`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from pyomo.repn import generate_standard_repn

from codesign import Choices, Layer, Network, Problem
from codesign.problem.goal import Goal
from codesign.problem.metrics import METRICS
from codesign.search.milp import formulation
from codesign.search.milp.formulation import ROW_SCALE, build, exclude, objective_unit, read_choice
from codesign.search.milp.highs import minimise
from codesign.space.candidates import Candidates, LayerCandidates, candidates
from codesign.space.hardware import HardwareSpace
from codesign.space.point import Solution, price
from codesign.specs.technology import AreaFit, Technology

pytestmark = pytest.mark.smoke

GOLDEN = Path(__file__).parent / "golden"

# --- the problem --------------------------------------------------------------------------------

# One multiplier per PE: BOPS = 4·4 + 4 + 4 = 24, a PE takes 10,000·24 + 10,000 = 250,000 µm².
TECHNOLOGY = Technology(
    name="round",
    pe_area_um2=AreaFit(slope=10_000.0, intercept=10_000.0),
    sram_fits={"only": AreaFit(slope=100.0, intercept=50_000.0)},
    sram="only",
    engine=1,
)
PAIR = Network(
    name="pair",
    layers=(
        # 8 weights, 32 MACs, log2(C·R·S) = 1
        Layer(name="conv", K=4, C=2, P=4, H=4, input="in", output="mid"),
        # 128 weights, 128 MACs, log2(C·R·S) = 4
        Layer(name="fc", K=8, C=16, input="mid", output="out", residuals=("in",)),
    ),
    tensors={"in": 8, "mid": 16, "out": 8},
)
PRODUCT = Network(
    name="product",
    layers=(
        Layer(name="project", K=2, C=2, P=3, H=3, input="x", output="q"),
        Layer(name="match", K=3, C=2, P=3, H=3, input="q", output="s", weight_tensor="x"),
    ),
    tensors={"x": 6, "q": 6, "s": 9},
)
# Hardware option, weight width, input width (0: 2 bits, 1: 4 bits), SRAM bits, DRAM bits, seconds.
CONV = (
    (0, 0, 0, 100, 40, 4e-6),
    (0, 0, 1, 150, 60, 4e-6),
    (0, 1, 0, 140, 70, 4e-6),
    (0, 1, 1, 200, 160, 4e-6),
    (0, 1, 1, 300, 90, 4e-6),
    (1, 0, 0, 100, 40, 2e-6),
    (1, 0, 1, 150, 60, 2e-6),
    (1, 1, 0, 140, 70, 2e-6),
    (1, 1, 1, 200, 90, 2e-6),
)
FC = (
    (0, 0, 0, 400, 300, 8e-6),
    (0, 0, 1, 500, 330, 8e-6),
    (0, 1, 0, 800, 560, 8e-6),
    (0, 1, 1, 1000, 600, 8e-6),
    (1, 0, 0, 400, 300, 2e-6),
    (1, 0, 1, 500, 330, 2e-6),
    (1, 1, 0, 800, 560, 2e-6),
    (1, 1, 1, 1000, 600, 2e-6),
)
MATCH = (
    (0, 0, 0, 50, 30, 1e-6),
    (0, 0, 1, 60, 40, 1e-6),
    (0, 1, 0, 70, 50, 1e-6),
    (0, 1, 1, 80, 60, 1e-6),
)

# The unit of a metric in the model is a thousandth of its limit.
LIMITS = {
    "latency_s": 2e-5,  # unit 20 ns, in which DRAM moves 2 bits
    "area_mm2": 2.0,  # unit 2000 µm²
    "dram_bits": 2000.0,  # unit 2 bits
    "noise": 0.5,  # unit 1/2000
    "model_bits": 500.0,  # unit half a bit
    "bops": 4000.0,  # unit 4
}


def space_of(network: Network, cols: tuple[int, ...], **sharing: Any) -> HardwareSpace:
    """Arrays of 1 × cols PEs of 4 × 4 bits, widths of 2 and 4 bits, 100 Mbit/s of DRAM."""
    choices = Choices(
        **sharing,
        rows=(1,),
        cols=cols,
        weight_bits=(2, 4),
        activation_bits=(2, 4),
        pe_weight_bits=(4,),
        pe_activation_bits=(4,),
    )
    return HardwareSpace(
        Problem(
            network=network,
            technology=TECHNOLOGY,
            choices=choices,
            clock_hz=1e6,
            dram_bits_per_s=1e8,
        )
    )


def listed(*layers: tuple[tuple[float, ...], ...], variables: int = 2) -> Candidates:
    """Candidates with these rows; every width variable may take either width."""
    columns = []
    for rows in layers:
        option, weight, ifmap, *numbers = np.array(rows).T
        whole = (column.astype(np.int64) for column in (option, weight, ifmap))
        columns.append(LayerCandidates(*whole, *numbers))
    options = np.unique(columns[0].option)
    return Candidates(options, tuple(columns), np.ones((variables, 2), dtype=bool))


def pair_model(goal: Goal) -> pyo.ConcreteModel:
    """The programme of two layers on two arrays."""
    return build(space_of(PAIR, (2, 4)), listed(CONV, FC), goal)


def product_model(goal: Goal) -> pyo.ConcreteModel:
    """The programme of a network with a product of two tensors, on one array."""
    return build(space_of(PRODUCT, (2,)), listed(MATCH, MATCH), goal)


# --- golden files -------------------------------------------------------------------------------


def names_of(space: HardwareSpace, offered: Candidates) -> dict[str, str]:
    """What the variables of a model are, in words."""
    layers = [layer.name for layer in space.problem.network.layers]
    tensors = ["+".join(x.removeprefix("tensor:") for x in each) for each in space.variables]
    arrays = [f"{space.rows[o]}x{space.cols[o]}" for o in offered.options]
    bits = space.widths.tolist()
    names = {f"build[{h}]": f"build[{array}]" for h, array in enumerate(arrays)}
    names |= {f"latency[{i}]": f"latency[{layer}]" for i, layer in enumerate(layers)}
    for t, tensor in enumerate(tensors):
        names |= {f"width[{t},{b}]": f"width[{tensor},{bits[b]}]" for b in range(len(bits))}
    for i, (layer, rows) in enumerate(zip(layers, offered.layers, strict=True)):
        for o in range(len(rows)):
            array = arrays[offered.options.tolist().index(int(rows.option[o]))]
            widths = f"w{bits[rows.weight[o]]},a{bits[rows.ifmap[o]]}"
            names[f"run[{i},{o}]"] = f"run[{layer},{array},{widths},#{o}]"
    return {"sram": "sram", **names}


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
    model = pair_model(Goal("noise", {}))
    choose(model, option=0, tensors=(0, 1), runs=(2, 1))
    exclude(model)
    found["excluded"] = constraint_texts(model, pair_names)["excluded"]
    return found


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


def choose(
    model: pyo.ConcreteModel, option: int, tensors: tuple[int, ...], runs: tuple[int, ...]
) -> None:
    """Set the variables to one choice; ``option`` counts the model's own hardware."""
    for h, built in model.build.items():
        built.set_value(int(h == option))
    for (i, o), run in model.run.items():
        run.set_value(int(runs[i] == o))
    for (t, b), width in model.width.items():
        width.set_value(int(tensors[t] == b))


GOLDEN_STEMS = sorted(path.stem for path in GOLDEN.iterdir()) if GOLDEN.is_dir() else []


def test_every_constraint_has_a_golden_file_and_the_other_way_round() -> None:
    assert sorted(texts()) == GOLDEN_STEMS
    assert {path.suffix for path in GOLDEN.iterdir()} == {".lp"}


def test_the_docstring_lists_every_constraint() -> None:
    text = str(formulation.__doc__)
    constraints = [stem for stem in texts() if not stem.startswith(("objective_", "excluded"))]
    for stem in constraints:
        assert f") {stem} " in text, f"{stem} has no equation"
    assert text.count("\n    (") + text.count("\n   (1") == len(constraints)


@pytest.mark.parametrize("stem", GOLDEN_STEMS)
def test_golden(stem: str) -> None:
    assert texts()[stem] == (GOLDEN / f"{stem}.lp").read_text(encoding="utf-8")


# --- the model against exact prices -------------------------------------------------------------


def real_model(goal: Goal) -> tuple[HardwareSpace, Candidates, pyo.ConcreteModel]:
    """The same two layers with the options the product lists for them."""
    space = space_of(PAIR, (2, 4))
    offered = candidates(space, np.arange(2), np.zeros(2), np.full(2, 1e6))
    return space, offered, build(space, offered, goal)


def legal_choices(
    space: HardwareSpace, offered: Candidates
) -> Iterator[tuple[int, tuple[int, ...], tuple[int, ...]]]:
    """Every option, tensor widths and run of each layer that agree."""
    inputs = [space.tensor_index[layer.input] for layer in space.problem.network.layers]
    rows = [list(enumerate(zip(c.option, c.ifmap, strict=True))) for c in offered.layers]
    for h, option in enumerate(offered.options):
        for tensors in product((0, 1), repeat=2):
            fitting = [
                [o for o, (mine, ifmap) in rows[i] if mine == option and ifmap == tensors[t]]
                for i, t in enumerate(inputs)
            ]
            for runs in product(*fitting):
                yield h, tensors, runs


def priced(
    space: HardwareSpace, offered: Candidates, tensors: tuple[int, ...], runs: Any
) -> Solution | None:
    """The design of a choice, each layer with the tiling that needs what its run does."""
    rows = offered.layers
    need = max(float(c.need[o]) for c, o in zip(rows, runs, strict=True))
    weight = [int(c.weight[o]) for c, o in zip(rows, runs, strict=True)]
    return price(space, int(rows[0].option[runs[0]]), tensors, weight, need)


def run_to_result(model: pyo.ConcreteModel) -> None:
    """Give SRAM and latencies the least values the rows allow."""
    model.sram.set_value(0.0)
    need = max(pyo.value(row.body) for row in model.tiles_fit.values())
    model.sram.set_value(need / ROW_SCALE)
    if not hasattr(model, "latency"):
        return
    for latency in model.latency.values():
        latency.set_value(0.0)
    for i, latency in model.latency.items():
        roofs = (model.compute_roof[i], model.memory_roof[i])
        latency.set_value(max(pyo.value(roof.body) for roof in roofs))


@pytest.mark.parametrize("metric", METRICS)
def test_objective_is_the_exact_metric(metric: str) -> None:
    space, offered, model = real_model(Goal(metric, {}))
    compared = 0
    for h, tensors, runs in legal_choices(space, offered):
        choose(model, h, tensors, runs)
        run_to_result(model)
        point = priced(space, offered, tensors, runs)
        assert point is not None
        value = pyo.value(model.objective) * objective_unit(model)
        # Pricing gives every layer the best tiling within the SRAM the largest needs.
        if metric in ("latency_s", "dram_bits"):
            assert value >= point.metrics[metric] * (1 - 1e-12)
            compared += value == pytest.approx(point.metrics[metric], rel=1e-12)
        else:
            assert value == pytest.approx(point.metrics[metric], rel=1e-12)
            compared += 1
    assert compared >= 32


def test_rows_hold_exactly_for_designs_within_the_limits() -> None:
    space, offered, _ = real_model(Goal("noise", {}))
    points = [
        (choice, priced(space, offered, *choice[1:])) for choice in legal_choices(space, offered)
    ]
    middle = {
        name: float(np.median([point.metrics[name] for _, point in points if point]))
        for name in METRICS
    }
    model = build(space, offered, Goal("noise", middle))
    verdicts = set()
    for (h, tensors, runs), point in points:
        choose(model, h, tensors, runs)
        run_to_result(model)
        held = all(
            pyo.value(row.upper - row.body) >= -1e-9
            for row in model.component_data_objects(pyo.Constraint)
            if not row.equality
        )
        agreed = all(
            pyo.value(row.upper - row.body) == pytest.approx(0, abs=1e-12)
            for row in model.component_data_objects(pyo.Constraint)
            if row.equality
        )
        assert agreed
        assert point is not None
        exact = value_of_run(space, offered, runs, tensors, h)
        assert held == all(exact[name] <= middle[name] * (1 + 2e-9) for name in METRICS)
        verdicts.add(held)
    assert verdicts == {True, False}


def value_of_run(
    space: HardwareSpace, offered: Candidates, runs: Any, tensors: tuple[int, ...], h: int
) -> dict[str, float]:
    """Metrics of exactly these runs, each with its own tiling."""
    bits = space.widths
    network = space.problem.network
    rows = list(zip(offered.layers, runs, strict=True))
    moved = [16 * bits[tensors[1]], 8 * 8 + 8 * bits[tensors[0]]]  # mid; out and the residual in
    traffic = [
        float(c.traffic[o]) + float(extra) for (c, o), extra in zip(rows, moved, strict=True)
    ]
    weight = [int(bits[c.weight[o]]) for c, o in rows]
    ifmap = [int(bits[c.ifmap[o]]) for c, o in rows]
    need = max(float(c.need[o]) for c, o in rows)
    compute = [float(c.compute_s[o]) for c, o in rows]
    sizes = [(layer.macs, layer.weights, layer.C) for layer in network.layers]
    reductions = {2: 1.0, 16: 4.0}  # log2 of C
    return {
        "latency_s": sum(max(c, t / 1e8) for c, t in zip(compute, traffic, strict=True)),
        "area_mm2": ((2, 4)[h] * 250_000 + 50_000 + 100 * need) * 1e-6,
        "dram_bits": sum(traffic),
        "noise": sum(4.0**-b for b in (*weight, *(int(bits[t]) for t in tensors))),
        "model_bits": float(sum(size[1] * b for size, b in zip(sizes, weight, strict=True))),
        "bops": sum(
            macs * (w * a + w + a + reductions[C])
            for (macs, _, C), w, a in zip(sizes, weight, ifmap, strict=True)
        ),
    }


def test_a_noise_limit_of_zero_is_a_row_of_zero() -> None:
    model = pair_model(Goal("bops", {"noise": 0.0}))
    row = model.within_budget["noise"]
    assert pyo.value(row.upper) == 0
    # Measured as without a limit, in thousandths of the least the layers can have: 2·4^−4.
    golden = pair_model(Goal("noise", {}))
    values = [generate_standard_repn(e).linear_coefs for e in (row.body, golden.objective.expr)]
    assert values[0] == values[1]
    assert max(values[0]) == pytest.approx(1000 * 4.0**-2 / (2 * 4.0**-4))


def test_each_choice_is_excluded_once() -> None:
    # Solved again and again, each choice excluded, the programme lists all of them in order.
    space, offered = space_of(PAIR, (2, 4)), listed(CONV, FC)
    model = build(space, offered, Goal("latency_s", {}))
    expected = sorted(
        value_of_run(space, offered, runs, tensors, h)["latency_s"]
        for h, tensors, runs in legal_choices(space, offered)
    )
    found, choices = [], set()
    while (outcome := minimise(model)).status == "optimal":
        found.append(pyo.value(model.objective) * objective_unit(model))
        assert outcome.bound * objective_unit(model) == pytest.approx(found[-1])
        choices.add(tuple(run.name for run in model.run.values() if pyo.value(run) > 0.5))
        exclude(model)
    assert outcome.status == "infeasible"
    assert found == pytest.approx(expected)
    assert len(choices) == len(expected) == 36


def test_a_tensor_in_place_of_weights_has_no_weights() -> None:
    # ``project`` owns weights, ``match`` does not: its runs add neither model bits nor noise.
    for metric, others in (("model_bits", set()), ("noise", {"width"})):
        model = product_model(Goal(metric, {}))
        body = generate_standard_repn(model.objective.expr)
        names = {variable.name for variable in body.linear_vars}
        assert {name for name in names if name.startswith("run")} == {
            f"run[0,{o}]" for o in range(4)
        }
        assert {name.partition("[")[0] for name in names} == {"run", *others}


def test_the_chosen_values_are_read() -> None:
    offered = listed(CONV, FC)
    model = pair_model(Goal("noise", {}))
    choose(model, option=1, tensors=(0, 1), runs=(7, 5))
    choice = read_choice(model, offered)
    assert (choice.option, choice.variable_width, choice.weight) == (1, (0, 1), (1, 0))
    assert choice.sram_bits == 500  # the larger of 140 and 500
    offered = listed(FC, CONV)
    model = build(space_of(PAIR, (2, 4)), offered, Goal("noise", {}))
    choose(model, option=1, tensors=(0, 1), runs=(5, 7))
    assert read_choice(model, offered).sram_bits == 500  # of 500 and 140


def test_the_chosen_values_are_read_despite_rounding() -> None:
    offered = listed(CONV, FC)
    model = pair_model(Goal("noise", {}))
    choose(model, option=0, tensors=(1, 1), runs=(4, 3))
    for variable in [*model.run.values(), *model.width.values()]:
        variable.set_value(abs(variable.value - 1e-7), skip_validation=True)
    choice = read_choice(model, offered)
    assert (choice.option, choice.variable_width, choice.weight) == (0, (1, 1), (1, 1))
    assert choice.sram_bits == 1000
