"""The sheet of a pipeline in Markdown, for people who build the hardware."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from codesign.exports.nests import nest_text
from codesign.exports.sheet_text import ABSENT, array_lines, at_once_text, shown, table, word_text
from codesign.results.text.layout import counted, percent
from codesign.results.text.machines import machine_phrases
from codesign.specs.machine import Machine
from codesign.units import METRIC_UNITS, RATE_UNITS


def pipeline_sheet_markdown(content: Mapping[str, Any]) -> str:
    """The sheet as text; names of files are shown literally."""
    stages = content["stages"]
    lines = [f"# {shown(content['network'])}: hardware sheet of a pipeline", "", *_whole(content)]
    lines += ["", "## Stages", "", *_stages(stages, content["interval_cycles"])]
    lines += ["", "## Memories", "", *_memories(stages)]
    if any(stage["fifos"] for stage in stages):
        lines += ["", "## FIFOs", "", *_fifos(stages)]
    for stage in stages:
        if stage["kind"] == "own array":
            lines += ["", *_stage(stage)]
    for shared in content["shared"]:
        same = {"technology": content["technology"], "images": content["images"]}
        parts = {**shared, **same, "residents": [], "runs": []}
        names = ", ".join(shown(x["name"]) for x in parts["layers"])
        took = RATE_UNITS["clock_hz"].amount(content["clock_hz"])
        lines += ["", f"# An array that layers share: {names}", ""]
        lines += [f"One after the other, at {took}; every tensor passes the DRAM.", ""]
        lines += array_lines(parts)
    return "\n".join([*lines, ""])


def _whole(content: Mapping[str, Any]) -> list[str]:
    """Rates and totals."""
    per_cycle = content["dram_bits_per_s"] / content["clock_hz"]
    moved = {name: bits for name, bits in content["dram_bits"].items() if name != "total"}
    facts: dict[str, object] = {
        "architecture": content["architecture"],
        "technology": shown(content["technology"]),
        "images at once": content["images"],
        "clock": RATE_UNITS["clock_hz"].amount(content["clock_hz"]),
        "DRAM": RATE_UNITS["dram_bits_per_s"].amount(content["dram_bits_per_s"]),
        "DRAM bits per cycle": f"{per_cycle:.4g}",
        "interval": f"{_number(content['interval_cycles'])} cycles, "
        f"{METRIC_UNITS['interval_s'].amount(content['interval_s'])}",
        "decided by": "DRAM traffic"
        if content["bottleneck"] is None
        else f"stage {shown(content['bottleneck'])}",
        "latency": METRIC_UNITS["latency_s"].amount(content["latency_s"]),
        "PEs": content["pes"],
        "memories": f"{_number(content['memory_bits'])} bit",
    }
    facts |= {
        METRIC_UNITS[name].label: METRIC_UNITS[name].amount(value)
        for name, value in content["takes"].items()
    }
    facts["DRAM bits of an image"] = _number(content["dram_bits"]["total"])
    facts |= {
        f"of {'tensor' if name.startswith('tensor:') else 'stage'} "
        f"{shown(name.partition(':')[2])}": _number(bits)
        for name, bits in moved.items()
        if bits
    }
    if also := "; ".join(machine_phrases(Machine(**content["terms"]), "fixed")):
        facts["of all arrays"] = also
    return table(("what", "value"), list(facts.items()))


def _stages(stages: Sequence[Mapping[str, Any]], interval: float) -> list[str]:
    """A row for each stage."""
    takes = [*stages[0]["takes"]]
    heads = (
        *("stage", "what", "N×G×K×C", "P×Q", "R×S", "bits w/in/psum/out", "rows × columns"),
        *("mapping", "weights", "band rows", "cycles", "of the interval"),
        *("start, intervals", "lag, intervals"),
        *(METRIC_UNITS[name].label for name in takes),
    )
    rows = []
    for each in stages:
        shape, array, bits = each["shape"], each["array"], each["bits"]
        widths = [bits[x] for x in ("weights", "ifmap", "psum", "output")]
        rows.append(
            (
                shown(each["name"]),
                each["kind"],
                "×".join(str(shape[x]) for x in "NGKC"),
                f"{shape['P']}×{shape['Q']}",
                f"{shape['R']}×{shape['S']}",
                "/".join(ABSENT if x is None else str(x) for x in widths),
                None if array is None else f"{array['rows']} × {array['cols']}",
                None if array is None else array["mapping"][0],
                each["weights"],
                None if each["band"] is None else each["band"]["output_rows"],
                each["cycles"],
                percent(each["cycles"] / interval),
                f"{each['start_intervals']:.6g}",
                f"{each['lag_intervals']:.6g}",
                *(METRIC_UNITS[name].amount(each["takes"][name]) for name in takes),
            )
        )
    return table(heads, rows)


def _memories(stages: Sequence[Mapping[str, Any]]) -> list[str]:
    """A row for each memory of a stage."""
    heads = ("stage", "memory", "elements", "bits each", "word (elements × bits)", "words", "bits")
    rows = [
        (
            shown(stage["name"]),
            name,
            each["elements"],
            each["element_bits"],
            word_text(each),
            each["depth_words"],
            each["bits"],
        )
        for stage in stages
        for name, each in stage["memories"].items()
    ]
    return [
        "A word is what the array takes, or gives, in a cycle. Lines hold the rows of a band and",
        "those that arrive meanwhile; streamed weights twice what the array takes at once.",
        "",
        *table(heads, rows),
    ]


def _fifos(stages: Sequence[Mapping[str, Any]]) -> list[str]:
    """A row for each tensor that waits."""
    heads = ("stage", "tensor", "waits, intervals", "elements", "bits each", "bits")
    rows = [
        (
            shown(stage["name"]),
            shown(each["name"]),
            f"{each['intervals']:.6g}",
            _number(each["elements"]),
            each["element_bits"],
            _number(each["bits"]),
        )
        for stage in stages
        for each in stage["fifos"]
    ]
    return table(heads, rows)


def _stage(stage: Mapping[str, Any]) -> list[str]:
    """A stage: whence and whither, what its array takes, and its bands."""
    array, band = stage["array"], stage["band"]
    rows = counted(band["output_rows"], "output row"), counted(band["input_rows"], "input row")
    reads = [f"{shown(x['tensor'])} ({_place(x['from'])})" for x in stage["reads"]]
    to = ", ".join(map(_place, stage["output"]["to"]))
    return [
        f"### {shown(stage['name'])}",
        "",
        f"Reads {', '.join(reads)}; writes {shown(stage['output']['tensor'])} ({to}). "
        f"Array: {array['rows']} × {array['cols']} PEs of {array['multipliers_per_pe']} "
        f"multipliers, {array['weight_bits']} × {array['activation_bits']} bit, products of "
        f"{array['product_bits']}, sums of {stage['bits']['psum']}; "
        f"{at_once_text(stage['spatial'])}. A band has {rows[0]} and takes {rows[1]}; "
        f"{band['rows_arriving']} arrive meanwhile.",
        "",
        "```",
        *nest_text(stage["nest"], stage["cycles"], "band"),
        "```",
    ]


def _place(text: str) -> str:
    """``from`` or ``to`` in words."""
    return "DRAM" if text == "dram" else f"stage {shown(text.partition(':')[2])}"


def _number(value: float) -> str:
    """All digits of a whole number, six of another."""
    whole = abs(value - round(value)) <= 1e-9 * abs(value)
    return f"{round(value):,}" if whole else f"{value:,.6g}"
