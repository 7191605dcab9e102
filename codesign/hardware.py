"""One accelerator: a PE array, the widths of its PEs, and its on-chip SRAM."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from codesign.network import Count
from codesign.schema import described


@described
class Hardware:
    """The hardware part of a design.

    Attributes
    ----------
    rows, cols : int
        PE array: rows take different input channels, columns different output channels.
    pe_weight_bits, pe_activation_bits : int
        ``Bw × Ba``, the operand widths of one PE.
    sram_bits : int
        Capacity of the unified on-chip SRAM.
    """

    rows: Count
    cols: Count
    pe_weight_bits: Count
    pe_activation_bits: Count
    sram_bits: Annotated[int, Field(strict=True, ge=1)]
