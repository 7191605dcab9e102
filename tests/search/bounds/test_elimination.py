"""Tables of variables of one value, which have no entries to count but axes."""

from __future__ import annotations

import random

from codesign.search.bounds.elimination import Role, choose_scopes, eliminate


def test_tables_of_one_entry_have_few_axes() -> None:
    """Of 90 variables that meet at random none is eliminated in a table of many axes."""
    rng, sizes = random.Random("axes"), [1] * 90
    kinds = (Role.OPERAND, Role.WEIGHTS, Role.RESIDUAL)
    roles = [dict(zip(rng.sample(range(90), 3), kinds, strict=True)) for _ in range(110)]
    whole = [tuple(sorted(each)) for each in roles]
    assert max(len(bucket.scope) for bucket in eliminate(whole, sizes)) > 30
    scopes = choose_scopes(roles, sizes, lambda x: x > 40_000, lambda x: x > 2**23)
    assert max(len(bucket.scope) for bucket in eliminate(scopes, sizes)) <= 30
