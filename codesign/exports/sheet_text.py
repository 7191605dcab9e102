"""The sheet of a design in Markdown, for people who build the hardware."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from codesign.errors import printable
from codesign.exports.nests import nest_text
from codesign.problem.choices import OF_BUFFERS
from codesign.results.text.machines import machine_phrases
from codesign.specs.machine import Machine
from codesign.units import METRIC_UNITS, RATE_UNITS

ABSENT = "–"
OPERANDS = {"weights": "weights", "ifmap": "ifmap", "psum": "partial sums"}
UNITED = "in the SRAM"
BY_LAYER = "; each layer takes its own"
TOLD = ("reconfigurable", "sram_bits_per_cycle", *OF_BUFFERS)  # elsewhere in a sheet


def sheet_markdown(content: Mapping[str, Any]) -> str:
    """The sheet as text; names of files are shown literally."""
    lines = [f"# {shown(content['network'])}: hardware sheet", "", *array_lines(content)]
    return "\n".join([*lines, ""])


def array_lines(content: Mapping[str, Any]) -> list[str]:
    """An array, what belongs to it, and its layers."""
    lines = _hardware(content)
    lines += ["", "## Buffers", "", *_buffers(content)]
    if content["residents"]:
        lines += ["", "## Tensors that stay on chip", "", *_residents(content["residents"])]
    lines += ["", "## Layers", "", *_layer_table(content["layers"])]
    for number, run in enumerate(content["runs"], 1):
        lines += ["", *_run(number, run)]
    for layer in content["layers"]:
        if layer["kind"] == "tiled":
            lines += ["", *_loops(layer)]
    return lines


def shown(text: str) -> str:
    """A name as Markdown shows it, and no more than text."""
    shown = escape(printable(text), quote=False)
    for sign in "\\`*_{}[]()#+!|~$":
        shown = shown.replace(sign, "\\" + sign)
    return shown


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """A table in Markdown."""
    lines = [f"| {' | '.join(headings)} |", f"|{'---|' * len(headings)}"]
    return [*lines, *(f"| {' | '.join(map(cell, row))} |" for row in rows)]


def cell(value: object) -> str:
    """A cell of it; a dash where there is nothing."""
    if value is None:
        return ABSENT
    return f"{value:,}" if isinstance(value, int) else str(value)


def word_text(memory: Mapping[str, Any]) -> str:
    """What a word of a memory holds."""
    elements, bits = memory["word_elements"], memory["element_bits"]
    return f"{elements:,} × {bits} = {memory['word_bits']:,}"


def _hardware(content: Mapping[str, Any]) -> list[str]:
    array, sram, sums = content["array"], content["sram"], content["accumulator"]
    per_s = array["dram_bits_per_s"]
    facts: dict[str, object] = {
        "technology": None if content["technology"] is None else shown(content["technology"]),
        "images at once": content["images"],
        "PE array": f"rows × columns: {array['rows']} × {array['cols']} = {array['pes']:,}",
        "multipliers of a PE": array["multipliers_per_pe"],
        "operands of a PE": f"{array['weight_bits']} bit weights × "
        f"{array['activation_bits']} bit activations",
        "product": f"{array['product_bits']} bit",
        "precision": array["precision"],
        "mapping": ", ".join(array["mapping"]) + BY_LAYER * ("reconfigurable" in array["terms"]),
        "accumulator": None
        if sums["bits"] is None
        else f"{sums['bits']} bit, for {shown(sums['layer'])}",
        "clock": RATE_UNITS["clock_hz"].amount(array["clock_hz"]),
        "DRAM": None if per_s is None else RATE_UNITS["dram_bits_per_s"].amount(per_s),
        "DRAM bits per cycle": None if per_s is None else f"{per_s / array['clock_hz']:.4g}",
        "SRAM": f"{sram['bits']:,} bit",
        "SRAM banks": "no bank size is given"
        if sram["banks"] is None
        else f"{sram['banks']:,} of {sram['bank_bits']:,} bit",
    }
    if sram["ports_bits_per_cycle"] is not None:
        facts["SRAM port"] = f"{sram['ports_bits_per_cycle']:,} bit per cycle"
    told = {name: x for name, x in array["terms"].items() if name not in TOLD}
    if also := "; ".join(machine_phrases(Machine(**told), array["precision"])):
        facts["also"] = also
    return table(("what", "value"), list(facts.items()))


def _buffers(content: Mapping[str, Any]) -> list[str]:
    """Of each operand a word and how many of them."""
    own = content["sram"]["own_bits"]
    rows = [
        (
            OPERANDS[name],
            UNITED if own[name] is None else f"{own[name]:,} bit of its own",
            word_text(each),
            each["depth_words"],
            each["copies"],
            each["bits"],
            None if each["deepest_layer"] is None else shown(each["deepest_layer"]),
        )
        for name, each in content["buffers"].items()
    ]
    heads = ("operand", "where", "word (elements × bits)", "words", "copies", "bits", "deepest for")
    return [
        "A word is what the array takes, or gives, in a cycle; two copies are a double buffer.",
        "Layers share the SRAM one after the other: each has its own offsets below.",
        "",
        *table(heads, rows),
    ]


def _residents(residents: Sequence[Mapping[str, Any]]) -> list[str]:
    heads = ("tensor", "elements", "bits each", "SRAM bits", "from layer", "to layer")
    rows = [
        (
            shown(each["tensor"]),
            each["elements"],
            each["bits"],
            each["sram_bits"],
            shown(each["first_layer"]),
            shown(each["last_layer"]),
        )
        for each in residents
    ]
    return table(heads, rows)


def _layer_table(layers: Sequence[Mapping[str, Any]]) -> list[str]:
    heads = (
        *("layer", "what", "N×G×K×C", "P×Q", "R×S", "bits w/in/psum/out", "mapping", "cycles"),
        *("tiles, SRAM bits", "residents, SRAM bits", "DRAM bits"),
    )
    rows = []
    for each in layers:
        shape, bits = each["shape"], each["bits"]
        widths = [bits[x] for x in ("weights", "ifmap", "psum", "output")]
        what = each["kind"] if each["run"] is None else f"run {each['run'] + 1}"
        rows.append(
            (
                shown(each["name"]),
                what,
                "×".join(str(shape[x]) for x in "NGKC"),
                f"{shape['P']}×{shape['Q']}",
                f"{shape['R']}×{shape['S']}",
                "/".join(ABSENT if x is None else str(x) for x in widths),
                None if each["spatial"] is None else each["spatial"]["mapping"],
                each["cycles"],
                each["sram_bits"],
                each["resident_bits"],
                sum(each["dram_bits"].values()),
            )
        )
    return table(heads, rows)


def _run(number: int, run: Mapping[str, Any]) -> list[str]:
    """What a run of fused layers holds while it is worked off row by row."""
    names = ", ".join(map(shown, run["layers"]))
    amount = METRIC_UNITS["dram_bits"].amount(run["sram_bits"])
    rows = [(x["what"], shown(x["of"]), x["elements"], x["bits"]) for x in run["held"]]
    return [
        f"## Run {number}: {names}",
        "",
        f"Layers fused, one output row of the last at a time: {run['cycles']:,} cycles, {amount} "
        "of the SRAM.",
        "",
        *table(("holds", "of", "elements", "bits each"), rows),
    ]


def _loops(layer: Mapping[str, Any]) -> list[str]:
    """A layer's tiles, where they are in the SRAM, and its loops."""
    rows = [
        (
            OPERANDS[name],
            each["place"],
            each["tile_elements"],
            layer["bits"][name],
            each["copies"],
            each["sram_bits"],
            each["sram_offset_bits"],
            layer["dram_bits"][name],
        )
        for name, each in layer["operands"].items()
    ]
    heads = ("tile of", "from", "elements", "bits", "copies", "SRAM bits", "at bit", "DRAM bits")
    pixels = [
        f"{name}: {x['tile']} of the output, {x['held']} of the input held, {x['halo']} shared "
        "by neighbours"
        for name, x in layer["pixels"].items()
    ]
    return [
        f"### {shown(layer['name'])}",
        "",
        f"Array: {at_once_text(layer['spatial'])}. Tile, {'; '.join(pixels)}.",
        "",
        *table(heads, rows),
        "",
        "```",
        *nest_text(layer["nest"], layer["cycles"]),
        "```",
    ]


def at_once_text(spatial: Mapping[str, Any]) -> str:
    """What an array takes at once."""
    text = (
        f"{spatial['mapping']}; at once, groups: {spatial['groups_at_once']}, output channels: "
        f"{spatial['outputs_at_once']}, products: {spatial['products_at_once']}, "
        f"pixels: {spatial['pixels_at_once']}"
    )
    if spatial["passes_of_precision"] > 1:
        text += f", passes of precision: {spatial['passes_of_precision']}"
    return text
