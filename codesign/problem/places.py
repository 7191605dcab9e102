"""Where tensors are between the layers that touch them: the words for it.

Only the standard library is imported, so that ``--help`` is immediate.
"""

from __future__ import annotations

from typing import Literal

OnChip = Literal["bands", "tensors", "none"]
Place = Literal["chip", "dram", "band"]
ON_CHIP: tuple[OnChip, ...] = ("bands", "tensors", "none")
PLACES: tuple[Place, ...] = ("chip", "dram", "band")
DEFAULT_ON_CHIP: OnChip = "tensors"  # of every problem, option and study that says nothing of it
DEFAULT_FUSED_LAYERS = 4  # of a fused run at most, where bands are on offer
MOST_FUSED_LAYERS = 100  # that may be asked for
MOST_SEGMENTS = 2  # of a hybrid
