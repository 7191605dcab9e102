"""Decoder-only transformers by their parameters, and the layers of one phase of inference.

A run puts ``T`` new tokens of a sequence after those whose keys and values are in the KV cache, so
that it then holds ``L`` of them. Prefill: all tokens of a prompt are new, ``T = L``. Decode: one
is, ``T = 1``. Each block, with ``h`` heads of ``d`` elements, ``g`` of them KV heads:

    queries      T × hidden  ·  hidden × h·d
    keys         T × hidden  ·  hidden × g·d         into the cache; so are the values
    scores       T·h/g × d   ·  d × L                of each KV head: a group
    context      T·h/g × L   ·  L × d                of each KV head
    projection   T × h·d     ·  h·d × hidden         with the block's input added
    feed-forward T × hidden  ·  hidden × ffn, and back; gated: once more, multiplied element-wise

Tokens are rows, KV heads are groups: all queries of a group read its keys and values once. The
``L`` keys of a KV head, and its values, stand in place of weights (``weight_tensor``), one tensor
each for a block. They are the KV cache (`Network.cache`): in DRAM, written where they are new,
read whole, each at a width of its own.

The first layer moves the rows that the tokens have in the table of embeddings (and in that of
positions, where they are learned). The last is the head, on the last token alone, as servers do:
of the last block only that token is stored. Softmax, normalisation, activation functions, biases
and rotary positions are fused. Causal masks spare nothing: of T queries each is multiplied with all
``L`` keys, which in prefill is twice what the mask leaves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

from codesign.errors import SpecError
from codesign.specs.layer import Count, Layer, Name
from codesign.specs.network import Network
from codesign.specs.schema import Displayed, spec_dataclass

Phase = Literal["prefill", "decode"]
PHASES: tuple[Phase, ...] = get_args(Phase)
SIZE_OF = {"prefill": "tokens", "decode": "context"}  # what says how long each phase is


@spec_dataclass
class DecoderSizes:
    """The parameters of a decoder.

    Attributes
    ----------
    blocks : int
    hidden : int
        Elements of a token between blocks.
    heads, kv_heads : int
        Query heads, and heads of keys and values, which divide them; by default as many.
    head_size : int
        Elements of a head; by default hidden / heads.
    ffn : int
        Elements of the feed-forward network's inner layer.
    gated : bool
        Whether that is gated (SwiGLU): two matrices into it, multiplied element by element.
    vocabulary : int
        Rows of the table of embeddings, and outputs of the head.
    max_context : int
        Tokens of a sequence at most.
    learned_positions : bool
        Whether each position has a row that is added to the token's.
    """

    blocks: Count
    hidden: Count
    heads: Count
    ffn: Count
    vocabulary: Count
    max_context: Count
    kv_heads: Count | None = None
    head_size: Count | None = None
    gated: bool = False
    learned_positions: bool = False

    def __post_init__(self) -> None:
        if self.heads % self.key_heads:
            raise SpecError(f"kv_heads: {self.kv_heads} do not divide the {self.heads} heads")
        if self.head_size is None and self.hidden % self.heads:
            raise SpecError(
                f"head_size: missing, and {self.heads} heads do not divide hidden = {self.hidden}"
            )

    @property
    def key_heads(self) -> int:
        """Heads of keys, and of values."""
        return self.kv_heads or self.heads

    @property
    def head_elements(self) -> int:
        """Elements of a head."""
        return self.head_size or self.hidden // self.heads

    @property
    def cache_elements(self) -> int:
        """Elements that a token takes in the KV cache: its keys and values in all blocks."""
        return 2 * self.blocks * self.key_heads * self.head_elements

    @property
    def weights(self) -> int:
        """Weight elements: those of all blocks and of the head."""
        attention = 2 * self.hidden * self.head_elements * (self.heads + self.key_heads)
        feed_forward = (3 if self.gated else 2) * self.hidden * self.ffn
        return self.blocks * (attention + feed_forward) + self.hidden * self.vocabulary


@spec_dataclass
class Decoder(Displayed):
    """A decoder-only transformer; `network` makes a phase of it a `Network`.

    Attributes
    ----------
    name : str
    decoder : DecoderSizes
    source : str
        Where the architecture is described.
    """

    name: Name
    decoder: DecoderSizes
    source: str = ""

    def network(
        self, phase: str | None, tokens: int | None = None, context: int | None = None
    ) -> Network:
        """The layers of one phase, for one sequence.

        Parameters
        ----------
        phase : "prefill" or "decode"
        tokens : int
            Of prefill: tokens of the prompt.
        context : int
            Of decode: tokens in the cache once the new one is, which is therefore counted.

        Raises
        ------
        SpecError
            Another phase, a size that is missing, of the other phase, or out of range.
        """
        phase, length = self._length(phase, {"tokens": tokens, "context": context})
        built = _Phase(self.decoder, length if phase == "prefill" else 1, length)
        try:
            return Network(
                name=f"{self.name}-{phase}-{length}",
                layers=tuple(built.layers()),
                tensors=built.tensors,
                source=self.source,
                cache=tuple(built.cache),
                tokens=built.new,
                model=self.name,
            )
        except SpecError as error:
            size = f"{SIZE_OF[phase]} = {length}"
            raise SpecError(f"decoder {self.name!r}, {phase}, {size}: {error}") from None

    def _length(self, phase: str | None, sizes: dict[str, int | None]) -> tuple[str, int]:
        """The phase, and the tokens that the cache then holds."""
        where = f"decoder {self.name!r}"
        ways = "prefill with tokens, or decode with context"
        if phase is None:
            raise SpecError(
                f"{where}: which phase? {ways}: {self.name}@prefill:1024, {self.name}@decode:1024"
            )
        if phase not in PHASES:
            raise SpecError(f"{where}: no phase {phase!r}; {ways}")
        wanted = SIZE_OF[phase]
        for name, size in sizes.items():
            if name != wanted and size is not None:
                raise SpecError(f"{where}: {phase} has {wanted}, not {name}")
        length, most = sizes[wanted], self.decoder.max_context
        if length is None:
            raise SpecError(f"{where}: {phase} of how many? give {wanted}, 1 to {most}")
        if type(length) is not int or not 1 <= length <= most:
            raise SpecError(f"{where}: {wanted}: {length!r} is not a whole number from 1 to {most}")
        return phase, length


def phase_in(
    name_or_path: str | Path,
) -> tuple[str | Path, tuple[str, int | None, int | None] | None]:
    """What stands before ``@prefill:1024`` or ``@decode:1024``, and that: phase, tokens, context.

    Raises
    ------
    SpecError
        Neither of the two behind an ``@``. (A file whose own name has one is meant where it is
        there, or where a separator or a dot follows it.)
    """
    text = str(name_or_path)
    name, sign, word = text.rpartition("@")
    path = name_or_path if isinstance(name_or_path, Path) else None
    if not sign or (path is not None and ({*word} & {*"/\\."} or path.exists())):
        return name_or_path, None
    phase, _, size = word.partition(":")
    number = int(size) if size.isascii() and size.isdecimal() and len(size) < 10 else None
    if not name or phase not in PHASES or number is None:
        raise SpecError(
            f"{text}: behind the @ stands prefill:TOKENS or decode:CONTEXT, as in "
            f"{name or 'gpt2'}@decode:1024"
        )
    sizes = (number, None) if phase == "prefill" else (None, number)
    return (name if path is None else Path(name)), (phase, *sizes)


class _Phase:
    """Layers and tensors of a run, as they are made.

    Parameters
    ----------
    new : int
        Tokens that the run puts into the cache.
    held : int
        Tokens that it then holds.
    """

    def __init__(self, sizes: DecoderSizes, new: int, held: int) -> None:
        self.sizes, self.new, self.held = sizes, new, held
        self.tensors: dict[str, int] = {}
        self.cache: list[str] = []

    def layers(self) -> Iterator[Layer]:
        """All layers in execution order; `tensors` and `cache` fill meanwhile."""
        sizes = self.sizes
        rows = self._tensor("embedding_rows", self.new * sizes.hidden)
        tokens = self._tensor("tokens", self.new * sizes.hidden)
        embed = self._product("embed", rows, tokens, sizes.hidden, sizes.hidden)
        places: tuple[str, ...] = ()
        if sizes.learned_positions:
            places = (self._tensor("position_rows", self.new * sizes.hidden),)
        yield replace(embed, moves=True, residuals=places)
        for number in range(sizes.blocks):
            last = number + 1 == sizes.blocks
            prefix = f"block.{number}."
            attended = self._tensor(f"{prefix}attended", self.new * sizes.hidden)
            yield from self._attention(prefix, tokens, attended)
            out = self._tensor(f"{prefix}out", sizes.hidden * (1 if last else self.new))
            yield from self._feed_forward(prefix, attended, out)
            tokens = out
        self._tensor("logits", sizes.vocabulary)
        yield Layer(name="head", input=tokens, output="logits", K=sizes.vocabulary, C=sizes.hidden)

    def _attention(self, prefix: str, tokens: str, attended: str) -> Iterator[Layer]:
        sizes, new, held = self.sizes, self.new, self.held
        size, groups = sizes.head_elements, sizes.key_heads
        queries = self._tensor(f"{prefix}queries", new * sizes.heads * size)
        yield self._product(f"{prefix}q", tokens, queries, sizes.heads * size, sizes.hidden)
        for letter, name in (("k", "keys"), ("v", "values")):
            cache = self._tensor(f"{prefix}{name}", held * groups * size)
            self.cache.append(cache)
            made = self._product(f"{prefix}{letter}", tokens, cache, groups * size, sizes.hidden)
            yield replace(made, parts={cache: new * groups * size} if new < held else {})
        scores = self._tensor(f"{prefix}scores", new * sizes.heads * held)
        context = self._tensor(f"{prefix}context", new * sizes.heads * size)
        keys, values = self.cache[-2:]
        yield self._of_heads(f"{prefix}qk", queries, keys, scores, held, size)
        yield self._of_heads(f"{prefix}av", scores, values, context, size, held)
        out = self._product(f"{prefix}o", context, attended, sizes.hidden, sizes.heads * size)
        yield replace(out, residuals=(tokens,))

    def _feed_forward(self, prefix: str, attended: str, out: str) -> Iterator[Layer]:
        sizes = self.sizes
        inner = self._tensor(f"{prefix}inner", self.new * sizes.ffn)
        up = self._product(f"{prefix}up", attended, inner, sizes.ffn, sizes.hidden)
        if sizes.gated:
            gate = self._tensor(f"{prefix}gates", self.new * sizes.ffn)
            yield replace(up, name=f"{prefix}gate", output=gate)
            up = replace(up, residuals=(gate,))
        yield up
        down = self._product(f"{prefix}down", inner, out, sizes.hidden, sizes.ffn)
        yield replace(down, residuals=(attended,))

    def _product(self, name: str, source: str, result: str, K: int, C: int) -> Layer:
        """New tokens times a matrix."""
        return Layer(name=name, input=source, output=result, K=K, C=C, P=self.new, H=self.new)

    def _of_heads(self, name: str, source: str, cache: str, result: str, K: int, C: int) -> Layer:
        """All queries of each KV head times its part of the cache: heads are groups."""
        rows = self.new * self.sizes.heads // self.sizes.key_heads
        plain = Layer(name=name, input=source, output=result, K=K, C=C, P=rows, H=rows)
        return replace(plain, G=self.sizes.key_heads, weight_tensor=cache)

    def _tensor(self, name: str, elements: int) -> str:
        self.tensors[name] = elements
        return name
