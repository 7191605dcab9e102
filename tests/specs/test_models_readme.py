"""The tables of ``models/README.md`` list every key with its default, and every file."""

from __future__ import annotations

import re
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest
from published import DECODERS, GBIT_PER_S, PUBLISHED, TPU_APPLICATIONS

from codesign.specs.accelerator import Accelerator
from codesign.specs.decoder import Decoder, DecoderSizes
from codesign.specs.fpga import Fpga
from codesign.specs.load import (
    describe_network,
    load_accelerator,
    load_memory,
    load_network,
    models_folder,
    shipped,
)
from codesign.specs.network import Layer, Member, Network
from codesign.specs.technology import (
    AreaFit,
    Energies,
    MeasuredPE,
    Memory,
    QuadraticFit,
    Scaling,
    Technology,
)


def readme_rows(heading: str) -> list[list[str]]:
    """Cells of the rows of the table under a heading, the name in the first without its quotes."""
    text = (models_folder() / "README.md").read_text(encoding="utf-8")
    section = re.split(r"^## ", text, flags=re.MULTILINE)
    (body,) = [part for part in section if part.startswith(heading)]
    rows = [line.strip("| ").split(" | ") for line in body.splitlines() if line.startswith("| `")]
    return [[row[0].strip("`"), *row[1:]] for row in rows]


def keys_and_defaults(kind: type[Any], prefix: str = "") -> dict[str, Any]:
    """Fields of a dataclass and their defaults, MISSING where the key is required."""
    return {
        prefix + field.name: {} if field.default_factory is dict else field.default
        for field in fields(kind)
    }


def as_listed(default: Any) -> str:
    """A default as the tables of the README have it."""
    if default is MISSING or default is None or default == "":
        return {MISSING: "required", None: "none", "": "empty"}[default]
    if isinstance(default, tuple) and default:
        return ", ".join(default)
    if isinstance(default, bool):
        return str(default).lower()
    return {"()": "`[]`", "{}": "`{}`"}.get(str(default), str(default))


@pytest.mark.parametrize(
    ("heading", "expected"),
    [
        ("Decoders:", keys_and_defaults(Decoder) | keys_and_defaults(DecoderSizes, "decoder.")),
        (
            "Networks:",
            keys_and_defaults(Network)
            | keys_and_defaults(Member, "members.")
            | keys_and_defaults(Layer, "layers."),
        ),
        (
            "Technologies:",
            keys_and_defaults(Technology)
            | keys_and_defaults(AreaFit, "pe_area_um2.")
            | keys_and_defaults(QuadraticFit, "pe_area_um2.")
            | keys_and_defaults(AreaFit, "sram_fits.<kind>.")
            | keys_and_defaults(Energies, "energy.")
            | keys_and_defaults(MeasuredPE, "pe_measured.")
            | keys_and_defaults(Scaling, "scaled_from."),
        ),
        ("FPGAs:", keys_and_defaults(Fpga)),
        ("Memories:", keys_and_defaults(Memory)),
        ("Accelerators:", keys_and_defaults(Accelerator)),
    ],
)
def test_readme_lists_every_key_and_its_default(heading: str, expected: dict[str, Any]) -> None:
    listed = {key: default for key, *_, default in readme_rows(heading)}
    assert {key: default.partition(":")[0] for key, default in listed.items()} == {
        key: as_listed(default) for key, default in expected.items()
    }


def test_readme_counts_are_those_of_the_networks() -> None:
    listed = {row[0]: tuple(row[1:5]) for row in readme_rows("Shipped networks")}
    expected = {}
    for name, (macs, _, parameters) in PUBLISHED.items():
        network = load_network(name)
        counts = (len(network.layers), macs, parameters, network.weights)
        expected[name] = tuple(f"{count:,}" for count in counts)
    assert listed == expected


def test_readme_counts_are_those_of_the_tpu_applications() -> None:
    listed = {row[0]: row[1:-1] for row in readme_rows("Shipped applications of TPU v1")}
    expected = {}
    for name, (_, millions, batch, macs_per_weight) in TPU_APPLICATIONS.items():
        network = load_network(name)
        counts = [f"{count:,}" for count in (len(network.layers), network.macs, network.weights)]
        expected[name] = [*counts, f"{millions}M", f"{batch}", f"{macs_per_weight}"]
    assert listed == expected


def test_readme_counts_are_those_of_the_decoders() -> None:
    listed = {row[0]: row[1:-1] for row in readme_rows("Shipped decoders")}
    expected = {}
    for name, parameters in DECODERS.items():
        described = describe_network(name)
        assert isinstance(described, Decoder)
        sizes = described.decoder
        counts = (sizes.blocks, sizes.weights, parameters, sizes.cache_elements)
        expected[name] = [f"{count:,}" for count in counts]
    assert listed == expected


def test_readme_lists_every_technology_and_memory() -> None:
    assert {row[0] for row in readme_rows("Shipped technologies")} == set(shipped("technologies"))
    listed = {}
    for name, rate, width, gbit_per_s, _ in readme_rows("Shipped memories"):
        memory = load_memory(name)
        assert (float(rate), int(width)) == (memory.transfer_rate_gt_per_s, memory.bus_width_bits)
        listed[name] = float(gbit_per_s)
    assert listed == GBIT_PER_S


def test_readme_lists_every_accelerator() -> None:
    listed = {row[0]: row[1:-1] for row in readme_rows("Shipped accelerators")}
    expected = {}
    for name in shipped("accelerators"):
        found = load_accelerator(name)
        assert found.pe_weight_bits == found.pe_activation_bits
        floating = ", float" if found.number_format == "float" else ""
        expected[name] = [
            f"{found.rows} × {found.cols}",
            f"{found.engine}",
            *found.mapping,
            f"{found.pe_weight_bits}{floating}",
            "exact" if found.psum_bits is None else f"{found.psum_bits}",
            f"{found.clock_hz / 1e6:g}",
            "–" if found.sram_bits is None else f"{found.sram_bits / 1e3}",
            "–" if found.dram_bits_per_s is None else f"{found.dram_bits_per_s / 1e9:.6g}",
            "–" if found.pe_area_um2 is None else f"{found.pe_area_um2}",
        ]
    assert listed == expected


def examples(language: str) -> list[str]:
    text = (models_folder() / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.mark.parametrize("example", examples("toml"))
def test_examples_are_networks(example: str, tmp_path: Path) -> None:
    (tmp_path / "example.toml").write_text(example, encoding="utf-8")
    assert load_network(tmp_path / "example.toml").macs > 0


def test_example_in_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (program,) = examples("python")
    (tmp_path / "tiny.toml").write_text(examples("toml")[0], encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(program, "README.md", "exec"), names)
    assert names["network"].macs == 28 * 28 * 6 * 25 + 1176 * 10
