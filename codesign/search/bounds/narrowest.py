"""Designs with the narrowest of some widths: what one of them costs at least.

Where that is more than the best design known, no better one has that width anywhere, and tables
need not run over it.
"""

from __future__ import annotations

import numpy as np

from codesign.arrays import Floats
from codesign.search.bounds.batch import Batch
from codesign.search.bounds.joint_tables import minus
from codesign.search.bounds.relaxation import Relaxation


def least_with_narrowest(relaxation: Relaxation, batch: Batch, coefficients: Floats) -> Floats:
    """(B,): the least Lagrangian of what has the narrowest width of those left somewhere.

    In the weights of a layer or in a tensor, of a space without fused runs.
    """
    tables, space = relaxation.tables, relaxation.space
    least = [tables.least(n, batch, coefficients, None) for n in range(len(tables.families))]
    own, parts = relaxation.sweep(least, coefficients).marginals()
    width_variables = own[:, : len(space.variables), :: len(tables.widths)]
    found = np.asarray(width_variables.reshape(len(batch), -1).min(axis=1, initial=np.inf))
    narrow = {
        number: tables.narrowest(number, batch, coefficients)
        for number, family in enumerate(tables.families)
        if family.free and family.weight_axis == 0
    }
    for _, number, members, over_scope in parts:
        if number in narrow:
            mine, of_least = (x[number][:, members].swapaxes(0, 1) for x in (narrow, least))
            forced = mine + minus(over_scope, of_least)
            found = np.minimum(found, forced.swapaxes(0, 1).reshape(len(batch), -1).min(axis=1))
    return found
