"""What the commands can be told: every option, how it is read, what it stands for.

Only click and the standard library are imported, so that ``--help`` is immediate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from codesign.cli import completion
from codesign.cli.readers import (
    LIMIT,
    Metric,
    cost,
    cost_limit,
    dim,
    group,
    number,
    numbers,
    objectives,
    pin,
    span,
    whole_numbers,
)
from codesign.problem.metrics import WORDS
from codesign.units import BITS_PER_MBIT, BOPS_PER_GBOP, MS_PER_S

# What --help shows; a test compares it with codesign.problem.problem, which is slow to import.
BITS = "2,3,4,5,6,7,8"
SIDES = "1,2,3,4,6,8,12,16,24,32,48,64"
QUALITY = "uniform:6"
TECHNOLOGY, MEMORY = "tsmc28", "ddr4-2400"

LIMITS = {  # option: (metric, how many of the metric's unit make one of the option's)
    "max_area_mm2": ("area_mm2", 1.0),
    "max_latency_ms": ("latency_s", 1 / MS_PER_S),
    "max_dram_mbit": ("dram_bits", BITS_PER_MBIT),
    "max_model_mbit": ("model_bits", BITS_PER_MBIT),
    "max_gbops": ("bops", BOPS_PER_GBOP),
    "max_noise": ("noise", 1.0),
}
PLATFORM_CONTRADICTIONS = (
    ("bits", "weight_bits"),
    ("bits", "activation_bits"),
    ("pe_bits", "pe_weight_bits"),
    ("pe_bits", "pe_activation_bits"),
    ("memory", "dram_gbit_per_s"),
    ("json", "quiet"),
)
SOLVE_CONTRADICTIONS = (
    *PLATFORM_CONTRADICTIONS,
    ("quality", "max_noise"),
    ("max_latency_ms", "min_fps"),
    ("sram_kbit", "min_sram_kbit"),
    ("sram_kbit", "max_sram_kbit"),
)
EVALUATE_CONTRADICTIONS = (
    *PLATFORM_CONTRADICTIONS,
    *(("widths", name) for name in ("bits", "weight_bits", "activation_bits", "output_bits")),
)


FPS = number(1e-9, 1e15)
WIDTHS = whole_numbers(32)
ARRAY_SIDES = whole_numbers(65536)
CAPACITY, CAPACITIES = number(1e-3, 1e12), numbers(1e-3, 1e12)
GAP = number(0, 0.999999)
FACTOR = number(1e-3, 1e3)
WIDTH = click.IntRange(1, 1024)
FILE = click.Path(path_type=Path)

PIN_HELP = "Fix a width: weight:LAYER=B or tensor:TENSOR=B. Repeatable."
TIE_HELP = "Each layer's weights as wide as its input."
GROUP_HELP = "Operands of one common width, or patterns: 'weight:layer1.*'. Repeatable."
DIM_HELP = "Size of a symbolic dimension (.onnx). Repeatable."
PRECISION_HELP = "Operands wider than a PE: impossible, or several passes."
ROOFLINE_HELP = "With ragged edges and tiles, or the paper's ideal one."
REL_STEP_HELP = "With --all: points nearer than this, relative, need not be told apart."
RANGE_HELP = "Part of the front, in the units of --max-...: area=1:16. Repeatable."
LATENCY_HELP = "Latency of each layer at each pair of widths (CSV)."
COST_HELP = "A cost of your own: table like it, column value. Repeatable."
FIXED_HELP = "As --pin; its layer may be left out of the tables, and costs 0. Repeatable."
WIDTHS_HELP = "Widths of a design or assignment file, not --bits."
SOLVER_HELP = "Who solves the MILPs; scip and cbc where installed."
TIES_HELP = "Of equal designs find the smallest: for 5 × the time of the proof, at least 10 s."
METHOD_HELP = "Bounds and pruning, or one MILP over all hardware (small spaces)."


def option(name: str, metavar: str, text: str, default: Any = None, **details: Any) -> click.Option:
    """An option; ``told`` is a default that is only shown, not passed on."""
    shown = details.pop("told", default)
    text += "" if shown is None else f"  [default: {shown}]"
    details.setdefault("shell_complete", completion.OF_OPTIONS.get(name))
    return click.Option([name], metavar=metavar, help=text, default=default, **details)


def choice(
    name: str, known: Iterable[str], text: str, default: str | None, **details: Any
) -> click.Option:
    """An option that takes one of a few words."""
    details["type"] = click.Choice(list(known))
    return option(name, "|".join(known), text, default, **details)


def metric(known: Iterable[str], default: str, costs: bool = False) -> click.Option:
    """What is minimised: one of some metrics, or of one's own costs."""
    kind = Metric([*known])
    kind.costs = costs
    told = "|".join([*known, *(["cost:NAME"] if costs else [])])
    return option("--minimize", told, "Objective.", default, type=kind)


def flag(name: str, text: str) -> click.Option:
    """An option that takes no value."""
    return click.Option([name], is_flag=True, help=text)


BATCH = option("--batch", "N", "Images at once.", type=click.IntRange(1, 10**6), told="1")
OF_ONNX = (
    option(
        "--dim",
        "NAME=N",
        DIM_HELP,
        type=dim,
        multiple=True,
    ),
    flag("--keep-widths", "Pin the integer widths that the .onnx file declares."),
    flag("--ignore-unknown", "Take unknown operators (.onnx) to keep or move data."),
)

QUALITY_HELP = "At most the noise of BITS everywhere, or of that SQNR; or none."
QUALITY_SAYS = ("--quality", "uniform:BITS|sqnr:DB", QUALITY_HELP)
SENSITIVITY = (
    option(
        *(
            "--sensitivity",
            "WHAT",
            "Noise: a .csv or .toml table (codesign sensitivity), or weights.",
        ),
        told="4^−bits",
    ),
    choice(
        *("--granularity", ("channel", "tensor"), "Steps of --sensitivity weights.", None),
        told="channel",
    ),
)
OF_ONE_DESIGN = ("What is wanted", "The search", "The answer")  # sections only `solve` has as such

FREE = "What is free to choose (lists: 4,6,8)"

SOLVE = {
    "The network": (BATCH, *OF_ONNX, *SENSITIVITY),
    "The platform": (
        option("--technology", "NAME", "Shipped name or TOML file.", TECHNOLOGY),
        option("--sram", "KIND", "Kind of SRAM, as in dual-port.", told="the technology's own"),
        option("--memory", "NAME", "Shipped DRAM or TOML file.", told=MEMORY),
        option("--dram-gbit-per-s", "X", "DRAM bandwidth, not --memory.", type=number(1e-6, 1e9)),
        option("--clock-mhz", "X", "Clock.", "800", type=number(1e-3, 1e6)),
        option("--area-overhead", "X", "Factor on PE array area.", "1", type=FACTOR),
    ),
    "What is wanted": (
        metric(WORDS, "latency"),
        option("--max-area-mm2", "X", "Largest silicon area.", type=LIMIT),
        option("--max-latency-ms", "X", "Longest latency, whole batch.", type=LIMIT),
        option("--min-fps", "X", "Fewest images per second, not --max-latency-ms.", type=FPS),
        option("--max-dram-mbit", "X", "Most DRAM traffic, whole batch.", type=LIMIT),
        option("--max-model-mbit", "X", "Most bits for all weights.", type=LIMIT),
        option("--max-gbops", "X", "Most bit operations, 10⁹, whole batch.", type=LIMIT),
        option(*QUALITY_SAYS, told=f"{QUALITY}; none beside --max-noise or --minimize noise"),
        option("--max-noise", "X", "Most quantisation noise, not --quality.", type=LIMIT),
    ),
    FREE: (
        option("--bits", "LIST", "Widths of weights and activations.", type=WIDTHS, told=BITS),
        option("--weight-bits", "LIST", "Widths of weights, not --bits.", type=WIDTHS),
        option("--activation-bits", "LIST", "Widths of activations, not --bits.", type=WIDTHS),
        option("--pin", "WHAT=B", PIN_HELP, type=pin, multiple=True),
        flag("--tie", TIE_HELP),
        option("--group", "WHAT,WHAT", GROUP_HELP, type=group, multiple=True),
        option("--output-bits", "B", "Width of the results.", 8, type=click.IntRange(1, 32)),
        option(
            *("--pe-bits", "LIST", "Operand widths of a PE."),
            type=WIDTHS,
            told="the widths above and every pinned one",
        ),
        option("--pe-weight-bits", "LIST", "Widths of its weight operand.", type=WIDTHS),
        option("--pe-activation-bits", "LIST", "Widths of its activation operand.", type=WIDTHS),
        choice("--precision", ("fixed", "multi-pass"), PRECISION_HELP, "fixed"),
        option("--rows", "LIST", "Rows of the PE array.", type=ARRAY_SIDES, told=SIDES),
        option("--cols", "LIST", "Columns of the PE array.", type=ARRAY_SIDES, told=SIDES),
        flag("--square", "Only as many rows as columns; one list is enough."),
        option("--sram-kbit", "LIST", "SRAM sizes on offer.", type=CAPACITIES, told="any"),
        option("--min-sram-kbit", "X", "Least SRAM, used or not.", type=CAPACITY),
        option("--max-sram-kbit", "X", "Most SRAM.", type=CAPACITY),
    ),
    "The search": (
        choice("--method", ("search", "whole"), METHOD_HELP, "search"),
        choice("--solver", ("highs", "scip", "cbc"), SOLVER_HELP, "highs"),
        option("--time-limit-s", "X", "Then take the best so far.", type=number(1e-9, 1e9)),
        option("--rel-gap", "X", "Stop at this gap; 1e-6 is a proof.", "1e-6", type=GAP),
        choice("--ties", ("break", "leave"), TIES_HELP, "break"),
    ),
    "The answer": (
        option("--out", "FILE", "Write the design file (JSON).", type=FILE),
        option("--plot", "FILE", "Draw the design: .png, .pdf or .svg.", type=FILE),
        option(
            "--certificate",
            "FILE",
            "Write a proof for check --deep; may take --time-limit-s once more.",
            type=FILE,
        ),
        flag("--json", "Print the design file and nothing else."),
        flag("--quiet", "Print one line: status, gap, totals, hardware."),
    ),
}

GRID = {  # what a study may vary
    title: tuple(
        option
        for option in part
        # A network with symbolic sizes becomes a TOML file first; a grid's networks bring no
        # weights, and its questions are all put to HiGHS.
        if option not in OF_ONNX and option.name not in ("granularity", "solver")
    )
    for title, part in SOLVE.items()
    if title != "The answer"
}
LISTS = (WIDTHS, ARRAY_SIDES, CAPACITIES)  # of options that take a list as one value


def _axis(option: click.Option) -> click.Option:
    """An option of `solve` as an axis of `sweep`: given again, or as a list, it varies."""
    if option.is_flag:
        return option
    whole = option.multiple or getattr(option.type, "func", None) in LISTS

    def read(ctx: click.Context, param: click.Parameter, given: tuple[str, ...]) -> list[str]:
        values = [*given] if whole else [word for text in given for word in text.split(",")]
        for value in values:
            if value != "none":
                option.type.convert(value, param, ctx)
        return values

    metavar = str(option.metavar) if whole else f"{option.metavar},…"
    name = option.opts[0]
    how: dict[str, Any] = {"shell_complete": completion.OF_OPTIONS.get(name), "multiple": True}
    made = click.Option([name], metavar=metavar, help=option.help, **how)
    made.callback = read
    return made


SWEEP = {
    **{title: tuple(_axis(option) for option in part) for title, part in GRID.items()},
    "The answer": (
        option("--store", "FILE", "Keep the results (SQLite).", type=FILE, told="a temporary one"),
        flag("--resume", "Go on with a store that holds results."),
        option(
            *("--workers", "N", "Processes, one solver thread each."),
            type=click.IntRange(1, 1024),
            told="one per core",
        ),
        option("--csv", "FILE", "Write the results (CSV).", type=FILE),
        option("--plot", "FILE", "Draw small multiples: .png, .pdf or .svg.", type=FILE),
        flag("--json", "Print the results as JSON and nothing else."),
        flag("--quiet", "No progress; print one line."),
    ),
}

ONE_WIDTH, ONE_SIDE = click.IntRange(1, 32), click.IntRange(1, 65536)
EXACT_PSUMS = "as wide as the sum can get"

EVALUATE = {
    "The network": (
        BATCH,
        *OF_ONNX,
        *SENSITIVITY,
        option("--bits", "B", "Width of weights and activations.", type=ONE_WIDTH, told="the PE's"),
        option("--weight-bits", "B", "Width of weights, not --bits.", type=ONE_WIDTH),
        option("--activation-bits", "B", "Width of activations, not --bits.", type=ONE_WIDTH),
        option("--widths", "FILE", WIDTHS_HELP, type=FILE),
        option("--pin", "WHAT=B", PIN_HELP, type=pin, multiple=True),
        option(
            *("--output-bits", "B", "Width of the results."),
            type=ONE_WIDTH,
            told="that of the activations",
        ),
    ),
    "The accelerator (each option replaces what --accelerator says)": (
        option("--accelerator", "NAME", "Shipped name, TOML file or design file."),
        option("--rows", "N", "Rows of the PE array.", type=ONE_SIDE),
        option("--cols", "N", "Columns of the PE array.", type=ONE_SIDE),
        option(
            *("--engine", "N", "Multipliers of a PE."),
            type=click.IntRange(1, 10**6),
            told="9, a 3×3 window",
        ),
        option("--pe-bits", "B", "Width of a PE's operands.", type=ONE_WIDTH),
        option("--pe-weight-bits", "B", "Width of its weight operand.", type=ONE_WIDTH),
        option("--pe-activation-bits", "B", "Width of its activation operand.", type=ONE_WIDTH),
        choice("--precision", ("fixed", "multi-pass"), PRECISION_HELP, None, told="fixed"),
        option("--psum-bits", "B", "Width of stored partial sums.", type=WIDTH, told=EXACT_PSUMS),
        option("--sram-kbit", "X", "SRAM capacity.", type=CAPACITY),
        option("--clock-mhz", "X", "Clock.", type=number(1e-3, 1e6), told="800"),
        option("--memory", "NAME", "Shipped DRAM or TOML file.", told=MEMORY),
        option("--dram-gbit-per-s", "X", "DRAM bandwidth, not --memory.", type=number(1e-6, 1e9)),
        option("--technology", "NAME", "Shipped name or TOML file.", told=TECHNOLOGY),
        option("--sram", "KIND", "Kind of SRAM, as in dual-port.", told="the technology's own"),
        option("--pe-area-um2", "X", "Area of a PE.", type=LIMIT, told="the technology's fit"),
        option("--area-overhead", "X", "Factor on PE array area.", type=FACTOR, told="1"),
    ),
    "The roofline": (choice("--roofline", ("tiled", "ideal"), ROOFLINE_HELP, "tiled"),),
    "The answer": (
        option("--out", "FILE", "Write the evaluation file (JSON).", type=FILE),
        option("--plot", "FILE", "Draw the evaluation: .png, .pdf or .svg.", type=FILE),
        flag("--json", "Print the evaluation file and nothing else."),
        flag("--quiet", "Print one line: totals, hardware."),
    ),
}

FEW_OBJECTIVES = ("noise", "latency", "model", "bops")  # of widths alone


def _taken(section: str, *names: str) -> tuple[click.Option, ...]:
    """Some options of `solve`."""
    return tuple(option for option in SOLVE[section] if option.name in names)


ASSIGN = {
    "The network": SOLVE["The network"],
    "What is wanted": (
        metric(FEW_OBJECTIVES, "noise", costs=True),
        option("--latency-table", "FILE", LATENCY_HELP, type=FILE),
        option("--cost", "NAME=FILE", COST_HELP, type=cost, multiple=True),
        option(
            "--max-cost", "NAME=X", "Most of that cost. Repeatable.", type=cost_limit, multiple=True
        ),
        *_taken("What is wanted", "max_latency_ms", "min_fps", "max_model_mbit", "max_gbops"),
        *_taken("What is wanted", "quality", "max_noise"),
    ),
    FREE: (
        *_taken(FREE, "bits", "weight_bits", "activation_bits"),
        *_taken(FREE, "pin"),
        option("--fixed", "WHAT=B", FIXED_HELP, type=pin, multiple=True),
        *_taken(FREE, "tie", "group", "output_bits"),
    ),
    "The search": _taken("The search", "time_limit_s", "rel_gap", "ties"),
    "The answer": (
        option("--out", "FILE", "Write the assignment file (JSON).", type=FILE),
        option("--csv", "FILE", "Write one row per layer (CSV).", type=FILE),
        flag("--json", "Print the assignment file and nothing else."),
        flag("--quiet", "Print one line: status, gap, totals."),
    ),
}
ASSIGN_CONTRADICTIONS = tuple(
    pair for pair in SOLVE_CONTRADICTIONS if not {"pe_bits", "memory"} & {*pair}
)

PARETO = {
    "The front": (
        option(*("--objectives", "LIST", "Two or three metrics.", "latency,area"), type=objectives),
        option("--points", "N", "How many.", type=click.IntRange(2, 10**6), told="20"),
        flag("--all", "All points there are."),
        option("--rel-step", "X", REL_STEP_HELP, type=number(0, 0.999999), told="0"),
        option("--range", "WHAT=LOW:HIGH", RANGE_HELP, type=span, multiple=True),
    ),
    **{title: options for title, options in SOLVE.items() if title not in OF_ONE_DESIGN},
    "What is wanted": (
        *(o for o in SOLVE["What is wanted"] if o.name not in ("minimize", "quality")),
        option(*QUALITY_SAYS, told=f"{QUALITY}; none beside --max-noise or the objective noise"),
    ),
    "The search": (
        option("--time-limit-s", "X", "Then take what is found.", type=number(1e-9, 1e9)),
    ),
    "The answer": (
        option("--out", "FILE", "Write the points (CSV).", type=FILE),
        option("--plot", "FILE", "Draw the front: .png, .pdf or .svg.", type=FILE),
        option("--designs", "DIR", "Write each point's design file there.", type=FILE),
        flag("--json", "Print the front (JSON) and nothing else."),
        flag("--quiet", "Print one line: points, ends, what is left unknown."),
    ),
}
PARETO_CONTRADICTIONS = (
    *SOLVE_CONTRADICTIONS,
    ("points", "all"),
    ("points", "rel_step"),
)

EXPLAIN = (
    click.Argument(["design"], type=FILE),
    option("--step", "X", "Relative size of every change.", "0.05", type=number(1e-6, 0.99)),
    option("--time-limit-s", "X", "Then say what is left open.", type=number(1e-9, 1e9)),
    option("--out", "FILE", "Write the explanation file (JSON).", type=FILE),
    option("--plot", "FILE", "Draw the sensitivities: .png, .pdf or .svg.", type=FILE),
    flag("--json", "Print the explanation (JSON) and nothing else."),
)

FIT = (
    click.Argument(["measured"], metavar="CSV", type=FILE),
    option(
        *("--kind", "pe|sram", "What was measured."),
        type=click.Choice(["pe", "sram"]),
        required=True,
    ),
    flag("--relative", "Least squares of the relative errors: every point counts alike."),
    flag("--quadratic", "Quadratic in the width, not linear in BOPS; needs bw = ba, n = m = 1."),
    option(
        "--engine",
        *("N", "Multipliers of one kernel window of the PEs."),
        type=click.IntRange(1, 10**6),
        told="9, a 3×3 window",
    ),
    option("--name", "NAME", "Name of the technology.", told="the CSV's, without its ending"),
    option(
        "--technology", "NAME", "What --out takes the part from that is not fitted.", TECHNOLOGY
    ),
    option("--out", "FILE", "Write the technology (TOML) for solve.", type=FILE),
    option("--plot", "FILE", "Draw the fit: .png, .pdf or .svg.", type=FILE),
    flag("--json", "Print the fit (JSON) and nothing else."),
)

CHECK = (
    click.Argument(["file"], type=FILE),
    flag("--deep", "Prove the design's optimality again; needs --certificate."),
    option("--certificate", "FILE", "Written by solve --certificate.", type=FILE),
    flag("--json", "Print what was found (JSON) and nothing else."),
)


TABLE = (
    BATCH,
    *(option for option in OF_ONNX if option.name != "keep_widths"),
    *SENSITIVITY,
    option("--bits", "LIST", "Widths.", BITS, type=WIDTHS),
    option("--out", "FILE", "Write the table (CSV).", type=FILE, told="printed"),
)

IMPORT = (
    BATCH,
    *OF_ONNX,
    option("--out", "FILE", "Write the network (TOML).", type=FILE),
    flag("--json", "Print the network (JSON) and nothing else."),
)


def network() -> click.Argument:
    """The argument NETWORK."""
    return click.Argument(["network"], shell_complete=completion.NETWORK)


def networks() -> click.Argument:
    """The arguments NETWORK, one or more."""
    how: dict[str, Any] = {"nargs": -1, "required": True, "metavar": "NETWORK..."}
    return click.Argument(["networks"], shell_complete=completion.NETWORK, **how)


def sectioned(sections: Mapping[str, Iterable[click.Option]]) -> type[click.Command]:
    """A kind of command whose help lists its options section by section."""

    class Sectioned(click.Command):
        def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
            for title, options in sections.items():
                with formatter.section(title):
                    formatter.write_dl([row for o in options if (row := o.get_help_record(ctx))])
            with formatter.section("Help"):
                formatter.write_dl([("-h, --help", "Show this and exit.")])

    return Sectioned
