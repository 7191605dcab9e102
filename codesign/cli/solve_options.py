"""The options of solve, pareto, evaluate, assign and sweep, in the sections that help lists.

Words that a study may vary come from the table of `codesign.problem.words`.
"""

from __future__ import annotations

from typing import Any

import click

from codesign.cli.options import (
    COMPLETED,
    FILE,
    RESUME,
    WORKERS,
    choice,
    file,
    flag,
    option,
    repeatable,
    word,
)
from codesign.problem import readers
from codesign.problem.places import DEFAULT_FUSED_LAYERS, DEFAULT_ON_CHIP, MOST_FUSED_LAYERS
from codesign.problem.readers import (
    LIMIT,
    ONE_WIDTH,
    Number,
    Numbers,
    OneMetric,
    SomeOf,
    WholeNumber,
    WholeNumbers,
)
from codesign.problem.words import (
    ALL_WORDS,
    BUFFERS,
    CAPACITY,
    CLOCK,
    DEFAULT_MEMORY,
    DEFAULT_QUALITY,
    DEFAULT_TECHNOLOGY,
    FACTOR,
    MAPPINGS,
    MOST_PORT_BITS,
    PLATFORM_CONTRADICTIONS,
    SOLVE_CONTRADICTIONS,
    TIME_LIMIT,
)

# What --help shows; a test compares it with codesign.problem.choices, which is slow to import.
BITS = "2,3,4,5,6,7,8"
SIDES = "1,2,3,4,6,8,12,16,24,32,48,64"

MANY_IMAGES, MANY_WEIGHTS = WholeNumbers(10**6), Numbers(Number(1e-5, 1e6))
ASSIGN_CONTRADICTIONS = tuple(
    pair for pair in SOLVE_CONTRADICTIONS if not {"pe_bits", "memory"} & {*pair}
)
PARETO_CONTRADICTIONS = (*SOLVE_CONTRADICTIONS, ("points", "all"), ("points", "rel_step"))
OF_ARRAYS = (  # options of evaluate that say nothing of a pipeline
    *("accelerator", "rows", "cols", "engine", "pe_bits", "pe_weight_bits", "pe_activation_bits"),
    *("precision", "reconfigurable", "overlap", "sram_bits_per_cycle", "stored_channels"),
    *("psum_bits", "sram_kbit", *BUFFERS, "pe_area_um2", "on_chip", "fused_layers", "tiling"),
    *("weights", "plot_sram"),
)
EVALUATE_CONTRADICTIONS = (
    *PLATFORM_CONTRADICTIONS,
    *(("folding", name) for name in ("pipeline", *OF_ARRAYS)),
    *(("pipeline", name) for name in OF_ARRAYS),
    *(("widths", name) for name in ("bits", "weight_bits", "activation_bits", "output_bits")),
)

# Options that several commands have.
BATCH = word("--batch", "Images at once.", shown="1")
BATCHES = option(
    "--batch LIST", "Images at once; of several the best for each image.", MANY_IMAGES, shown="1"
)
OF_DECODER = (
    word("--phase", "Of a decoder, as gpt2: prefill a prompt, or decode a token."),
    word("--tokens", "Tokens of the prompt (prefill)."),
    word("--context", "Tokens in the KV cache, the new one included (decode)."),
)
OF_ONNX = (
    repeatable("--dim NAME=N", "Size of a symbolic dimension (.onnx).", readers.dim),
    repeatable(
        "--input NAME=VALUE",
        "Value of an input that decides what runs, as in sr=16000 (.onnx).",
        readers.model_input,
    ),
    flag("--keep-widths", "Pin the integer widths that the .onnx file declares."),
    flag("--ignore-unknown", "Take unknown operators (.onnx) to keep or move data."),
)
SENSITIVITY = (
    word(
        "--sensitivity",
        "Noise: a .csv or .toml table (codesign sensitivity), or weights.",
        shown="4^−bits",
    ),
    word("--granularity", "Steps of --sensitivity weights.", shown="channel"),
)
PIN = word(
    "--pin",
    "Fix a width, weight:LAYER=B or tensor:TENSOR=B, or a place: chip:TENSOR, dram:TENSOR or "
    "band:TENSOR.",
)
ARCHITECTURE_HELP = "One array for all layers, one for each, or for some; of several the best."
SEGMENTS_HELP = "Most runs of layers with an array of their own in hybrids: 1 or 2."
ON_CHIP_HELP = "Tensors may stay in the SRAM, also as bands of fused layers, or all go to DRAM."
FUSED_HELP = "Most layers of a fused run (--on-chip bands)."
SRAM = word("--sram", "Kind of SRAM, as in dual-port.", shown="the technology's own")
MEMORY = word("--memory", "Shipped DRAM or TOML file.", shown=DEFAULT_MEMORY)
DRAM = word("--dram-gbit-per-s", "DRAM bandwidth, not --memory.")
DRAM_ENERGY = word("--dram-pj-per-bit", "Energy of a DRAM bit.", shown="the memory's")
PRECISION_HELP = "Operands wider than a PE: impossible, or passes; or PEs split for narrower ones."
MAPPING_HELP = "What rows of PEs take: channels (window, im2col) or pixels (output)."
BY_LAYER_HELP = "Each layer takes one of the mappings."
FILL_HELP = "Count cycles that fill and drain the array."
LOAD_HELP = "Count cycles that load stationary weights."
SKIP_HELP = "Skip zeros that transposed convolutions insert."
OVERLAP_HELP = "Share of the shorter of compute and DRAM time that the longer hides."
STORED_HELP = "DRAM stores channels of tensors in multiples of N."
PORT_HELP = "Bits that the SRAM reads and writes in a cycle at most."
BUFFER_HELP = {
    "--weight-buffer-kbit": "A buffer of its own for tiles of weights.",
    "--ifmap-buffer-kbit": "One for tiles of the input.",
    "--accumulator-kbit": "One for partial sums.",
}
FACTOR_HELP = "Factor on the cycles of a kernel: 3x3=4/9 (Winograd)."
SRAM_PICTURE = "Draw what the SRAM holds during each layer: .png, .pdf or .svg."
QUALITY_HELP = "At most the noise of BITS everywhere, or of that SQNR; or none."

FREE = "What is free to choose (lists: 4,6,8)"
SOLVE = {
    "The network": (BATCH, *OF_DECODER, *OF_ONNX, *SENSITIVITY),
    "The platform": (
        word("--technology", "Shipped name or TOML file."),
        SRAM,
        MEMORY,
        DRAM,
        DRAM_ENERGY,
        word("--clock-mhz", "Clock."),
        word("--area-overhead", "Factor on PE array area."),
    ),
    "What is wanted": (
        word(
            "--minimize",
            "Objective; regret: of several networks the largest ratio to its own best.",
        ),
        word("--regret-of", "What regret is of.", shown="latency"),
        word("--max-area-mm2", "Largest silicon area."),
        word("--max-lut", "Most look-up tables of an FPGA."),
        word("--max-dsp", "Most DSP blocks of an FPGA."),
        word("--max-bram", "Most block RAMs (BRAM18) of an FPGA."),
        word("--max-latency-ms", "Longest latency, whole batch."),
        word("--max-interval-ms", "Longest interval: from one image to the next."),
        word("--min-fps", "Fewest images per second, not --max-latency-ms."),
        word("--max-energy-mj", "Most energy, whole batch."),
        word("--max-dram-mbit", "Most DRAM traffic, whole batch."),
        word("--max-model-mbit", "Most bits for all weights."),
        word("--max-gbops", "Most bit operations, 10⁹, whole batch."),
        word(
            "--quality",
            QUALITY_HELP,
            shown=f"{DEFAULT_QUALITY}; none beside --max-noise or --minimize noise",
        ),
        word("--max-noise", "Most quantisation noise, not --quality."),
    ),
    FREE: (
        word("--bits", "Widths of weights and activations.", shown=BITS),
        word("--weight-bits", "Widths of weights, not --bits."),
        word("--activation-bits", "Widths of activations, not --bits."),
        PIN,
        word("--tie", "Each layer's weights as wide as its input."),
        word("--group", "Operands of one common width, or patterns: 'weight:layer1.*'."),
        word("--output-bits", "Width of the results."),
        word("--pe-bits", "Operand widths of a PE.", shown="the widths above and every pinned one"),
        word("--pe-weight-bits", "Widths of its weight operand."),
        word("--pe-activation-bits", "Widths of its activation operand."),
        word("--precision", PRECISION_HELP),
        word("--mapping", f"{MAPPING_HELP} Of several, the best."),
        word("--reconfigurable", BY_LAYER_HELP),
        word("--fill-cycles", FILL_HELP),
        word("--weight-load", LOAD_HELP),
        word("--zero-skipping", SKIP_HELP),
        word("--cycle-factor", FACTOR_HELP),
        word("--overlap", OVERLAP_HELP),
        word("--sram-bits-per-cycle", PORT_HELP, shown="any number"),
        word("--stored-channels", STORED_HELP, shown="1"),
        word("--rows", "Rows of the PE array.", shown=SIDES),
        word("--cols", "Columns of the PE array.", shown=SIDES),
        word("--square", "Only as many rows as columns; one list is enough."),
        word("--sram-kbit", "SRAM sizes on offer.", shown="any"),
        word("--min-sram-kbit", "Least SRAM, used or not."),
        word("--max-sram-kbit", "Most SRAM."),
        *(word(name, text) for name, text in BUFFER_HELP.items()),
        word("--architecture", ARCHITECTURE_HELP),
        word("--segments", SEGMENTS_HELP),
        word("--on-chip", ON_CHIP_HELP),
        word("--fused-layers", FUSED_HELP, shown=f"{DEFAULT_FUSED_LAYERS}"),
    ),
    "The search": (
        word("--method", "Bounds and pruning, or one MILP over all hardware (small spaces)."),
        choice(
            "--solver highs|scip|cbc",
            "Who solves the MILPs; scip and cbc where installed.",
            default="highs",
        ),
        word("--time-limit-s", "Then take the best so far."),
        word("--rel-gap", "Stop at this gap; 1e-6 is a proof."),
        word(
            "--ties",
            "Of equal designs find the smallest: for 5 × the time of the proof, at least 10 s.",
        ),
    ),
    "The answer": (
        file("--out", "Write the design file (JSON)."),
        file("--plot", "Draw the design: .png, .pdf or .svg."),
        file("--plot-sram", SRAM_PICTURE),
        file("--certificate", "Write a proof for check --deep; may take --time-limit-s once more."),
        flag("--json", "Print the design file and nothing else."),
        flag("--quiet", "Print one line: status, gap, totals, hardware."),
    ),
}


def _by_member(option: click.Option) -> click.Option:
    """A limit of `solve`, which networks of several may have of their own."""

    def read(ctx: click.Context, param: click.Parameter, given: tuple[str, ...]) -> Any:
        if not given:
            return None
        try:
            return readers.limits(given, ALL_WORDS[str(param.name)].read or LIMIT)
        except ValueError as error:
            raise click.BadParameter(str(error), ctx, param) from None

    text = f"{option.help} Of several networks, of each."
    return click.Option([*option.opts], metavar="X|NAME=X", help=text, multiple=True, callback=read)


OF_MEMBERS = (
    "max_latency_ms",
    "max_interval_ms",
    "min_fps",
    "max_energy_mj",
    "max_dram_mbit",
    "max_model_mbit",
    "max_gbops",
    "max_noise",
)
WEIGHTS = option(
    "--weights LIST", "How much each of several networks counts.", MANY_WEIGHTS, shown="1"
)
WANTED = tuple(_by_member(x) if x.name in OF_MEMBERS else x for x in SOLVE["What is wanted"])
SOLVE_ALONE = {
    **SOLVE,
    "The network": (WEIGHTS, BATCHES, *SOLVE["The network"][1:]),
    "What is wanted": WANTED,
}


def _taken(section: str, *names: str) -> tuple[click.Option, ...]:
    """Some options of `solve`."""
    return tuple(option for option in SOLVE[section] if option.name in names)


def _axis(option: click.Option) -> click.Option:
    """An option of `solve` as an axis of `sweep`: given again, or as a list, it varies."""
    if option.is_flag:
        return option
    whole = option.multiple or ALL_WORDS[str(option.name)].is_list
    told_apart = option.name in OF_MEMBERS

    def read(ctx: click.Context, param: click.Parameter, given: tuple[str, ...]) -> list[str]:
        values: list[str] = []
        for text in given:
            if told_apart and "=" in text:  # one value, of several networks
                readers.limits([text], float)
                values.append(text)
                continue
            values += [text] if whole else text.split(",")
        for value in values:
            if value != "none" and not (told_apart and "=" in value):
                option.type.convert(value, param, ctx)
        return values

    metavar = str(option.metavar) if whole else f"{option.metavar},…"
    name = option.opts[0]
    how: dict[str, Any] = {"shell_complete": COMPLETED.get(name), "callback": read}
    return click.Option([name], metavar=metavar, help=option.help, multiple=True, **how)


GRID = {  # what a study may vary: a grid's networks bring no weights to measure
    title: tuple(x for x in part if x.name in ALL_WORDS and x.name != "granularity")
    for title, part in SOLVE.items()
    if title != "The answer"
}
AXES = {title: tuple(_axis(option) for option in part) for title, part in GRID.items()}
SWEEP = {
    **AXES,
    "The network": (
        option(
            "--weights LIST",
            "Take the networks as one suite, in which each counts so much.",
            MANY_WEIGHTS,
        ),
        *AXES["The network"],
        *(option for option in OF_ONNX if option.name in ("dim", "input")),
    ),
    "The answer": (
        file("--store", "Keep the results (SQLite).", shown="a temporary one"),
        RESUME,
        WORKERS,
        file("--csv", "Write the results (CSV)."),
        file("--plot", "Draw small multiples: .png, .pdf or .svg."),
        flag("--json", "Print the results as JSON and nothing else."),
        flag("--quiet", "No progress; print one line."),
    ),
}

ONE_SIDE, LARGE = WholeNumber(1, 65536), WholeNumber(1, 10**6)
EVALUATE = {
    "The network": (
        WEIGHTS,
        BATCH,
        *OF_DECODER,
        *OF_ONNX,
        *SENSITIVITY,
        option("--bits B", "Width of weights and activations.", ONE_WIDTH, shown="the PE's"),
        option("--weight-bits B", "Width of weights, not --bits.", ONE_WIDTH),
        option("--activation-bits B", "Width of activations, not --bits.", ONE_WIDTH),
        file("--widths", "Widths of a design or assignment file, not --bits."),
        PIN,
        option(
            "--output-bits B",
            "Width of the results.",
            ONE_WIDTH,
            shown="the activations'; of a pipeline 8",
        ),
    ),
    "The accelerator (each option replaces what --accelerator says)": (
        option("--accelerator NAME", "Shipped name, TOML file or design file."),
        option("--rows N", "Rows of the PE array.", ONE_SIDE),
        option("--cols N", "Columns of the PE array.", ONE_SIDE),
        option("--engine N", "Multipliers of a PE.", LARGE, shown="9, a 3×3 window"),
        option("--pe-bits B", "Width of a PE's operands.", ONE_WIDTH),
        option("--pe-weight-bits B", "Width of its weight operand.", ONE_WIDTH),
        option("--pe-activation-bits B", "Width of its activation operand.", ONE_WIDTH),
        choice("--precision fixed|multi-pass|widening", PRECISION_HELP, shown="fixed"),
        option("--mapping LIST", MAPPING_HELP, SomeOf(MAPPINGS), shown="window"),
        flag("--reconfigurable", BY_LAYER_HELP),
        flag("--fill-cycles", FILL_HELP),
        flag("--weight-load", LOAD_HELP),
        flag("--zero-skipping", SKIP_HELP),
        repeatable("--cycle-factor KERNEL=X", FACTOR_HELP, readers.cycle_factor),
        option("--overlap X", OVERLAP_HELP, Number(0, 1), shown="1"),
        option(
            "--sram-bits-per-cycle N", PORT_HELP, WholeNumber(1, MOST_PORT_BITS), shown="any number"
        ),
        option("--stored-channels N", STORED_HELP, ONE_SIDE, shown="1"),
        option(
            "--psum-bits B",
            "Width of stored partial sums.",
            WholeNumber(1, 1024),
            shown="as wide as the sum can get",
        ),
        option("--sram-kbit X", "SRAM capacity.", CAPACITY),
        *(option(f"{name} X", text, CAPACITY) for name, text in BUFFER_HELP.items()),
        option("--clock-mhz X", "Clock.", CLOCK, shown="800"),
        MEMORY,
        DRAM,
        DRAM_ENERGY,
        option("--technology NAME", "Shipped name or TOML file.", shown=DEFAULT_TECHNOLOGY),
        SRAM,
        option("--pe-area-um2 X", "Area of a PE.", LIMIT, shown="the technology's fit"),
        option("--area-overhead X", "Factor on PE array area.", FACTOR, shown="1"),
    ),
    "A pipeline in place of the accelerator": (
        file("--folding", "PE and SIMD of every unit, as FINN has them (JSON)."),
        file("--pipeline", "A pipeline's design file, or layers with rows and cols (JSON)."),
        option("--time-limit-s X", "For what it does not tell, which is chosen.", TIME_LIMIT),
    ),
    "The roofline, and what stays on chip": (
        choice(
            "--roofline tiled|ideal",
            "With ragged edges and tiles, or the paper's ideal one.",
            default="tiled",
        ),
        choice(
            "--on-chip bands|tensors|none",
            ON_CHIP_HELP,
            shown=f"{DEFAULT_ON_CHIP}; none with --roofline ideal",
        ),
        option(
            "--fused-layers N",
            FUSED_HELP,
            WholeNumber(2, MOST_FUSED_LAYERS),
            shown=f"{DEFAULT_FUSED_LAYERS}",
        ),
        file(
            "--tiling",
            "Tiles and orders that are given: a design, an evaluation or a table of layers (.csv).",
            shown="the best",
        ),
    ),
    "The answer": (
        file("--out", "Write the evaluation file (JSON)."),
        file("--plot", "Draw the evaluation: .png, .pdf or .svg."),
        file("--plot-sram", SRAM_PICTURE),
        flag("--json", "Print the evaluation file and nothing else."),
        flag("--quiet", "Print one line: totals, hardware."),
    ),
}

OF_WIDTHS = ("noise", "latency", "model", "bops")  # metrics of widths alone
ASSIGN = {
    "The network": SOLVE["The network"],
    "What is wanted": (
        option(
            "--minimize noise|latency|model|bops|cost:NAME",
            "Objective.",
            OneMetric(OF_WIDTHS, costs=True),
            default="noise",
        ),
        file("--latency-table", "Latency of each layer at each pair of widths (CSV)."),
        repeatable(
            "--cost NAME=FILE", "A cost of your own: table like it, column value.", readers.cost
        ),
        repeatable("--max-cost NAME=X", "Most of that cost.", readers.cost_limit),
        *_taken(
            "What is wanted",
            "max_latency_ms",
            "max_interval_ms",
            "min_fps",
            "max_model_mbit",
            "max_gbops",
        ),
        *_taken("What is wanted", "quality", "max_noise"),
    ),
    FREE: (
        *_taken(FREE, "bits", "weight_bits", "activation_bits"),
        repeatable(
            "--pin WHAT=B", "Fix a width: weight:LAYER=B or tensor:TENSOR=B.", readers.width_pin
        ),
        repeatable(
            "--fixed WHAT=B",
            "As --pin; its layer may be left out of the tables, and costs 0.",
            readers.width_pin,
        ),
        *_taken(FREE, "tie", "group", "output_bits"),
    ),
    "The search": _taken("The search", "time_limit_s", "rel_gap", "ties"),
    "The answer": (
        file("--out", "Write the assignment file (JSON)."),
        file("--csv", "Write one row per layer (CSV)."),
        flag("--json", "Print the assignment file and nothing else."),
        flag("--quiet", "Print one line: status, gap, totals."),
    ),
}

PARETO = {
    "The front": (
        option(
            "--objectives LIST", "Two or three metrics.", readers.objectives, default="latency,area"
        ),
        option("--points N", "How many.", WholeNumber(2, 10**6), shown="20"),
        flag("--all", "All points there are."),
        option(
            "--rel-step X",
            "With --all: points nearer than this, relative, need not be told apart.",
            Number(0, 0.999999),
            shown="0",
        ),
        repeatable(
            "--range WHAT=LOW:HIGH",
            "Part of the front, in the units of --max-...: area=1:16.",
            readers.span,
        ),
    ),
    "The network": (WEIGHTS, *SOLVE["The network"]),
    **{title: SOLVE[title] for title in ("The platform", FREE)},
    "What is wanted": (
        *(x for x in WANTED if x.name not in ("minimize", "regret_of", "quality")),
        word(
            "--quality",
            QUALITY_HELP,
            shown=f"{DEFAULT_QUALITY}; none beside --max-noise or the objective noise",
        ),
    ),
    "The search": (option("--time-limit-s X", "Then take what is found.", TIME_LIMIT),),
    "The answer": (
        file("--out", "Write the points (CSV)."),
        file("--plot", "Draw the front: .png, .pdf or .svg."),
        option("--designs DIR", "Write each point's design file there.", FILE),
        flag("--json", "Print the front (JSON) and nothing else."),
        flag("--quiet", "Print one line: points, ends, what is left unknown."),
    ),
}
