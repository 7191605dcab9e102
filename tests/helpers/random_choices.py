"""Random hardware options, widths and groups, few enough to enumerate."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace

import oracle
import oracle_widths

from codesign.problem.choices import Choices
from codesign.specs.network import Network

SIDES = (1, 2, 3, 4, 5, 6, 8)

WIDTHS = (1, 2, 3, 4, 5, 6, 8, 12, 16)

WIDER = 20  # than any PE


def random_choices(rng: random.Random, network: Network, most_options: int) -> Choices:
    """A space of a few hardware options in which nearly always some PE runs every layer."""
    weight_bits = rng.sample(WIDTHS, rng.choice((1, 2, 2, 3, 3)))
    activation_bits = rng.sample(WIDTHS, rng.choice((1, 2, 2, 3, 3)))
    pinned = {
        source: rng.choice(WIDTHS)
        for source in oracle_widths.noise_sources(network)
        if rng.random() < 0.12
    }
    multi_pass = rng.random() < 0.25
    wide = _pe_widths(rng, _widest_operand(network, weight_bits, activation_bits, pinned))
    deep = _pe_widths(rng, max([*activation_bits, *pinned.values()]))
    if multi_pass:
        wide, deep = rng.sample(WIDTHS, len(wide)), rng.sample(WIDTHS, len(deep))
    square = rng.random() < 0.2
    rows, cols = _sides(rng, most_options // (len(wide) * len(deep)), square)
    return Choices(
        rows=rows,
        cols=cols,
        square=square,
        weight_bits=tuple(weight_bits),
        activation_bits=tuple(activation_bits),
        pe_weight_bits=tuple(wide),
        pe_activation_bits=tuple(deep),
        precision="multi-pass" if multi_pass else "fixed",
        pinned=pinned,
        output_bits=rng.choice((4, 8, 8, 16)),
        on_chip="none",
    )


def _widest_operand(
    network: Network,
    weight_bits: Sequence[int],
    activation_bits: Sequence[int],
    pinned: dict[str, int],
) -> int:
    """Widest weight operand: tensors stand in for weights where a layer says so."""
    widths = [*weight_bits, *(bits for key, bits in pinned.items() if key[0] == "w")]
    if any(layer.weight_tensor is not None for layer in network.layers):
        widths += [*activation_bits, *pinned.values()]
    return max(widths)


def _pe_widths(rng: random.Random, widest: int) -> list[int]:
    """One or two PE widths, one of them wide enough most of the time."""
    widths = [widest if rng.random() < 0.93 else rng.choice(WIDTHS)]
    if rng.random() < 0.4:
        widths.append(rng.choice([bits for bits in WIDTHS if bits not in widths]))
    return widths


def _sides(rng: random.Random, most: int, square: bool) -> tuple[tuple[int, ...], ...]:
    """Rows and columns of at most ``most`` arrays."""
    if square:
        sides = tuple(rng.sample(SIDES, rng.randint(1, min(most, len(SIDES)))))
        return sides, sides
    count = rng.randint(1, min(most, math.isqrt(most) + 1))
    rows = rng.sample(SIDES, min(count, len(SIDES)))
    cols = rng.sample(SIDES, rng.randint(1, min(most // len(rows), len(SIDES))))
    return tuple(rows), tuple(cols)


def with_sram(rng: random.Random, choices: Choices, points: Sequence[oracle.Point]) -> Choices:
    """SRAM sizes or limits around what designs need: exactly it, a bit less, far more."""
    needs = sorted({point.sram_bits for point in points})

    def bits() -> int:
        exact = rng.choice(needs) + rng.choice((0, 0, -1, 1))
        spread = rng.uniform(math.log(needs[0] * 0.7), math.log(needs[-1] * 1.5))
        far = needs[0] * 10 ** rng.randint(1, 5)
        return max(1, rng.choices((exact, int(math.exp(spread)), far), (60, 30, 10))[0])

    if rng.random() < 0.6:
        return replace(choices, sram_bits=tuple(bits() for _ in range(rng.choice((1, 2, 3, 3, 5)))))
    least, most = sorted((bits(), bits()))
    kept = rng.choice(((least, None), (None, most), (least, most)))
    return replace(choices, min_sram_bits=kept[0], max_sram_bits=kept[1])


def wide_where_only_moved(rng: random.Random, network: Network, choices: Choices) -> Choices:
    """Pin a tensor that no PE reads wider than any PE is, if there is one."""
    layers = network.layers
    computed = {name for x in layers if not x.moves for name in (x.input, x.weight_tensor)}
    moved = [x.input for x in layers if x.moves and x.input not in computed]
    if not moved:
        return choices
    return replace(choices, pinned={**choices.pinned, f"tensor:{rng.choice(moved)}": WIDER})
