"""Decoders against what their papers say: counts per operator, in closed form, of both phases.

Nothing here is read from `codesign`: the sizes are those that GPT-2 and Llama 3.2 were published
with, and every count follows from them on paper.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from published import DECODERS

from codesign import Layer, Network, SpecError, load_network
from codesign.specs.decoder import Decoder, DecoderSizes
from codesign.specs.load import describe_network
from codesign.specs.write_network import to_toml


class Published(NamedTuple):
    """Sizes of a decoder, as its source gives them."""

    blocks: int
    hidden: int
    heads: int
    kv_heads: int
    ffn: int
    matrices: int  # of a feed-forward network
    vocabulary: int
    positions: int  # that are learned


SIZES = {
    # Radford et al. 2019: 12 layers, 768, 12 heads, 4 × 768, 50,257 tokens, context 1024.
    "gpt2": Published(12, 768, 12, 12, 3072, 2, 50257, 1024),
    # config.json of meta-llama/Llama-3.2-1B.
    "llama-1b": Published(16, 2048, 32, 8, 8192, 3, 128256, 0),
}
PHASES = [
    (name, new, held) for name in SIZES for new, held in ((1, 1), (1, 1024), (7, 7), (512, 512))
]


def phase(name: str, new: int, held: int) -> Network:
    if new == held > 1:
        return load_network(name, phase="prefill", tokens=new)
    return load_network(name, phase="decode", context=held)


def of(network: Network, end: str) -> list[Layer]:
    """The layers of a kind, one a block."""
    return [layer for layer in network.layers if layer.name.endswith("." + end)]


@pytest.mark.parametrize(("name", "new", "held"), PHASES)
def test_macs_of_every_operator(name: str, new: int, held: int) -> None:
    network, x = phase(name, new, held), SIZES[name]
    head = x.hidden // x.heads
    macs = {
        "q": x.hidden * x.hidden * new,
        "k": x.hidden * x.kv_heads * head * new,
        "v": x.hidden * x.kv_heads * head * new,
        "qk": x.heads * new * held * head,  # no mask spares anything
        "av": x.heads * new * held * head,
        "o": x.hidden * x.hidden * new,
        "up": x.hidden * x.ffn * new,
        "down": x.hidden * x.ffn * new,
        "gate": x.hidden * x.ffn * new,
    }
    for end, expected in macs.items():
        blocks = 0 if end == "gate" and x.matrices == 2 else x.blocks
        assert [layer.macs for layer in of(network, end)] == [expected] * blocks
    if x.matrices == 2:
        del macs["gate"]
    logits = x.vocabulary * x.hidden  # of the last token alone
    assert network.layers[-1].macs == logits
    assert network.macs == x.blocks * sum(macs.values()) + logits


@pytest.mark.parametrize("name", DECODERS)
def test_parameters_are_the_published_ones(name: str) -> None:
    """Weights, and what is fused: biases, scales and shifts, positions."""
    x = SIZES[name]
    kv = x.hidden * x.kv_heads // x.heads
    block = 2 * x.hidden * (x.hidden + kv) + x.matrices * x.hidden * x.ffn
    weights = x.blocks * block + x.vocabulary * x.hidden
    network = load_network(name, phase="decode", context=5)
    assert network.weights == load_network(name, phase="prefill", tokens=9).weights == weights
    if name == "gpt2":  # LayerNorms and biases
        beside = (2 * x.blocks + 1) * 2 * x.hidden
        beside += x.blocks * (3 * x.hidden + x.hidden + x.ffn + x.hidden)
    else:  # RMSNorms
        beside = (2 * x.blocks + 1) * x.hidden
    assert weights + beside + x.positions * x.hidden == DECODERS[name]


@pytest.mark.parametrize(("name", "new", "held"), PHASES)
@pytest.mark.parametrize("images", [1, 3])
def test_elements_of_the_cache_and_what_is_written_of_it(
    name: str, new: int, held: int, images: int
) -> None:
    network, x = phase(name, new, held).batched(images), SIZES[name]
    token = x.hidden // x.heads * x.kv_heads  # keys of a block, and as many values
    assert sum(network.tensors[t] for t in network.cache) == images * 2 * x.blocks * token * held
    for layer in (*of(network, "k"), *of(network, "v")):
        assert network.touched(layer, layer.output) == images * token * new
    for layer in (*of(network, "qk"), *of(network, "av")):  # each KV head is read once
        assert layer.weight_tensor in network.cache
        assert layer.weights == images * token * held
    assert not {*network.cache} & {*network.lifetimes}
    assert (network.tokens, network.images) == (new, images)
    assert network.macs == images * phase(name, new, held).macs
    assert network.weights == phase(name, new, held).weights


def test_bytes_of_published_caches() -> None:
    """At 16 bit: GPT-2 36 KiB a token (2 × 12 × 768 × 2 byte), Llama 3.2 1B 32 KiB."""
    for name, kibibytes in (("gpt2", 36), ("llama-1b", 32)):
        network = load_network(f"{name}@decode:1000")
        elements = sum(network.tensors[t] for t in network.cache)
        assert elements * 2 == kibibytes * 1024 * 1000


def test_an_embedding_is_one_row_a_token() -> None:
    for name, new, held in PHASES:
        network = phase(name, new, held)
        first, width = network.layers[0], SIZES[name].hidden
        tables = ["embedding_rows", *(["position_rows"] if SIZES[name].positions else [])]
        assert first.moves
        reads = {x: network.touched(first, x) for x in first.reads}
        assert reads == dict.fromkeys(tables, new * width)
        assert network.tensors[network.layers[-1].input] == width


# --- descriptions of one's own ------------------------------------------------------------------

TINY: dict[str, Any] = {"blocks": 2, "hidden": 6, "heads": 3, "ffn": 5, "vocabulary": 7}
DESCRIPTION = """
name = "tiny"
[decoder]
blocks = 1
hidden = 4
heads = 2
ffn = 3
vocabulary = 5
max_context = 8
"""


def test_all_phases_of_a_tiny_decoder_have_its_counts(tmp_path: Path) -> None:
    sizes = DecoderSizes(**TINY, max_context=4, kv_heads=1, head_size=5, gated=True)
    for name, length in (("prefill", 1), ("prefill", 4), ("decode", 1), ("decode", 4)):
        word = "tokens" if name == "prefill" else "context"
        network = Decoder(name="tiny", decoder=sizes).network(name, **{word: length})
        assert network.weights == sizes.weights
        assert sum(network.tensors[x] for x in network.cache) == length * sizes.cache_elements
        assert network.name == f"tiny-{name}-{length}"
        path = tmp_path / "network.toml"
        path.write_text(to_toml(network), encoding="utf-8")
        assert load_network(path) == network


def test_a_phase_behind_a_name_or_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "tiny.toml"
    path.write_text(DESCRIPTION, encoding="utf-8")
    expected = load_network(path, phase="decode", context=3)
    assert load_network(Path(f"{path}@decode:3")) == expected
    monkeypatch.chdir(tmp_path)
    assert load_network(Path("tiny.toml@decode:3")) == expected
    assert load_network("gpt2@prefill:4") == load_network("gpt2", phase="prefill", tokens=4)
    path.rename(tmp_path / "odd@decode:3")  # a name of its own comes first
    (described,) = [describe_network(Path("odd@decode:3"))]
    assert isinstance(described, Decoder)


@pytest.mark.parametrize(
    ("given", "how", "told"),
    [
        ("gpt2", {}, "decoder 'gpt2': which phase? prefill with tokens, or decode with context: "),
        ("gpt2", {"phase": "encode"}, "decoder 'gpt2': no phase 'encode'; prefill with tokens"),
        ("gpt2", {"phase": "decode"}, "decode of how many? give context, 1 to 1024"),
        ("gpt2", {"phase": "decode", "tokens": 3}, "decode has context, not tokens"),
        ("gpt2", {"phase": "prefill", "tokens": 3, "context": 3}, "prefill has tokens, not con"),
        ("gpt2", {"phase": "prefill", "tokens": 1025}, "tokens: 1025 is not a whole number from"),
        ("gpt2", {"phase": "prefill", "tokens": 0}, "tokens: 0 is not a whole number from 1 to"),
        ("gpt2", {"phase": "prefill", "tokens": True}, "tokens: True is not a whole number"),
        ("resnet18", {"phase": "decode"}, "phase decode: only for a decoder by its parameters"),
        ("resnet18", {"tokens": 3}, "tokens 3: only for a decoder by its parameters, which 're"),
        ("gpt2@decode:8", {"context": 3}, "context 3: only for a decoder by its parameters"),
        ("resnet18@decode:8", {}, "phase decode: only for a decoder by its parameters"),
        ("gpt2@decode", {}, "gpt2@decode: behind the @ stands prefill:TOKENS or decode:CONTEXT"),
        ("gpt2@decode:0", {}, "context: 0 is not a whole number from 1 to 1024"),
        ("gpt2@decode:1e3", {}, "gpt2@decode:1e3: behind the @ stands"),
        ("gpt2@run:3", {}, "gpt2@run:3: behind the @ stands"),
        ("@decode:3", {}, "@decode:3: behind the @ stands"),
        ("gp2@decode:3", {}, "no 'gp2'; did you mean 'gpt2'?"),
    ],
)
def test_words_that_are_refused(given: str, how: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError) as caught:
        load_network(given, **how)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"kv_heads": 2}, "kv_heads: 2 do not divide the 3 heads"),
        ({"hidden": 7}, "head_size: missing, and 3 heads do not divide hidden = 7"),
        ({"blocks": 0}, "blocks: Input should be greater than or equal to 1"),
        ({"rotary": True}, "rotary: unknown key"),
    ],
)
def test_parameters_that_are_refused(changed: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError) as caught:
        DecoderSizes(**{**TINY, "max_context": 4, **changed})
    assert told in str(caught.value)


def test_a_prompt_whose_scores_are_too_many_is_refused_in_one_line() -> None:
    with pytest.raises(SpecError) as caught:
        load_network("llama-1b", phase="prefill", tokens=131072)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("decoder 'llama-1b', prefill, tokens = 131072: layer ")


# --- caches -------------------------------------------------------------------------------------


def cached(**changed: Any) -> Network:
    """A new row is written behind three others, and all four are read."""
    k = Layer(name="k", input="x", output="keys", K=2, C=3, parts={"keys": 2})
    qk = Layer(name="qk", input="q", output="y", K=4, C=2, weight_tensor="keys")
    given: dict[str, Any] = {"layers": (k, qk), "tensors": {"x": 3, "keys": 8, "q": 2, "y": 4}}
    return Network(name="cached", **{**given, "cache": ("keys",), **changed})


def test_a_cache_is_read_whole_and_written_in_part() -> None:
    network = cached()
    assert network.touched(network.layers[0], "keys") == 2
    assert network.lifetimes == {}
    assert network.noise_sources == ("weight:k", "tensor:x", "tensor:keys", "tensor:q")
    # Three channels of two in a multiple of 4: the new row and those before it alike.
    assert network.stored(network.layers[0], "keys", 4) == 4
    assert network.stored(network.layers[1], "keys", 4) == 16


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"cache": ()}, "the layers that write tensor 'keys' write 2 of its 8 elements"),
        ({"cache": ("keyz",)}, "cache: no tensor 'keyz'; did you mean 'keys'?"),
        ({"cache": ("y",)}, "cache: no layer reads tensor 'y'; it is a result"),
        ({"cache": ("keys", "keys")}, "cache: tensor 'keys' is named twice"),
        ({"tokens": 0}, "tokens: Input should be greater than or equal to 1"),
    ],
)
def test_caches_that_are_refused(changed: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError) as caught:
        cached(**changed)
    assert told in str(caught.value)


def test_a_whole_writer_of_a_cache_writes_all_of_it() -> None:
    first, second = cached().layers
    with pytest.raises(SpecError, match="computes 8 outputs but tensor 'keys' has 9"):
        cached(
            layers=(replace(first, K=8, parts={}), second),
            tensors={"x": 3, "keys": 9, "q": 2, "y": 4},
        )
