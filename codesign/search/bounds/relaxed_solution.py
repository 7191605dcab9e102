"""The least Lagrangians of a batch of hardware options, and what widths and places have them."""

from __future__ import annotations

from dataclasses import dataclass

from codesign.arrays import Bools, Floats, Ints


@dataclass(frozen=True)
class RelaxedSolution:
    """Widths chosen for each option of a batch, and what they cost.

    Attributes
    ----------
    value : floats, shape (B,)
        The Lagrangian, constant left out; inf where no widths can run.
    of_members : floats, shape (B, members)
        The same of each member of a suite.
    variable_width : ints, shape (B, width variables)
        Index into the width list.
    on_chip : bools, shape (B, placed tensors and fused runs)
    weight : ints, shape (B, layers)
        The same for the weight operand of every layer.
    metrics : floats, shape (B, metrics)
        In the order of `WidthSpace.additive_metrics`.
    runs : bools, shape (B,)
        Whether every layer runs at these widths, with tensors in these places; always, where the
        value is finite and nothing was cut from a layer but output and residuals.
    """

    value: Floats
    of_members: Floats
    variable_width: Ints
    on_chip: Bools
    weight: Ints
    metrics: Floats
    runs: Bools
