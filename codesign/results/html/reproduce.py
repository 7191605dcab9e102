"""How to come by a result again: as a command where there is one, else as a program.

A command is shown only if reading it gives the very problem of the result.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from codesign.errors import CodesignError
from codesign.problem.choices import Choices
from codesign.problem.file import problem_to_dict
from codesign.problem.metrics import COST, WORDS, metric_of
from codesign.problem.posed import problem_of
from codesign.problem.problem import Problem
from codesign.problem.words import ALL_WORDS, LIMITS, ProblemWords, flag_of
from codesign.results.html.parts import Code, Part
from codesign.specs.load import load_memory, load_network, load_technology, shipped
from codesign.units import BITS_PER_GBIT, BITS_PER_KBIT, HZ_PER_MHZ

Words = list[tuple[str, Any]]  # of the command line, with their values
LISTS = ("rows", "cols", "pe_weight_bits", "pe_activation_bits", "weight_bits", "activation_bits")
ALIKE: tuple[str, ...] = (
    "precision",
    "reconfigurable",
    "fill_cycles",
    "weight_load",
    "zero_skipping",
    "overlap",
)
ALIKE += ("sram_bits_per_cycle", "stored_channels", "on_chip", "fused_layers", "output_bits")
ALIKE += ("mapping", "architecture", "segments", "square")


def problem_part(content: Mapping[str, Any]) -> Part:
    """The whole problem as a file has it."""
    text = json.dumps(content, indent=1, ensure_ascii=False)
    return Code(text, "the whole problem, as in the result's file (JSON)", folded=True)


def reproduce_parts(problem: Problem, call: str, command: str = "solve") -> list[Part]:
    """How to solve a problem again, and check the file of its result.

    Parameters
    ----------
    call : str
        The expression that solves ``found.problem`` again.
    command : str
        The command whose options pose such problems; none if empty.
    """
    words = command_words(problem, command) if command else None
    parts: list[Part] = []
    if words is not None:
        shown = shlex.join(["codesign", *words, "--out", "again.json"])
        parts.append(Code(shown, "the command that asks the same"))
    program = [
        "import codesign",
        "from codesign.results.load import load_result",
        "",
        'found = load_result("result.json")  # the file that this page was made of',
        f"again = {call}",
    ]
    parts.append(Code("\n".join(program), "the same from Python"))
    return [*parts, check_part()]


def check_part() -> Part:
    """How to check a result's file."""
    return Code("codesign check result.json", "every figure recomputed without the search")


def command_words(problem: Problem, command: str) -> list[str] | None:
    """The words of a command that poses exactly this problem; None where none is found."""
    for network in _networks(problem):
        for more in _platforms(problem):
            words = [*network[1], *more, *_choice_words(problem.choices), *_goal_words(problem)]
            if _poses(network[0], words, problem):
                return [command, network[0], *_written(words)]
    return None


def _networks(problem: Problem) -> Iterator[tuple[str, Words]]:
    """Shipped networks of the problem's name, with the words of their batch."""
    name = problem.network.name
    if name in shipped("networks") and problem.network.images is not None:
        yield name, []
        yield name, [("batch", problem.network.images)]


def _platforms(problem: Problem) -> Iterator[Words]:
    """Technology, memory, clock and overhead, by shipped names; the memory may be several."""
    technology = problem.technology.name
    if technology not in shipped("technologies"):
        return
    words: Words = [("technology", technology), ("clock_mhz", problem.clock_hz / HZ_PER_MHZ)]
    words.append(("area_overhead", problem.area_overhead))
    sram = getattr(problem.technology, "sram", None)
    for name in shipped("memories"):
        if load_memory(name).bits_per_s == problem.dram_bits_per_s:
            yield [*words, ("memory", name)]
            yield [*words, ("memory", name), ("sram", sram)]
    yield [*words, ("dram_gbit_per_s", problem.dram_bits_per_s / BITS_PER_GBIT)]


def _choice_words(choices: Choices) -> Words:
    """What is free to choose, where it is not as usual."""
    usual, words = Choices(), Words()
    for name in (*LISTS, *ALIKE):
        value = getattr(choices, name)
        if value != getattr(usual, name):
            words.append((name, value))
    if choices.sram_bits:
        words.append(("sram_kbit", tuple(x / BITS_PER_KBIT for x in choices.sram_bits)))
    for name in ("min_sram_bits", "max_sram_bits"):
        if (bits := getattr(choices, name)) is not None:
            words.append((name.replace("_bits", "_kbit"), bits / BITS_PER_KBIT))
    words += [("pin", f"{name}={bits}") for name, bits in choices.pinned.items()]
    words += [("group", ",".join(names)) for names in choices.shared]
    return [*words, *([("tie", True)] if choices.tied else [])]


def _goal_words(problem: Problem) -> Words:
    """Objective, budgets and quality."""
    least = next((x for x in WORDS if metric_of(x) == problem.objective), problem.objective)
    words: Words = [] if least == "latency" else [("minimize", least)]
    for word, (metric, factor) in LIMITS.items():
        if metric in problem.budgets and not (metric == "noise" and problem.quality):
            words.append((word, float(f"{problem.budgets[metric] / factor:.15g}")))
    asks_noise = "noise" in problem.budgets or problem.objective == "noise"
    if problem.quality is not None:
        words.append(("quality", problem.quality))
    elif not asks_noise:
        words.append(("quality", "none"))
    return words


def _written(words: Words) -> list[str]:
    """Words as the command line takes them; those of a default are left out."""
    written = []
    for name, value in words:
        text = _value_text(value)
        if value is True:
            written.append(flag_of(name))
        elif value is not None and text != ALL_WORDS[name].default:
            written += [flag_of(name), text]
    return written


def _value_text(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(_value_text, value))
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def _poses(network: str, words: Words, problem: Problem) -> bool:
    """Whether reading these words gives the problem, to the last digit."""
    if (
        problem.network.members
        or problem.references
        or any(x.startswith(COST) for x in problem.budgets)
    ):
        return False
    try:
        given = dict[str, Any]()
        for name, value in words:
            word = ALL_WORDS[name]
            read = True if word.read is None else word.read(_value_text(value))
            if value is not None:
                given[name] = (*given.get(name, ()), read) if word.repeated else read
        technology = load_technology(given.get("technology", "tsmc28"))
        memory = load_memory(given.get("memory", "ddr4-2400"))
        asked = problem_of(
            ProblemWords(**given),
            load_network(network).batched(given.get("batch", 1)),
            technology,
            memory,
        )
    except (CodesignError, ValueError, TypeError):
        return False
    return problem_to_dict(asked) == problem_to_dict(problem)
