"""Where tensors are between the layers that touch them: the words for it.

Only the standard library is imported, so that ``--help`` is immediate.
"""

from __future__ import annotations

from typing import Literal

OnChip = Literal["tensors", "none"]
Place = Literal["chip", "dram"]
PLACES: tuple[Place, ...] = ("chip", "dram")
DEFAULT_ON_CHIP: OnChip = "tensors"  # of every problem, option and study that says nothing of it
