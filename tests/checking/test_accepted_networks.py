"""Every network that can be solved can be checked: what `Network` accepts, the check accepts.

The check reads a file by rules of its own. Networks of every kind (parts, movements, slices, layers
that read one part of a tensor and write another, shared widths, products of two activations,
batches, residuals, strides, dilations, inserted zeros) are solved, assigned and evaluated, and
their files checked.
"""

from __future__ import annotations

import copy
import json
import random
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import onnx
import pytest
from command_line import run
from onnx_graphs import model, network, story
from random_choices import random_choices
from random_networks import random_network
from random_problems import (
    OBJECTIVES,
    affordable,
    random_sensitivity,
    random_technology,
    with_sharing,
)
from seeds import check_all

from codesign import Design, InfeasibleError, Problem, SpecError, assign, certify, evaluate, solve
from codesign.checking import check_content
from codesign.checking.entries import Entry
from codesign.checking.findings import Ledger, Unreadable
from codesign.checking.network import read_network
from codesign.problem.choices import Place
from codesign.problem.metrics import ENERGY
from codesign.results.certificate import Certificate
from codesign.results.result_file import ResultFile
from codesign.specs.network import Network
from codesign.specs.schema import parse

LONG_BLOCK = 100

# --- a block of YOLOv8 (C2f), or of a cross-stage partial network -------------------------------

BLOCK = """
    c1: a = Conv <pads=[1,1,1,1]> (x, w1)
    c2: b = Conv <pads=[1,1,1,1]> (a, w2)
    t = Concat <axis=1> (a, b)
    c3: y = Conv (t, w3)
"""
IMAGE = {"x": (1, 3, 16, 16)}
WEIGHTS = {"w1": (8, 3, 3, 3), "w2": (8, 8, 3, 3), "w3": (8, 16, 1, 1)}
FEW = ("--rows", "4,8", "--cols", "4,8", "--bits", "4,8", "--max-area-mm2", "0.2")


def test_a_block_that_reads_one_part_and_writes_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert story(network(tmp_path, BLOCK, IMAGE, WEIGHTS)) == [
        "c1: x -> t[2048]",
        "c2: t[2048] -> t[2048]",
        "c3: t -> y",
    ]
    graph, design, proof = (str(tmp_path / name) for name in ("c2f.onnx", "d.json", "p.json"))
    onnx.save(model(BLOCK, IMAGE, WEIGHTS), graph)
    files = ("--out", design, "--certificate", proof)
    code, out, _ = run(capsys, "solve", graph, *FEW, "--quiet", *files)
    assert (code, out.split(",")[0]) == (0, "optimal")
    deep = ("--deep", "--certificate", proof)
    assert run(capsys, "check", design)[0] == run(capsys, "check", design, *deep)[0] == 0
    assert run(capsys, "explain", design)[0] == 0


# --- random networks ----------------------------------------------------------------------------


def random_question(rng: random.Random) -> Problem:
    """A problem of a few hardware options and widths, without budgets, of one to three images."""
    layers = random_network(
        rng, rng.choice((1, 2, 3, 4)), moving=rng.random() < 0.5, in_place=rng.random() < 0.6
    ).batched(rng.choice((1, 1, 2, 3)))
    choices = random_choices(rng, layers, 8)
    if rng.random() < 0.5:
        choices = replace(choices, on_chip="tensors", places=random_places(rng, layers))
    if rng.random() < 0.5:
        choices = with_sharing(rng, layers, choices)
    return Problem(
        network=layers,
        technology=random_technology(rng),
        clock_hz=10 ** rng.uniform(7, 9.5),
        dram_bits_per_s=10 ** rng.uniform(7, 11),
        area_overhead=rng.choice((1.0, rng.uniform(0.5, 3))),
        choices=affordable(rng, layers, choices, 1000),
        sensitivity=random_sensitivity(rng, layers) if rng.random() < 0.4 else None,
        objective=rng.choice(OBJECTIVES),
    )


def random_places(rng: random.Random, layers: Network) -> dict[str, Place]:
    """Places of some tensors; on chip only where they can be."""
    drawn = [name for name in layers.tensors if rng.random() < 0.2]
    return {x: rng.choice(("chip", "dram")) if x in layers.lifetimes else "dram" for x in drawn}


def findings(result: ResultFile, certificate: Certificate | None = None) -> list[str]:
    """What the check says of a result's file."""
    proof = certificate and json.loads(json.dumps(certificate.to_dict()))
    report = check_content(json.loads(json.dumps(result.to_dict())), "given.json", proof)
    return [str(finding) for finding in report.findings]


def bounded(rng: random.Random, design: Design) -> Problem:
    """The problem of a design with another objective, within budgets that the design keeps."""
    known = {name: value for name, value in design.metrics.items() if value > 0}
    if design.problem.choices.on_chip != "none":  # searched at one SRAM after another
        known.pop(ENERGY, None)
    limits = {name: known[name] * rng.choice((1, 1.1, 1.5)) for name in rng.sample([*known], 2)}
    return replace(design.problem, objective=rng.choice([*known]), budgets=limits)


def check_files(seed: int) -> Counter[str]:
    """Solve, assign and evaluate random network number ``seed``, and check the files."""
    rng = random.Random(f"accepted {seed}")
    problem = random_question(rng)
    seen = Counter(role for layer in problem.network.layers for role in roles(layer))
    seen[problem.choices.on_chip] += 1
    allocated = replace(problem, objective=rng.choice(("noise", "model_bits", "bops")))
    assert findings(assign(allocated)) == []
    try:
        design = solve(problem)
    except InfeasibleError:  # no PE as wide as the widths that are pinned
        return seen
    assert findings(design) == []
    best = solve(bounded(rng, design))
    proof = certify(best) if seed % 4 == 0 else None
    seen["certified"] += proof is not None
    seen[ENERGY] += ENERGY in (best.problem.objective, *best.problem.budgets)
    assert findings(best, proof) == []
    given = (problem.network, design.accelerator, design.widths)
    staying = {"on_chip": problem.choices.on_chip, "places": problem.choices.places}
    done = evaluate(*given, sensitivity=problem.sensitivity, **staying)
    assert findings(done) == []
    if problem.choices.on_chip == "none":
        assert done.metrics == design.metrics
    else:  # whose places may be best for another metric
        assert done.metrics["latency_s"] <= design.metrics["latency_s"] * (1 + 1e-9)
    assert findings(evaluate(*given, roofline="ideal")) == []
    if seed % 10 == 0:
        best.explain()
    return seen + Counter(["solved"])


def roles(layer: Any) -> set[str]:
    """What a layer reads of the tensor that it writes; and what else is rare."""
    found = {"moves": layer.moves, "batch": layer.N > 1, "zeros": layer.input_dilation != 1}
    found |= {"input in place": layer.input == layer.output}
    found |= {"residual in place": layer.output in layer.residuals}
    found |= {"weights in place": layer.output == layer.weight_tensor}
    return {role for role, present in found.items() if present}


@pytest.mark.slow
def test_files_of_random_networks_are_accepted() -> None:
    seen: Counter[str] = Counter()
    for seed in range(30):
        seen += check_files(seed)
    assert seen["solved"] > 25
    assert min(seen.values()) >= 2, seen
    assert len(seen) == 11


@pytest.mark.long
@pytest.mark.parametrize("first", range(30, 1030, LONG_BLOCK))
def test_files_of_random_networks_are_accepted_long(first: int) -> None:
    check_all(range(first, first + LONG_BLOCK), check_files)


# --- rules alone --------------------------------------------------------------------------------


def test_the_check_accepts_what_a_network_may_be() -> None:
    verdicts: Counter[tuple[bool, bool]] = Counter()
    for seed in range(800):
        rng = random.Random(f"altered {seed}")
        content = json.loads(json.dumps(asdict(random_network(rng, 3, in_place=True))))
        del content["model"]  # of which no file of a result tells
        for _ in range(rng.choice((1, 1, 2))):
            alter(rng, content)
        ours, theirs = accepted(content), accepted_by_check(content)
        assert theirs or not ours, (seed, content)
        verdicts[ours, theirs] += 1
    assert min(verdicts[True, True], verdicts[False, False]) > 100, verdicts


def alter(rng: random.Random, content: Any) -> None:
    """Change one entry of a network so that some of the results still hold together."""
    layer = rng.choice(content["layers"])
    names = [*content["tensors"]]
    parts = layer["parts"]
    match rng.choice(("part", "part", "tensor", "loop", "name", "residual", "order", "pair")):
        case "part":
            name = rng.choice([layer["input"], layer["output"], *layer["residuals"]])
            parts[name] = max(1, parts.get(name, content["tensors"][name]) + rng.choice((-1, 0, 1)))
        case "tensor":
            content["tensors"][rng.choice(names)] += rng.choice((-1, 1, 2))
        case "loop":
            layer[rng.choice("NGKCPQRSHW")] += 1
        case "name":
            layer[rng.choice(("input", "output", "weight_tensor"))] = rng.choice(names)
        case "residual":
            layer["residuals"] = [*layer["residuals"], rng.choice(names)]
        case "order":
            rng.shuffle(content["layers"])
        case "pair":
            layer[rng.choice(("stride", "dilation", "input_dilation"))] = rng.choice((1, 2, [1, 2]))


def accepted(content: Any) -> bool:
    """Whether it is a network that can be solved."""
    try:
        parse(Network, copy.deepcopy(content), "given")
    except SpecError:
        return False
    return True


def accepted_by_check(content: Any) -> bool:
    """Whether it is a network whose files can be checked."""
    ledger = Ledger()
    try:
        read_network(Entry("network", content, ledger))
    except Unreadable:
        return False
    return not ledger.findings
