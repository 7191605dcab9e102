"""The ladder of tolerances: its order, the relations its proofs rest on, and that there is one."""

from __future__ import annotations

import ast
import math
import random
import sys
from fractions import Fraction

import numpy as np
import pytest
from sources import sources

from codesign.problem import tolerances as t
from codesign.specs.network import MAX_LAYERS

# Small numbers that decide no budget, bound or proof; all others stand on the ladder.
OTHER_SMALL_NUMBERS = {
    "cli.file_commands": "ranges of options",
    "exports.pipeline_sheet_text": "when a number is written as a whole one",
    "costs.pipeline": "what rounding leaves of two stages that start at once",
    "tasks.latency_changes": "relative: figures computed twice",
    "tasks.certificate_stages": "when a range of the interval is split no more",
    "tasks.certificate_ranges": "growth of power in a range of SRAM that is split no more",
    "problem.readers": "ranges of options",
    "problem.words": "ranges of options",
    "quality.table": "what a measured loss may rise by before a warning",
    "results.comparison": "what sums of parts may leave of a difference",
    "results.front": "keeps a logarithm finite, in a picture of shares",
    "search.dataflow.ascent": "when a bound has nothing left to gain",
    "search.dataflow.bounds": "how far above its limits a bound must be, to rule out",
    "search.dataflow.formulation": "what starts of a programme may be off, of a part of a FIFO",
    "search.dataflow.goal_bounds": "when both ends of a range agree",
    "search.dataflow.labels": "bits that surely wait, and when objectives are alike",
    "search.dataflow.product_search": "how far below a number of cycles a range is cut",
    "search.dataflow.search": "how much longer an interval is looked at anew within products",
    "search.dataflow.solve": "when a range of the interval is halved no more",
    "search.dataflow.starts": "waits of a solver's answer that are none",
    "search.dataflow.table": "cycles that an interval still has room for, rounding included",
    "specs.measured_areas": "the range of areas in a file",
    "specs.technology": "the range of numbers in a file",
    "study.text": "keeps a rate finite",
    "units": "how numbers are printed",
    "results.text.layout": "units of time",
}
# The largest of networks: a layer has an output, and may have further inputs from outside.
MOST_ADDITIONS = MAX_LAYERS + 2 * (2 * MAX_LAYERS) + 2 * MAX_LAYERS + 100


def test_the_ladder_ascends() -> None:
    rungs = (
        t.UNDERFLOW,
        t.UNIT_ROUNDOFF,
        t.AREA_ROUNDING,
        t.SUM_ROUNDING,
        t.MARGINAL_ROUNDINGS * t.SUM_ROUNDING,
        t.LEAST_LIMIT_MARGIN,
        t.BUDGET_TOLERANCE,
        t.SMALL_LIMIT_MARGIN,
        t.LIMIT_MARGIN,
        t.SAME_VALUE,
        t.OPTIMAL_GAP,
    )
    assert [*rungs] == sorted(set(rungs))


def test_rounding_is_what_doubles_have() -> None:
    assert np.finfo(float).eps / 2 == t.UNIT_ROUNDOFF
    assert sys.float_info.min < t.UNDERFLOW * t.UNIT_ROUNDOFF  # no digit is lost above it
    assert t.AREA_ROUNDING > 64 * t.UNIT_ROUNDOFF


@pytest.mark.parametrize("additions", [1, 100, 9_000, 9_010, 100_000])
def test_sums_are_rounded_by_no_more(additions: int) -> None:
    assert t.sum_rounding(additions) >= additions * t.UNIT_ROUNDOFF
    assert (t.sum_rounding(additions) == t.SUM_ROUNDING) == (additions <= 9_000)
    rng = random.Random(additions)
    # Each addition to 1 is rounded down by as much as it can be.
    numbers = [1.0, *[rng.uniform(0.9, 1.0) * t.UNIT_ROUNDOFF] * min(additions, 20_000)]
    exact, total = sum(map(Fraction, numbers)), 0.0
    for number in numbers:
        total += number
    assert abs(Fraction(total) - exact) <= Fraction(t.sum_rounding(additions)) * exact


def test_rounding_in_the_largest_networks_is_far_below_a_budgets_tolerance() -> None:
    most = t.sum_rounding(MOST_ADDITIONS)
    assert t.MARGINAL_ROUNDINGS * most < t.BUDGET_TOLERANCE / 10
    for limit in (1e-9, 1.0, 3.7e15):
        assert t.beyond(limit) > t.ceiling(limit) * (1 + 100 * most)
        assert t.beyond(t.beyond(limit)) > t.beyond(t.ceiling(limit))


def test_a_limits_margin_is_clear_of_the_solver() -> None:
    in_a_row = t.MIP_FEASIBILITY_TOLERANCE / t.ROW_SCALE
    assert pytest.approx(1000 * in_a_row) == t.LIMIT_MARGIN
    assert pytest.approx(200 * in_a_row) == t.SMALL_LIMIT_MARGIN
    assert pytest.approx(20 * in_a_row) == t.LEAST_LIMIT_MARGIN
    assert in_a_row > t.SUM_ROUNDING  # of a row's coefficients


def test_a_model_solved_to_its_end_closes_its_option() -> None:
    assert t.MIP_ABS_GAP / t.ROW_SCALE < t.CLOSING_GAP / 10


def test_what_closes_an_option_proves_the_incumbent() -> None:
    reduced_costs = t.MIP_FEASIBILITY_TOLERANCE / 10  # HiGHS's tolerance for them, absolute
    choices = 3 * MAX_LAYERS  # binaries that are 1: a run for each layer, a width for each variable
    by_solver = reduced_costs * (choices + t.ROW_SCALE) / t.ROW_SCALE
    assert t.CLOSING_GAP + t.BUDGET_TOLERANCE + by_solver < t.OPTIMAL_GAP / 10
    assert t.sum_rounding(MOST_ADDITIONS) < t.CLOSING_GAP / 10


def test_a_limit_below_a_known_value_shuts_it_out() -> None:
    for value in (1e-12, 1.0, 7e14):
        limit = value * (1 - t.SAME_VALUE)
        assert limit * (1 + t.BUDGET_TOLERANCE + t.LIMIT_MARGIN) < value


def test_a_total_computed_twice_is_the_same() -> None:
    assert t.same_total(1.0, 1 + t.SUM_ROUNDING / 2)
    assert t.same_total(0.0, t.UNDERFLOW / 2)
    assert not t.same_total(1.0, 1 + 2 * t.SUM_ROUNDING)


def test_a_limit_is_kept_up_to_its_ceiling() -> None:
    for limit in (0.0, 1e-300, 1.0, 6.02e23):
        assert t.keeps(t.ceiling(limit), limit)
        assert not t.keeps(math.nextafter(t.ceiling(limit), math.inf), limit)


def test_no_other_module_has_a_tolerance_of_its_own() -> None:
    """The checker has, by design: it shares nothing with what it checks."""
    found = {
        module
        for module, tree in sources().items()
        if module != "problem.tolerances" and not module.startswith("checking")
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, float)
        and 0 < node.value <= t.OPTIMAL_GAP
    }
    assert found <= {*OTHER_SMALL_NUMBERS}
