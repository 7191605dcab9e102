"""Joint tables: what depends on no variable, and steps that add up the same, done once."""

from __future__ import annotations

import numpy as np
import pytest
from enumerated_assignments import DRAWN, priced_case

from codesign.search.bounds.elimination import Scope, eliminate
from codesign.search.bounds.joint_tables import Sweep
from codesign.search.bounds.layer_tables import NOISE
from codesign.search.bounds.plan import Plan
from codesign.search.bounds.relaxation import Relaxation


def test_what_depends_on_no_variable_counts_all_the_same() -> None:
    """The first and third table run over one variable, the second over none."""
    scopes, member_of = [(0,), (), (0,)], [(0, 0), (1, 0), (0, 1)]
    plan = Plan(eliminate(scopes, [2]), scopes, member_of, [2])
    own, tables = (
        np.array([[[1.0, 5.0]]]),
        [np.array([[[7.0, 2.0], [9.0, 4.0]]]), np.array([[3.0]])],
    )
    swept = Sweep(plan, own, tables)
    assert swept.value.tolist() == [5.0 + 2.0 + 4.0 + 3.0]  # at the second width: 11, not 17
    assert swept.best().tolist() == [[1]]
    width, parts = swept.marginals()
    assert width.tolist() == [[[1.0 + 7.0 + 9.0 + 3.0, 14.0]]]
    assert [rest.tolist() for layers, _, _, rest in parts if layers.tolist() == [1]] == [[[14.0]]]


@pytest.mark.parametrize("text", DRAWN)
def test_steps_that_add_up_the_same_are_done_once(text: str) -> None:
    """Two networks side by side, each the same: twice the optimum, with the tables of one."""
    given, (prices, *_) = priced_case(text)
    relaxation = Relaxation(given.space)
    states, tables = relaxation.states, relaxation.tables
    values = [tables.least(n, given.batch, prices, None) for n in range(len(tables.families))]
    scopes, sizes, variables = relaxation._scopes, states.sizes, len(states.sizes)
    again = [tuple(v + variables for v in scope) for scope in scopes]
    noise, barred = states.along(given.space.variable_noise), states.barred
    own = prices[:, NOISE, None, None] * noise + barred
    rows = relaxation.plan.rows

    def swept(scopes: list[Scope], times: int, rows: list[int] | None) -> Sweep:
        every = sizes * times
        plan = Plan(eliminate(scopes, every), scopes, tables.member_of * times, every, rows)
        return Sweep(plan, np.concatenate([own] * times, axis=1), values)

    once, twice = swept(scopes, 1, list(rows)), swept([*scopes, *again], 2, [*rows] * 2)
    apart = swept([*scopes, *again], 2, None)  # no variable's costs are known to be another's
    assert twice.plan.entries == once.plan.entries < apart.plan.entries
    assert twice.value.tolist() == apart.value.tolist()
    assert twice.value == pytest.approx(2 * once.value)
    assert twice.best().tolist() == apart.best().tolist() == np.tile(once.best(), 2).tolist()
    for mine, whole in zip(twice.marginals()[0], apart.marginals()[0], strict=True):
        assert mine.tolist() == whole.tolist()
    for mine, whole in zip(twice.marginals()[1], apart.marginals()[1], strict=True):
        assert [x.tolist() for x in mine if not isinstance(x, int)] == [
            x.tolist() for x in whole if not isinstance(x, int)
        ]
