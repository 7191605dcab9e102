"""The check of machines: mappings, PEs that split, cycles beside multiplications."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import oracle_machine
import oracle_tilings
import pytest
from altered import Path_, at, findings, matches, unnoticed
from certified import as_checked, written
from random_machines import KINDS
from random_problems import random_case

import codesign
from codesign import (
    Accelerator,
    InfeasibleError,
    Layer,
    Network,
    evaluate,
    load_accelerator,
    load_network,
)
from codesign.checking import cost_model
from codesign.checking.entries import Entry
from codesign.checking.findings import Ledger
from codesign.checking.machine import MAPPINGS, read_machine
from codesign.results.result_file import DIGEST
from codesign.specs.machine import MACHINE_FIELDS, PLAIN

# --- the arithmetic, against the oracle's ---------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_cycles_and_tiles_are_the_oracles(kind: str) -> None:
    rng = random.Random(kind)
    for seed in range(6):
        problem = random_case(seed, machine=kind).problem
        checked = as_checked(problem)
        machine = checked.choices.machine
        for layer, mine in zip(problem.network.layers, checked.network.layers, strict=True):
            rows, cols, engine = rng.choice(((1, 1, 9), (2, 3, 9), (8, 4, 4), (5, 8, 1), (6, 2, 7)))
            for mapping in MAPPINGS:
                array = cost_model.Array(rows, cols, engine, mapping)
                on = layer, rows, cols, engine, mapping
                expected = oracle_machine.machine_cycles(problem.choices, *on)
                assert machine.cycles(mine, array) == expected
                legal = {(*tile,) for tile in oracle_tilings.legal_tiles(*on)}
                drawn = [tuple(rng.randint(1, x + 1) for x in sizes(layer)) for _ in range(40)]
                for tile in (*legal, *drawn):
                    right = not cost_model.tile_faults(mine, array, cost_model.Tile(*tile))
                    assert right == (tile in legal)


def sizes(layer: Any) -> tuple[int, ...]:
    """What there is of each part of a tile."""
    of = {"g": layer.G, "k": layer.K, "c": layer.C, "p": layer.P, "q": layer.Q, "images": layer.N}
    return tuple(of[part] for part in cost_model.Tile._fields)


@pytest.mark.parametrize("pe_bits", [(1, 1), (8, 2), (4, 16), (32, 32)])
def test_pes_split_as_the_oracles_do(pe_bits: tuple[int, int]) -> None:
    given = {"precision": "widening"}
    machine = read_machine(Entry("", given, Ledger()), [])
    for bw in range(1, pe_bits[0] + 1):
        for ba in range(1, pe_bits[1] + 1):
            split = oracle_machine.split_engine(9, (bw, ba), pe_bits)
            assert 9 * machine.split(bw, ba, *pe_bits) == split
    assert replace(machine, precision="fixed").split(1, 1, *pe_bits) == 1


# --- right files hold -----------------------------------------------------------------------------


@cache
def design_texts() -> dict[str, str]:
    """Designs of random problems on every kind of machine."""
    found = {}
    for kind in KINDS:
        for seed in range(60):
            problem = random_case(seed, moving=seed % 2 == 0, machine=kind).problem
            if len(problem.network.layers) < 2 or problem.budgets == {}:
                continue
            try:
                found[kind] = json.dumps(codesign.solve(problem).to_dict())
            except InfeasibleError:
                continue
            break
    return found


def plain() -> Any:
    """A design of a machine as usual."""
    for seed in range(60):
        try:
            return written(codesign.solve(random_case(seed).problem).to_dict())
        except InfeasibleError:
            continue
    raise AssertionError("no feasible problem")


MACHINES: dict[str, dict[str, Any]] = {
    "im2col": {"mapping": ("im2col",)},
    "output": {"mapping": ("output",), "weight_load": True, "fill_cycles": True},
    "own": {"mapping": ("window", "output", "im2col"), "reconfigurable": True},
    "own, one": {"mapping": ("output",), "reconfigurable": True, "cycle_factors": {"3x3": "4/9"}},
    "splitting": {"precision": "widening", "fill_cycles": True, "cycle_factors": {"3x3s1": 0.5}},
    "passes": {"mapping": ("im2col",), "precision": "multi-pass", "weight_load": True},
}


def machine(kind: str) -> Accelerator:
    """An accelerator of a kind."""
    given = {"pe_weight_bits": 8, "pe_activation_bits": 8, "psum_bits": None, **MACHINES[kind]}
    return replace(load_accelerator("eyeriss"), **given)


@pytest.mark.parametrize("kind", MACHINES)
@pytest.mark.parametrize("engine", [1, 9])
def test_evaluations_hold(kind: str, engine: int) -> None:
    accelerator = replace(machine(kind), engine=engine)
    for name, bits, more in (
        ("alexnet", 5, {"on_chip": "tensors"}),
        ("mobilenetv2", (2, 8), {}),
        ("mobilenetv2", 3, {"roofline": "ideal"}),
    ):
        done = evaluate(load_network(name), accelerator, bits, **more)
        assert findings(written(done.to_dict())) == []


def test_pes_that_split_are_as_busy_as_can_be_on_the_ideal_roofline() -> None:
    """64 × 8-bit PEs of 2-bit operands multiply 16 times as much."""
    network, accelerator = load_network("alexnet"), machine("splitting")
    wide, narrow = (evaluate(network, accelerator, bits, roofline="ideal") for bits in (8, 2))
    for one, other in zip(wide.layer_designs, narrow.layer_designs, strict=True):
        assert one.compute_s == 16 * other.compute_s
    tiled = evaluate(network, accelerator, 2)
    for one, other in zip(narrow.layer_designs, tiled.layer_designs, strict=True):
        assert one.compute_s <= other.compute_s * 9 / 4  # Winograd-like factors aside


@pytest.mark.slow
def test_designs_hold() -> None:
    texts = design_texts()
    assert tuple(texts) == KINDS
    for text in texts.values():
        assert findings(json.loads(text)) == []


def test_what_is_plain_is_not_written() -> None:
    content = plain()
    assert not {*MACHINE_FIELDS} & {*content["problem"]["choices"], *content["hardware"]}
    for name in MACHINE_FIELDS:  # as good as not written
        content["problem"]["choices"][name] = written(getattr(PLAIN, name))
    content["hardware"]["mapping"] = ["window"]
    del content[DIGEST]
    assert findings(content) == []


# --- nothing can be altered -----------------------------------------------------------------------

# Without the digest, what may be while the design stays an answer whose figures are right.
FREE_UNSEALED = (
    r"solver\.(seconds|programmes)",
    r"layers\.\d+\.tile\.images",
    r"problem\.choices\.(rows|cols|(pe_)?(weight|activation)_bits)\.\d+",
    r"problem\.budgets\.\w+",
    r"problem\.sensitivity\..*",
    r"problem\.technology\.\w+\.(r2|calibrated.*|bank_bits)",
    r"problem\.network\.layers\.\d+\.(stride|(input_)?dilation)(\.\d)?",
    r"problem\.network\.layers\.\d+\.appended",
)


def is_free_unsealed(content: Any, path: Path_) -> bool:
    """Whether a number may be altered where there is no digest."""
    movement = matches(r"problem\.network\.layers\.\d+\.[NGKCPQHW]", path)
    movement = movement and at(content, path[:-1])["moves"]
    return bool(movement) or any(matches(pattern, path) for pattern in FREE_UNSEALED)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_without_the_digest_the_arithmetic_alone_tells(kind: str) -> None:
    content = json.loads(design_texts()[kind])
    del content[DIGEST]
    assert unnoticed(content, is_free_unsealed, most=80, ways=3) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["own", "splitting"])
def test_no_figure_of_an_evaluation_can_be_altered(kind: str) -> None:
    content = written(evaluate(load_network("alexnet"), machine(kind), 4).to_dict())
    del content[DIGEST]
    content = {"layers": content.pop("layers"), **content}

    def is_free(_content: Any, path: Path_) -> bool:
        return not matches(r"layers\.\d+\.(cycles|sram_bits|tile\.[gkcpq]|dram_bits.*)", path)

    assert unnoticed(content, is_free, ways=3) == []


# --- wrong entries, each told once ----------------------------------------------------------------


def several() -> Any:
    """A design of a problem that offers several mappings, without its digest."""
    content = json.loads(design_texts()["several"])
    del content[DIGEST]
    return content


def own() -> Any:
    """An evaluation of a machine whose layers take mappings of their own, likewise."""
    content = written(evaluate(load_network("alexnet"), machine("own"), 4).to_dict())
    del content[DIGEST]
    return content


Alter = Callable[[Any], Any]
IN_CHOICES: dict[str, tuple[Alter, str]] = {
    "no mapping": (lambda x: x.update(mapping=[]), "one or more of window, im2col, output"),
    "one twice": (lambda x: x.update(mapping=["output", "output"]), "each once"),
    "an unknown one": (lambda x: x.update(mapping=["rows"]), "mapping[0]: found 'rows', expected"),
    "a word": (lambda x: x.update(mapping="output"), "mapping: found 'output', expected a list"),
    "no flag": (lambda x: x.update(fill_cycles=1), "fill_cycles: found 1, expected true or false"),
    "no flag of loads": (lambda x: x.update(weight_load="yes"), "weight_load: found 'yes'"),
    "a precision": (lambda x: x.update(precision="wide"), "one of fixed, multi-pass, widening"),
    "PEs of 3 bit": (
        lambda x: x.update(precision="widening", pe_weight_bits=[3, 8]),
        "pe_weight_bits: found [3, 8], expected powers of two",
    ),
    "no kernel": (lambda x: x.update(cycle_factors={"3": 0.5}), "cycle_factors.3: found 0.5"),
    "no factor": (lambda x: x.update(cycle_factors={"3x3": "4/0"}), "cycle_factors.3x3: found"),
    "nothing": (lambda x: x.update(cycle_factors={"3x3": 0}), "above 0 and at most 100"),
    "a huge factor": (lambda x: x.update(cycle_factors={"3x3": 101}), "above 0 and at most 100"),
    "factors in a list": (lambda x: x.update(cycle_factors=[1]), "expected a table"),
}


@pytest.mark.parametrize("case", IN_CHOICES)
def test_wrong_entries_of_choices(case: str) -> None:
    alter, part = IN_CHOICES[case]
    content = several()
    alter(content["problem"]["choices"])
    found = [line for line in findings(content) if "problem.choices" in line]
    assert len(found) == 1
    assert part in found[0]


IN_FILES: dict[str, tuple[Callable[[], Any], Alter, str]] = {
    "hardware of two": (
        several,
        lambda x: x["hardware"].update(mapping=["window", "output"]),
        "hardware.mapping: found ['window', 'output'], expected one of ",
    ),
    "hardware of none on offer": (
        several,
        lambda x: x["problem"]["choices"].update(mapping=others(x["hardware"])),
        "hardware.mapping: found ",
    ),
    "a mapping of a layer's own": (
        several,
        lambda x: x["layers"][0].update(mapping="output"),
        "mapping: found 'output', expected no entry of this name",
    ),
    "another mapping": (own, lambda x: other_mapping(x["layers"][1]), "layers[1] "),
    "a layer without": (own, lambda x: x["layers"][1].pop("mapping"), "expected one of window"),
    "a mapping not there": (
        own,
        lambda x: x["accelerator"]["mapping"].remove(x["layers"][0]["mapping"]),
        "mapping: found 'output', expected one of window, im2col",
    ),
    "a machine that is not reconfigurable": (
        own,
        lambda x: x["accelerator"].pop("reconfigurable"),
        "accelerator.mapping: found ['window', 'output', 'im2col'], expected one mapping",
    ),
}


def others(hardware: Any) -> list[str]:
    """Mappings but that of the machine."""
    return [x for x in MAPPINGS if x not in hardware.get("mapping", ["window"])]


def other_mapping(row: Any) -> None:
    row["mapping"] = next(x for x in MAPPINGS if x != row["mapping"])


@pytest.mark.parametrize("case", IN_FILES)
def test_wrong_entries_of_files(case: str) -> None:
    made, alter, part = IN_FILES[case]
    content = made()
    assert findings(content) == []
    alter(content)
    assert any(part in line for line in findings(content))


def test_terms_that_are_not_counted() -> None:
    """Cycles that a machine counts, and its file does not; and the other way round."""
    done = evaluate(load_network("alexnet"), machine("output"), 4)
    content = written(done.to_dict())
    del content[DIGEST]
    for term, holds in (("fill_cycles", False), ("weight_load", True)):  # sums stay: no loads
        altered = {**content, "accelerator": {**content["accelerator"], term: False}}
        assert (findings(altered) == []) == holds
    content = plain()
    del content[DIGEST]
    content["problem"]["choices"]["weight_load"] = True
    assert any(".cycles" in line for line in findings(content))


def test_given_tiles_of_one_pixel_are_not_counted_one_by_one() -> None:
    """900 million of them, each one row of 7 of the array: as many cycles."""
    pixel = {"g": 1, "k": 1, "c": 1, "p": 1, "q": 1, "images": 1}
    sides = dict.fromkeys("PQHW", 30_000)
    layer = Layer(name="a", K=1, C=1, input="x", output="y", **sides)
    elements = 30_000**2
    network = Network(name="one", layers=(layer,), tensors={"x": elements, "y": elements})
    accelerator = replace(machine("output"), rows=7, fill_cycles=False)
    done = evaluate(network, accelerator, 8, tiling={"a": {"tile": pixel, "order": "kcp"}})
    assert done.layer_designs[0].cycles == elements
    assert findings(written(done.to_dict())) == []
