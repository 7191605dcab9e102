"""Reads a certificate's entries: groups of hardware options, and what is said of them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from codesign.checking.certificate.fused_runs import FusedRuns
from codesign.checking.certificate.layer_scopes import PLACE
from codesign.checking.certificate.option_groups import UNLIMITED_BITS, OptionGroup
from codesign.checking.certificate.run_costs import MOST_PRICE, ROOF_SHARES, Weights
from codesign.checking.entries import Entry
from codesign.checking.machine import MAPPINGS
from codesign.checking.network import Network
from codesign.checking.problem import Option, Problem

GROUP = ("arrays", "pe_bits", "sram_bits", "tilings", "prices", "further_prices", "runs", "by")
TILINGS = ("any", "finest", "fitting")


def read_prices(entry: Entry, names: Sequence[str]) -> dict[str, Fraction]:
    """Multipliers of metrics of these names."""
    entry.known_keys(names)
    given = entry.table()
    return {name: given[name].figure() for name in names if name in given}


def read_weights(entry: Entry, network: Network, fused_runs: FusedRuns) -> dict[int, Weights]:
    """Of fused runs, each by its first and its last layer."""
    layers = [layer.name for layer in network.layers]
    number = {}
    for n, run in enumerate(fused_runs.runs, 1):
        number[layers[run.layers[0]], layers[run.layers[-1]]] = n
    found: dict[int, Weights] = {}
    for item in entry.items():
        each = item.items()
        if len(each) != 4:
            item.fault("first layer, last layer, share of cycles, price of an SRAM bit")
        ends = each[0].text(layers), each[1].text(layers)
        if ends not in number or number[ends] in found:
            item.fault("a run of layers that may be fused, once")
        found[number[ends]] = Weights(each[2].whole(0, ROOF_SHARES), each[3].whole(0, MOST_PRICE))
    return found


def read_cut_couplings(entry: Entry, problem: Problem) -> list[tuple[str, str]]:
    """Layers, each with a source of a width or the place of a tensor."""
    layers = [layer.name for layer in problem.network.layers]
    places = problem.network.lifetimes if problem.choices.on_chip else ()
    sources = (*problem.network.sources, *(f"{PLACE}{name}" for name in places))
    found = []
    for item in entry.items():
        pair = item.items()
        if len(pair) != 2:
            item.fault("a layer, and a source of a width or the place of a tensor")
        found.append((pair[0].text(layers), pair[1].text(sources)))
    return found


def read_group(item: Entry, problem: Problem) -> OptionGroup:
    """The hardware options of an argument, and how much SRAM they have in it."""
    item.known_keys(GROUP)
    choices = problem.choices
    sides: tuple[tuple[object, ...], ...] = choices.rows, choices.cols
    if choices.mappings != (None,):
        sides = (*sides, choices.mappings)
    arrays = _listed(item["arrays"], *sides)
    pe_bits = _listed(item["pe_bits"], choices.pe_weight_bits, choices.pe_activation_bits)
    tilings, sram_bits = item["tilings"].text(TILINGS), _read_range(item.get("sram_bits", None))
    return OptionGroup(arrays, pe_bits, tilings == "any", sram_bits, tilings == "finest")


def _read_range(entry: Entry) -> tuple[int, int] | None:
    """The least and the most SRAM of a group; None: any."""
    if entry.value is None:
        return None
    ends = entry.items()
    if len(ends) != 2:
        entry.fault("the least and the most SRAM bits")
    least = ends[0].whole(1, UNLIMITED_BITS)
    return least, ends[1].whole(least, UNLIMITED_BITS)


def _listed(entry: Entry, *offered: tuple[object, ...]) -> tuple[Any, ...]:
    """A list of tuples, each of one of every kind that is on offer."""
    found: dict[tuple[object, ...], None] = {}
    known = [{*each} for each in offered]
    for item in entry.items():
        values = tuple(part.value for part in item.items())
        right = len(values) == len(known) and all(type(x) in (int, str) for x in values)
        if not right or any(x not in each for x, each in zip(values, known, strict=True)):
            item.fault(f"{len(known)} entries that are on offer")
        if values in found:
            item.fault("none a second time")
        found[values] = None
    return tuple(found)


def read_trusted(entry: Entry, problem: Problem) -> list[Option]:
    """Options that are left to the solver's word."""
    known = set(problem.choices.options)
    found = []
    for item in entry.items():
        numbers, mapping = item.items()[:4], item.items()[4:]
        option = None
        if len(numbers) == 4 and len(mapping) < 2:
            named = [x.text(MAPPINGS) for x in mapping]
            rows, cols, pe_weight_bits, pe_activation_bits = (x.whole() for x in numbers)
            option = Option(rows, cols, pe_weight_bits, pe_activation_bits, *named)
        if option not in known:
            item.fault("a hardware option, once")
        known.discard(option)
        found.append(option)
    return [option for option in found if option is not None]
