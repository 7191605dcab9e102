"""A space's hardware options as a certificate names them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from codesign.checking.certificate.option_groups import OptionGroup
from codesign.checking.problem import Option
from codesign.space.hardware import HardwareSpace


def named_options(space: HardwareSpace) -> list[Option]:
    """Every one, in the space's order."""
    choices = space.problem.choices
    sizes = space.rows, space.cols, space.pe_weight_bits, space.pe_activation_bits
    mapped = len(choices.mapping) > 1 and not choices.reconfigurable
    return [
        Option(*each, *(space.mappings_of(n) if mapped else ()))
        for n, each in enumerate(np.stack(sizes, axis=1).tolist())
    ]


def group_of(
    options: Iterable[Option],
    ideal: bool = False,
    sram_bits: tuple[int, int] | None = None,
    finest: bool = False,
) -> OptionGroup:
    """Options, and whatever else combines their arrays with their PE widths."""
    mine = [*options]
    arrays = dict.fromkeys(x.array for x in mine)
    pe_bits = dict.fromkeys(x.pe_bits for x in mine)
    return OptionGroup(tuple(arrays), tuple(pe_bits), ideal, sram_bits, finest)
