"""Accelerators: read and refused, absent where not known and never zero; networks in batches."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any

import pytest
from descriptions import fault
from published import PUBLISHED, TPU_APPLICATIONS
from random_problems import random_network

from codesign import Accelerator, Evaluation, Network, SpecError, evaluate
from codesign.problem.metrics import REPORTED
from codesign.specs.load import (
    load_accelerator,
    load_network,
    load_technology,
    models_folder,
)
from codesign.specs.network import Layer
from codesign.specs.technology import AreaFit, Energies, QuadraticFit, Technology

# --- read and refused ---------------------------------------------------------------------------

BARE: dict[str, Any] = {
    "name": "bare",
    "rows": 2,
    "cols": 3,
    "engine": 9,
    "pe_weight_bits": 8,
    "pe_activation_bits": 8,
    "clock_hz": 1e8,
}
TEXT = """
name = "bare"
rows = 2
cols = 3
engine = 9
pe_weight_bits = 8
pe_activation_bits = 8
clock_hz = 1e8
"""


def file_with(folder: Path, text: str) -> Path:
    path = folder / "given.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_what_a_file_leaves_out_is_not_known(tmp_path: Path) -> None:
    found = load_accelerator(file_with(tmp_path, TEXT))
    assert found == Accelerator(**BARE)
    assert (found.number_format, found.precision, found.area_overhead) == ("integer", "fixed", 1.0)
    for name in ("sram_bits", "psum_bits", "dram_bits_per_s", "pe_area_um2", "technology"):
        assert getattr(found, name) is None


def test_technology_by_name_and_as_a_table(tmp_path: Path) -> None:
    named = load_accelerator(file_with(tmp_path, TEXT + 'technology = "tsmc28-quadratic"\n'))
    assert named.technology == load_technology("tsmc28-quadratic")
    text = (models_folder() / "technologies" / "tsmc28-quadratic.toml").read_text("utf-8")
    table = text.replace("\n[", "\n[technology.").replace("[technology.[", "[[technology.")
    given = load_accelerator(file_with(tmp_path, f"{TEXT}[technology]\n{table}"))
    assert given == named


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "name: missing"),
        (TEXT.replace("engine = 9\n", ""), "engine: missing"),
        (TEXT + "bank = 1\n", "bank: unknown key (known: mapping, reconfigurable, "),
        (TEXT + "sram_kbit = 1\n", "sram_kbit: unknown key; did you mean 'sram_bits'?"),
        (TEXT.replace("rows = 2", "rows = 0"), "rows: Input should be greater than or equal to 1"),
        (TEXT.replace("rows = 2", "rows = 2.5"), "rows: Input should be a valid integer"),
        (TEXT.replace("rows = 2", 'rows = "2"'), "rows: Input should be a valid integer"),
        (TEXT.replace("cols = 3", "cols = 65537"), "cols: Input should be less than or equal to"),
        (TEXT.replace("pe_weight_bits = 8", "pe_weight_bits = 33"), "pe_weight_bits: Input should"),
        (TEXT.replace("1e8", "nan"), "clock_hz: Input should be a finite number, got nan"),
        (TEXT.replace("1e8", "inf"), "clock_hz: Input should be a finite number, got inf"),
        (TEXT + "sram_bits = 0\n", "sram_bits: Input should be greater than or equal to 1, got 0"),
        (TEXT + "psum_bits = 0\n", "psum_bits: Input should be greater than or equal to 1, got 0"),
        (TEXT + "psum_bits = 1025\n", "psum_bits: Input should be less than or equal to 1024"),
        (TEXT + "dram_bits_per_s = -1.0\n", "dram_bits_per_s: Input should be greater than 0"),
        (TEXT + "pe_area_um2 = 0.0\n", "pe_area_um2: Input should be greater than 0, got 0.0"),
        (TEXT + "area_overhead = 0.0\n", "area_overhead: Input should be greater than 0"),
        (TEXT + 'number_format = "posit"\n', "number_format: Input should be 'integer' or 'float'"),
        (
            TEXT + 'precision = "any"\n',
            "precision: Input should be 'fixed', 'multi-pass' or 'widening'",
        ),
        (TEXT + "fill_cycles = 1\n", "fill_cycles: Input should be a valid boolean, got 1"),
        (TEXT + 'weight_load = "no"\n', "weight_load: Input should be a valid boolean, got 'no'"),
        (TEXT + 'technology = "tsmc82"\n', "technology: technologies: no 'tsmc82'; did you mean"),
        (TEXT + "technology = 28\n", "technology: "),
        (TEXT + '[technology]\nname = "x"\n', "technology.pe_area_um2: missing"),
        (TEXT + "rows\n", "not TOML: "),
    ],
)
def test_refusals_are_one_line(tmp_path: Path, text: str, told: str) -> None:
    path = file_with(tmp_path, text)
    assert fault(load_accelerator, path).startswith(told)


def test_unknown_name_and_path_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        SpecError, match=r"did you mean 'eyeriss'\? \(shipped: dpu_b4096, eyeriss, "
    ):
        load_accelerator("eyeris")
    with pytest.raises(SpecError, match="cannot be read: No such file"):
        load_accelerator(tmp_path / "absent.toml")
    with pytest.raises(SpecError, match="give a shipped name or a Path"):
        load_accelerator(3)  # type: ignore[arg-type]


def test_peaks() -> None:
    found = Accelerator(**BARE)
    assert found.pes == 6
    assert found.peak_macs_per_s == 6 * 9 * 1e8
    # per 3×3 window 9 products and a sum, per 1×1 window a product and a sum
    assert found.peak_ops_per_s(9) == pytest.approx(6 * 10 * 1e8)
    assert found.peak_ops_per_s(1) == pytest.approx(6 * 18 * 1e8)


# --- absent, never zero -------------------------------------------------------------------------

CONV = Layer(name="conv", K=4, C=2, P=4, Q=4, R=3, S=3, H=6, W=6, input="in", output="out")
ONE = Network(name="one", layers=(CONV,), tensors={"in": 72, "out": 64})
KNOWN: dict[str, Any] = {
    "sram_bits": 10_000,
    "dram_bits_per_s": 1e9,
    "pe_area_um2": 1000.0,
    "technology": load_technology("tsmc28"),
    "dram_energy_j_per_bit": 2e-11,
    "energy": Energies(
        j_per_mac=1e-12, sram_read_j_per_bit=1e-13, sram_write_j_per_bit=2e-13, static_w=1e-3
    ),
}
FULL = Accelerator(**BARE, **KNOWN)
# 1 µm² per bit of SRAM; a PE fit that is negative at 8 bits: 9·(8·8 + 8 + 8 + log2 9) = 748.5 BOPS
NEGATIVE = Technology(
    name="odd",
    pe_area_um2=AreaFit(slope=1.0, intercept=-749.0),
    sram_fits={"only": AreaFit(slope=1.0, intercept=0.0)},
    sram="only",
)
NO_FORMAT = "defined for integers, not for floating point"
SRAM_ACCESSES = ("read_bits", "written_bits")
NO_FLOAT = "energies of MACs are those of integers, not of floating point"


@pytest.mark.parametrize(
    ("changes", "absent", "areas"),
    [
        ({}, {}, ["PE array", "SRAM"]),
        (
            {"dram_bits_per_s": None},
            {
                "latency_s": "no DRAM bandwidth is given",
                "energy_j": "static power needs a latency, and no DRAM bandwidth is given",
            },
            ["PE array", "SRAM"],
        ),
        (
            {"sram_bits": None},
            {
                "area_mm2": "no SRAM capacity is given",
                "energy_j": "the ideal roofline has no tiles to count accesses of the SRAM by",
            },
            ["PE array"],
        ),
        (
            {"dram_energy_j_per_bit": None},
            {"energy_j": "no energy of a DRAM bit is given (--dram-pj-per-bit)"},
            ["PE array", "SRAM"],
        ),
        ({"energy": None}, {}, ["PE array", "SRAM"]),  # the technology's
        (
            {"energy": None, "technology": NEGATIVE},
            {"energy_j": "odd has no energies"},
            ["PE array", "SRAM"],
        ),
        (
            {"energy": Energies(j_per_mac=1e-12)},
            {"energy_j": "no energy of an SRAM bit read, or written, is given"},
            ["PE array", "SRAM"],
        ),
        (
            {"energy": replace(KNOWN["energy"], j_per_mac=None)},
            {"energy_j": "no energy of a MAC is given"},
            ["PE array", "SRAM"],
        ),
        (
            {"energy": None, "pe_area_um2": None, "engine": 1},
            {
                "area_mm2": "the PE fit of tsmc28 describes 9 multipliers per PE, not 1",
                "energy_j": "static power by area needs an area",
            },
            ["SRAM"],
        ),
        ({"technology": None}, {"area_mm2": "no technology is given for its SRAM"}, ["PE array"]),
        ({"pe_area_um2": None}, {}, ["PE array", "SRAM"]),
        (
            {"pe_area_um2": None, "technology": None},
            {
                "area_mm2": "neither a PE area nor a technology is given; "
                "no technology is given for its SRAM"
            },
            [],
        ),
        (
            {"pe_area_um2": None, "engine": 1},
            {"area_mm2": "the PE fit of tsmc28 describes 9 multipliers per PE, not 1"},
            ["SRAM"],
        ),
        ({"engine": 1}, {}, ["PE array", "SRAM"]),
        (
            {"number_format": "float"},
            {"noise": NO_FORMAT, "bops": NO_FORMAT, "energy_j": NO_FLOAT},
            ["PE array", "SRAM"],
        ),
        (
            {"number_format": "float", "pe_area_um2": None},
            {
                "noise": NO_FORMAT,
                "bops": NO_FORMAT,
                "energy_j": NO_FLOAT,
                "area_mm2": "the PE fit of tsmc28 describes integers, not floating point",
            },
            ["SRAM"],
        ),
        (
            {"technology": NEGATIVE, "pe_area_um2": None},
            {"area_mm2": "odd gives its PE no positive area"},
            ["SRAM"],
        ),
    ],
)
def test_what_is_not_known_is_absent(
    changes: dict[str, Any], absent: dict[str, str], areas: list[str]
) -> None:
    roofline: Any = "ideal" if "sram_bits" in changes else "tiled"
    found = evaluate(ONE, replace(FULL, **changes), roofline=roofline)
    assert found.absent == absent
    assert sorted(found.metrics) == sorted(set(REPORTED) - set(absent))
    assert all(value > 0 for value in found.metrics.values())
    assert sorted(found.area_breakdown_mm2) == areas
    assert len(found.notes) == len(absent)
    for reason in absent.values():
        assert any(note.startswith("no ") and note.endswith(f": {reason}") for note in found.notes)
    full = evaluate(ONE, FULL, roofline=roofline)
    if "engine" not in changes:  # what is known does not depend on what is not
        for name in set(found.metrics) & set(full.metrics) - {"area_mm2", "energy_j"}:
            assert found.metrics[name] == full.metrics[name]


@pytest.mark.parametrize("roofline", ["tiled", "ideal"])
def test_without_bandwidth_there_is_traffic_but_no_time(roofline: Any) -> None:
    full = evaluate(ONE, FULL, roofline=roofline)
    found = evaluate(ONE, replace(FULL, dram_bits_per_s=None), roofline=roofline)
    (row,), (timed,) = found.layer_designs, full.layer_designs
    assert (row.memory_s, row.latency_s, row.bound_by) == (None, None, None)
    assert (row.compute_s, row.dram_bits) == (timed.compute_s, timed.dram_bits)
    unknown = {"memory_s", "latency_s", "bound_by", "utilisation", "gops"}
    energy = {x for x in full.layers.columns if "energy" in x or x.endswith(SRAM_ACCESSES)}
    assert bool(energy) == (roofline == "tiled")
    assert set(full.layers.columns) - set(found.layers.columns) == unknown | energy


def test_the_ideal_frame_has_no_columns_of_tiles() -> None:
    tiled, ideal = (
        evaluate(ONE, FULL, roofline=x, on_chip="none").layers for x in ("tiled", "ideal")
    )
    tile = {f"tile_{size}" for size in ("g", "k", "c", "p", "q", "images")}
    tile |= {x for x in tiled.columns if "energy" in x or x.endswith(SRAM_ACCESSES)}
    assert set(tiled.columns) - set(ideal.columns) == tile | {"order", "cycles", "sram_bits"}
    assert list(ideal.columns) == [name for name in tiled.columns if name in ideal.columns]


def test_area_by_hand() -> None:
    # 6 PEs of 1.694·748.53 + 153.46 = 1421.47 µm²; 2.94·10,000 + 3065 = 32,465 µm²
    fitted = evaluate(ONE, replace(FULL, pe_area_um2=None, area_overhead=2.0))
    assert fitted.area_breakdown_mm2["PE array"] == pytest.approx(2 * 6 * 1421.47e-6, rel=1e-5)
    assert fitted.area_breakdown_mm2["SRAM"] == pytest.approx(0.032465)
    assert evaluate(ONE, FULL).area_breakdown_mm2["PE array"] == pytest.approx(6 * 1000e-6)


def test_only_a_fit_that_is_used_is_called_extrapolated() -> None:
    def notes(**changes: Any) -> tuple[str, ...]:
        return evaluate(ONE, replace(FULL, **changes), widths=2).notes

    narrow = {"pe_weight_bits": 2, "pe_activation_bits": 2}
    (told,) = notes(pe_area_um2=None, **narrow)
    assert told.startswith("PE area of tsmc28 at 100.53 BOPS per cycle is extrapolated")
    assert notes(**narrow) == ()  # measured
    quadratic = QuadraticFit(quadratic=12.0, linear=86.0, constant=0.0, calibrated=(4.0, 32.0))
    technology = replace(NEGATIVE, pe_area_um2=quadratic)
    (told,) = notes(technology=technology, pe_area_um2=None, **narrow)
    assert told.startswith("PE area of odd at 2 bits per operand is extrapolated")
    sram = AreaFit(slope=1.0, intercept=0.0, calibrated=(1.0, 9999.0))
    (told,) = notes(technology=replace(NEGATIVE, sram_fits={"only": sram}))
    assert told.startswith("SRAM area of odd at 10000 bits is extrapolated")


def test_an_evaluation_accounts_for_every_metric() -> None:
    found = evaluate(ONE, FULL)
    wrong: list[Mapping[str, Any]] = [
        {"metrics": {**found.metrics, "power_w": 1.0}},
        {"absent": {"area_mm2": "given twice"}},
        {"metrics": {}},
        {"tensor_bits": {"in": 8}},
        {"layer_designs": ()},
        {"roofline": "ideal"},
        {"accelerator": replace(FULL, dram_bits_per_s=None)},
        {"accelerator": replace(FULL, sram_bits=None)},
    ]
    for changes in wrong:
        with pytest.raises(SpecError):
            replace(found, **changes)
    assert isinstance(replace(found), Evaluation)


# None: there is none.
TERMS = {"weight_buffer_bits", "ifmap_buffer_bits", "accumulator_bits"}
TERMS |= {"sram_bits_per_cycle", "stored_channels"}


def test_optional_fields_have_a_case_above() -> None:
    optional = {field.name for field in fields(Accelerator) if field.default is None}
    assert optional - TERMS == {*KNOWN, "psum_bits"}
    required = {field.name for field in fields(Accelerator) if field.default is MISSING}
    assert required - {"cycle_factors"} == set(BARE)


# --- networks in batches ------------------------------------------------------------------------


def test_batches_of_random_networks() -> None:
    products = batches = 0
    for seed in range(100):
        rng = random.Random(f"batch {seed}")
        network = random_network(rng, layers=rng.choice((1, 2, 3, 4)))
        images = rng.choice((2, 3, 7))
        many = network.batched(images)
        assert network.batched(1) == network
        assert many.macs == images * network.macs
        assert many.tensors == {name: images * n for name, n in network.tensors.items()}
        assert many.weights == network.weights
        assert many.batched(2) == network.batched(2 * images)
        assert (many.inner_tensors, many.outputs) == (network.inner_tensors, network.outputs)
        for layer, grown in zip(network.layers, many.layers, strict=True):
            assert grown.ops == images * layer.ops
            assert grown.appended == images * layer.appended
        products += any(layer.weight_tensor is not None for layer in network.layers)
        batches += network.layers[0].N > 1
    assert min(products, batches) > 5


@pytest.mark.parametrize("name", [*PUBLISHED, *TPU_APPLICATIONS])
def test_batches_of_shipped_networks(name: str) -> None:
    network = load_network(name)
    assert network.batched(1) == network
    assert network.batched(16).macs == 16 * network.macs
    assert network.batched(16).weights == network.weights


def test_attention_of_a_batch_has_operands_of_its_own_per_image() -> None:
    network = load_network("vit_b_16")
    batch = {layer.name: layer for layer in network.batched(3).layers}
    for layer in network.layers:
        grown = batch[layer.name]
        if layer.weight_tensor is None:
            assert (grown.N, grown.G, grown.weights) == (3, 1, layer.weights)
        else:  # 12 heads of 3 images
            assert (grown.N, grown.G, grown.weights) == (1, 36, 3 * layer.weights)
    assert batch["conv_proj"].appended == 3 * 768


@pytest.mark.parametrize("images", [0, -1, 1.0, "2", None])
def test_a_batch_is_a_positive_whole_number(images: Any) -> None:
    with pytest.raises(SpecError, match=r"images; give a whole number of at least 1") as refused:
        ONE.batched(images)
    assert len(str(refused.value).splitlines()) == 1


def test_too_large_a_batch_is_refused() -> None:
    with pytest.raises(SpecError, match="MACs; a layer may have at most 1e"):
        load_network("vgg16").batched(10**6)
