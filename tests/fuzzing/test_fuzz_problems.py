"""Problems at the ends of what is allowed: solved, proven and written, or refused in one line."""

from __future__ import annotations

import json
import math
from typing import Any

from fuzzing import answered, cases, tried
from hypothesis import strategies as st

import codesign
from codesign import Choices, Design, Layer, Network, Problem
from codesign.checking import check_content
from codesign.problem.metrics import METRICS
from codesign.results.evaluation import Evaluation
from codesign.specs.accelerator import Accelerator
from codesign.specs.machine import MAPPINGS
from codesign.specs.technology import AreaFit, QuadraticFit, Technology
from codesign.tasks.evaluate import evaluate

LENGTHS = st.sampled_from([*(1, 1, 2, 3, 7, 64) * 4, 1000, 10**5, 10**9])
ENDS = (5e-324, 1e-31, 1e-30, 1e-9, 1e-3, 1.0, 1e3, 1e9, 1e15, 1e30, 1e31)
VALID = st.sampled_from(ENDS[2:-1])
REALS = st.sampled_from([*ENDS[2:-1] * 9, *ENDS])
SIGNED = st.one_of(REALS, REALS.map(lambda x: -x), st.just(0.0))
WIDTHS = st.lists(st.sampled_from([1, 2, 4, 8, 16, 32]), min_size=1, max_size=3).map(tuple)
SIDES = st.lists(st.sampled_from([1, 2, 8, 1000, 65536]), min_size=1, max_size=2).map(tuple)


def network(data: Any) -> Network:
    """A chain of layers, of sizes from one to the largest; not all of them fit together."""
    layers: list[Layer] = []
    tensors: dict[str, int] = {}
    N = data.draw(st.sampled_from([1, 1, 1, 3, 10**6]), "N")
    rows, cols = (data.draw(st.sampled_from([*(1, 7, 56) * 5, 1000, 10**4]), side) for side in "HW")
    channels = data.draw(LENGTHS, "channels")
    for number in range(data.draw(st.integers(1, 4), "layers")):
        groups = math.gcd(channels, data.draw(LENGTHS, "G"))
        kernel = min(data.draw(st.sampled_from([1, 3, 11, 10**6]), "R"), rows)
        moves = number > 0 and data.draw(st.integers(0, 3), "moves") == 0
        K = data.draw(LENGTHS, "K")
        sizes = {"G": groups, "K": K, "C": channels // groups, "P": rows, "Q": cols}
        sizes |= {"N": N, "H": rows, "W": cols}
        sizes |= {} if moves else {"R": kernel, "S": min(kernel, cols)}
        source, result = f"t{number}", f"t{number + 1}"
        layers.append(Layer(name=f"l{number}", input=source, output=result, moves=moves, **sizes))
        tensors |= {source: layers[-1].ifmap, result: layers[-1].computed_outputs}
        channels = groups * K
    return Network(name="odd", layers=tuple(layers), tensors=tensors)


def fit(data: Any) -> AreaFit:
    return AreaFit(slope=data.draw(REALS, "slope"), intercept=data.draw(SIGNED, "intercept"))


def technology(data: Any) -> Technology:
    """Fits of any slope."""
    if data.draw(st.integers(0, 2), "usual technology"):
        return codesign.load_technology("tsmc28")
    terms = {key: data.draw(SIGNED, key) for key in ("quadratic", "linear", "constant")}
    pes = fit(data) if data.draw(st.booleans(), "form") else QuadraticFit(**terms)
    engine = data.draw(LENGTHS, "engine")
    return Technology(
        name="odd", pe_area_um2=pes, sram_fits={"one": fit(data)}, sram="one", engine=engine
    )


def machine(data: Any) -> dict[str, Any]:
    """How an array works: half of the time as usual."""
    precisions = st.sampled_from(["fixed", "multi-pass", "widening"])
    if data.draw(st.booleans(), "usual machine"):
        return {"precision": data.draw(precisions, "precision")}
    kernels = st.sampled_from(["1x1", "3x3", "3x3s1", "1x2"])
    factors = st.dictionaries(kernels, st.sampled_from(["4/9", "0.5", "1000", "1/999999"]))
    overlaps = st.sampled_from([1, 1.0, 0.0, 0.5, 1e-6])
    return {
        "precision": data.draw(precisions, "precision"),
        "mapping": data.draw(st.lists(st.sampled_from(MAPPINGS), min_size=1), "mapping"),
        "reconfigurable": data.draw(st.booleans(), "reconfigurable"),
        "fill_cycles": data.draw(st.booleans(), "fill_cycles"),
        "weight_load": data.draw(st.booleans(), "weight_load"),
        "cycle_factors": data.draw(factors, "cycle_factors"),
        "overlap": data.draw(overlaps, "overlap"),
    }


def problem(data: Any) -> Problem:
    """Any objective, budgets and choices."""
    metrics = st.sampled_from(METRICS)
    described = network(data)
    sources = [f"weight:{x}" for x in described.weight_layers]
    sources += [f"tensor:{x}" for x in described.inner_tensors]
    widths = {key: data.draw(WIDTHS, key) for key in ("weight_bits", "activation_bits")}
    losses = {bits: data.draw(VALID, "loss") for bits in range(1, 33)}
    noises = dict.fromkeys(sources, losses)
    return Problem(
        network=described,
        technology=technology(data),
        dram_bits_per_s=data.draw(REALS, "dram_bits_per_s"),
        clock_hz=data.draw(REALS, "clock_hz"),
        area_overhead=data.draw(st.sampled_from([1.0, 1.0, 1.0, 1e-30, 1e30]), "area_overhead"),
        choices=Choices(
            rows=data.draw(SIDES, "rows"),
            cols=data.draw(SIDES, "cols"),
            **machine(data),
            tied=data.draw(st.booleans(), "tied"),
            on_chip=data.draw(st.sampled_from(["none", "tensors", "bands"]), "on_chip"),
            **widths,
        ),
        sensitivity=data.draw(st.sampled_from([None, noises]), "sensitivity"),
        quality=data.draw(st.sampled_from([None, None, "uniform:6", "sqnr:30"]), "quality"),
        objective=data.draw(metrics, "objective"),
        budgets=data.draw(st.dictionaries(metrics, REALS, max_size=2), "budgets"),
    )


@cases(50, 3000)
def test_solved(number: int) -> None:
    def judge(data: Any) -> None:
        asked = answered(lambda: problem(data))
        design = asked and answered(lambda: codesign.solve(asked, time_limit_s=5))
        if design:
            check_design(design)

    tried(number, judge)


def check_design(design: Design) -> None:
    """Its file says the same, and all its figures hold."""
    content = json.loads(json.dumps(design.to_dict(), allow_nan=False))
    assert Design.from_dict(content, "design.json").to_dict() == design.to_dict()
    report = check_content(content, "design.json")
    assert report.findings == ()


def accelerator(data: Any) -> Accelerator:
    """One with a measured area or none, a DRAM or none."""
    optional = st.one_of(st.none(), REALS)
    return Accelerator(
        name="odd",
        rows=data.draw(SIDES, "rows")[0],
        cols=data.draw(SIDES, "cols")[0],
        engine=data.draw(LENGTHS, "engine"),
        pe_weight_bits=32,
        pe_activation_bits=data.draw(WIDTHS, "pe_activation_bits")[0],
        **machine(data),
        clock_hz=data.draw(REALS, "clock_hz"),
        sram_bits=data.draw(st.sampled_from([None, 1, 10**6, 10**18]), "sram_bits"),
        psum_bits=data.draw(st.sampled_from([None, 1, 1024]), "psum_bits"),
        dram_bits_per_s=data.draw(optional, "dram_bits_per_s"),
        pe_area_um2=data.draw(optional, "pe_area_um2"),
        area_overhead=data.draw(REALS, "area_overhead"),
        technology=technology(data),
    )


@cases(80, 3000)
def test_evaluated(number: int) -> None:
    def judge(data: Any) -> None:
        described, chip = answered(lambda: network(data)), answered(lambda: accelerator(data))
        roofline = data.draw(st.sampled_from(["tiled", "ideal"]), "roofline")
        on_chip = data.draw(st.sampled_from([None, "none", "tensors", "bands"]), "on_chip")
        if described is None or chip is None:
            return
        found = answered(lambda: evaluate(described, chip, 8, roofline=roofline, on_chip=on_chip))
        if found is not None:
            content = json.loads(json.dumps(found.to_dict(), allow_nan=False))
            assert Evaluation.from_dict(content, "evaluation.json") == found
            assert check_content(content, "evaluation.json").findings == ()

    tried(number, judge)
