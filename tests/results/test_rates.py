"""Rates of batches and of language models: in results, their files, reports and studies."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from codesign import Accelerator, Evaluation, Problem, Study, evaluate, load_accelerator, solve
from codesign.checking import check_content
from codesign.problem.choices import Choices
from codesign.results.result_file import with_digest
from codesign.results.text.design import rates_text
from codesign.specs.decoder import Decoder, DecoderSizes
from codesign.specs.network import Layer, Network
from codesign.study import Serial

SIZES = DecoderSizes(
    blocks=2, hidden=8, heads=4, kv_heads=2, ffn=6, vocabulary=9, max_context=16, gated=True
)
TINY = Decoder(name="tiny", decoder=SIZES)
WIDTHS = (4, 8)  # of weights, and of activations


def chip() -> Accelerator:
    return load_accelerator("nvdla_full")


def decoding(images: int = 1) -> Evaluation:
    network = TINY.network("decode", context=16).batched(images)
    return evaluate(network, chip(), WIDTHS, on_chip="none")


def found(result: Any) -> dict[str, Any]:
    """A result's file as JSON has it."""
    return json.loads(json.dumps(result.to_dict()))  # type: ignore[no-any-return]


@pytest.mark.parametrize("images", [1, 5])
def test_tokens_and_cache_of_a_phase(images: int) -> None:
    decodes = decoding(images)
    prompt = TINY.network("prefill", tokens=7).batched(images)
    prefills = evaluate(prompt, chip(), WIDTHS, on_chip="none")
    for result, new, held in ((decodes, 1, 16), (prefills, 7, 7)):
        content, latency_s = found(result), result.metrics["latency_s"]
        assert content["throughput"]["tokens_per_s"] == pytest.approx(images * new / latency_s)
        # Two blocks with keys and values of two heads of two elements, 8 bit each.
        assert content["kv_cache_bits"] == images * held * 2 * 2 * (2 * 2) * 8
        assert ("interval_s" in content["throughput"]) == (images > 1)
        assert check_content(content, "given.json").holds
        assert Evaluation.from_dict(content, "given.json") == result


def test_an_interval_is_a_latency_by_images() -> None:
    layer = Layer(name="a", K=16, C=64, input="x", output="y")
    network = Network(name="fc", layers=(layer,), tensors={"x": 64, "y": 16}).batched(6)
    result = evaluate(network, chip(), 8, on_chip="none")
    rates, latency_s = found(result)["throughput"], result.metrics["latency_s"]
    assert rates["interval_s"] == pytest.approx(latency_s / 6)
    assert rates["images_per_s"] == pytest.approx(6 / latency_s)
    assert "tokens_per_s" not in rates
    assert "images/s, one every 0." in rates_text(result)


def test_reports_tell_tokens_and_cache() -> None:
    assert "tokens/s, KV cache 0.002048 Mbit" in rates_text(decoding())
    assert "tokens/s of 3 sequences at once, KV cache 0.006144 Mbit" in rates_text(decoding(3))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("kv_cache_bits",), 4097),
        (("kv_cache_bits",), None),
        (("throughput", "tokens_per_s"), 1.0),
        (("throughput", "interval_s"), 1.0),
        (("network", "tokens"), 2),
        (("network", "cache"), ["block.0.keys"]),
    ],
)
def test_altered_rates_are_found(place: tuple[str, ...], value: Any) -> None:
    content = copy.deepcopy(found(decoding(2)))
    altered = {name: part for name, part in content.items() if name != "sha256"}
    *path, last = place
    part = altered
    for key in path:
        part = part[key]
    part[last] = value
    assert not check_content(with_digest(altered), "given.json").holds


def test_a_study_of_batches_and_contexts_has_their_rates(tmp_path: Path) -> None:
    choices: dict[str, Any] = {"rows": "2", "cols": "2", "bits": "8", "quality": "none"}
    study = Study.grid(
        networks=[TINY], phase="decode", context=[2, 16], batch=[1, 2], on_chip="none", **choices
    )
    study.run(tmp_path / "store.sqlite", executor=Serial())
    table = study.results(tmp_path / "store.sqlite")
    assert [*table["status"]] == ["optimal"] * 4
    for _, row in table.iterrows():
        assert row["tokens_per_s"] == pytest.approx(row["batch"] / row["latency_s"])
        if row["batch"] > 1:
            assert row["interval_s"] == pytest.approx(row["latency_s"] / row["batch"])
    network = TINY.network("decode", context=16).batched(2)
    given = Choices(rows=(2,), cols=(2,), weight_bits=(8,), activation_bits=(8,), on_chip="none")
    alone = solve(Problem(network=network, choices=given)).metrics["latency_s"]
    assert [*table["latency_s"]][-1] == alone
