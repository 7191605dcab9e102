"""Commands that hand a design to another tool: export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from codesign.cli import inputs
from codesign.cli.options import FILE, Group, completed, file, flag, option
from codesign.cli.solve_options import BATCH, OF_ONNX
from codesign.cli.terminal import PROVEN, View, hand_over, print_json, print_text, print_view
from codesign.errors import SpecError
from codesign.problem.words import flag_of

if TYPE_CHECKING:
    from codesign.exports.mapped import Exported


@click.group(cls=Group)
def export() -> None:
    """Write designs as other tools read them.

    \b
    codesign export sheet design.json --out sheet
    codesign export csv design.json --out tables
    codesign export brevitas design.json --onnx model.onnx --out quantised
    codesign export finn pipeline.json --out folding.json
    codesign export zigzag design.json --out zigzag --run
    codesign export stream design.json --out stream
    codesign export timeloop design.json --out timeloop
    codesign export accelforge design.json --out accelforge
    """


def _design() -> click.Argument:
    return click.Argument(["design"], type=FILE, shell_complete=completed([], [".json"]))


@export.command(
    params=[
        _design(),
        file("--out", "Write the folding (JSON) for FINN."),
        flag("--json", "Print it as JSON and nothing else."),
    ]
)
def finn(**given: Any) -> int:
    """Write the folding of DESIGN, a pipeline on an FPGA, for the FINN compiler.

    DESIGN is a file of solve --architecture dataflow --technology finn-mvau. PE and SIMD of each
    unit are columns and rows of its array: codesign help dataflow.
    """
    from codesign.exports import finn_folding
    from codesign.files import write_json
    from codesign.results.dataflow_design import DataflowDesign
    from codesign.results.text.pipeline import folding_table

    inputs.check_files(given)
    design = DataflowDesign.load(given["design"])
    inputs.check_holds(given["design"])
    found = finn_folding(design)
    view = View(lambda: found, lambda: [folding_table(found)])
    hand_over(view, given, out=lambda path: write_json(path, found))
    return PROVEN


def _mapper(tool: str, files: str, *more: click.Option) -> None:
    """The command of a mapper: it writes its files and prints the layers."""
    word = tool.lower()

    def run(**given: Any) -> int:
        from codesign import exports
        from codesign.files import write_folder
        from codesign.results.load import load_on_hardware
        from codesign.results.text.mappers import layers_parts

        if given["out"] is not None:
            inputs.check_folder("--out", given["out"])
        result = load_on_hardware(given["design"])
        inputs.check_holds(given["design"])
        asked = {x.name: given[x.name] for x in more if x.name is not None}
        found: Exported = getattr(exports, f"export_{word}")(result, **asked)
        record = {"layers": [x.record for x in found.layers], "not_filed": [*found.not_filed]}
        view = View(lambda: record, lambda: layers_parts(record, tool))
        hand_over(view, given, out=lambda path: write_folder(path, found.texts))
        return PROVEN

    run.__doc__ = f"""Write DESIGN as {tool} reads it: {files}.

    DESIGN is a file of solve or evaluate. Tiles, their order and widths are fixed in it, as far as
    {tool} has a place for them. Printed is a table of its layers, with the cause wherever the two
    models cannot agree: codesign help exports.
    """
    params = [
        _design(),
        option("--out DIR", "Write the files there.", FILE),
        *more,
        flag("--json", "Print the table as JSON and nothing else."),
    ]
    export.command(word, params=params)(run)


_mapper(
    "ZigZag",
    "accelerator, workload and mapping",
    flag("--run", "Let ZigZag count, and print its DRAM traffic beside ours."),
)
_mapper("Timeloop", "an architecture, a problem and mapping for each piece")
_mapper("AccelForge", "an architecture, a workload and mapping for each piece")
_mapper("Stream", "an accelerator of two cores, ONNX workloads and their mappings")


@export.command(
    params=[
        _design(),
        option("--out PATH", "Write to a .md or .json file, or both to a folder.", FILE),
        flag("--json", "Print it as JSON and nothing else."),
    ]
)
def sheet(**given: Any) -> int:
    """Write all that a designer of the hardware needs to know of DESIGN.

    DESIGN is a file of solve or evaluate --out. The sheet has the array, widths of operands,
    products and accumulators, words and depths of the buffers, what stays on chip, and every
    layer's tile loops as pseudo-code; of a pipeline or hybrid all that of every stage: codesign
    help sheets. Without --out it is printed.
    """
    from codesign import exports
    from codesign.files import json_text, write_atomically, write_folder
    from codesign.results.dataflow_design import DataflowDesign
    from codesign.results.load import load_built

    out: Path | None = given["out"]
    single = out is not None and out.suffix.lower() in (".md", ".json")
    inputs.check_files(given if single else {**given, "out": None})
    if out is not None and not single:
        inputs.check_folder("--out", out)
    result = load_built(given["design"])
    inputs.check_holds(given["design"])
    if isinstance(result, DataflowDesign):
        found = exports.pipeline_sheet(result)
        text = exports.pipeline_sheet_markdown(found)
    else:
        found = exports.sheet(result)
        text = exports.sheet_markdown(found)
    texts = {"sheet.md": text, "sheet.json": json_text(found)}
    paths: list[Path] = []
    if out is not None and single:
        paths = [out]
        write_atomically(out, texts[f"sheet{out.suffix.lower()}"])
    elif out is not None:
        paths = [out / name for name in texts]
        write_folder(out, texts)
    if given["json"]:
        print_json(found)
    elif out is not None:
        click.echo("\n".join(map(str, paths)))
    else:
        print_text(text)
    return PROVEN


@export.command(
    params=[
        _design(),
        option("--out FOLDER", "Write the tables to a folder.", FILE, required=True),
    ]
)
def csv(**given: Any) -> int:
    """Write all tables of DESIGN as CSV files, and print their names.

    DESIGN is a file of solve or evaluate --out. The tables are layers, tensors, hardware and
    metrics, of a design also budgets and proof; tables.json names the kind of each column.
    """
    from codesign.exports import tables_of, write_tables
    from codesign.results.load import load_built

    inputs.check_folder("--out", given["out"])
    result = load_built(given["design"])
    inputs.check_holds(given["design"])
    found = tables_of(result)
    write_tables(found, given["out"])
    click.echo("\n".join(str(given["out"] / f"{name}.csv") for name in found))
    return PROVEN


@export.command(
    params=[
        _design(),
        option("--out FOLDER", "Write the files to a folder.", FILE, required=True),
        option("--onnx FILE", "The ONNX file that the network came from, to be quantised.", FILE),
        option(
            "--calibrate FILE",
            "Inputs for the ranges of tensors (.npz: an array for each).",
            FILE,
            shown="those of --data, else 4 random ones",
        ),
        option(
            "--data FILE",
            "Inputs with their labels, for the accuracy (.npz: an array for each, and labels).",
            FILE,
        ),
        BATCH,
        *(option for option in OF_ONNX if option.name != "keep_widths"),
        flag("--json", "Print the same as JSON and nothing else."),
    ]
)
def brevitas(**given: Any) -> int:
    """Write the bitwidths of DESIGN for tools that quantise, and a quantised ONNX file.

    DESIGN is a file of solve, evaluate or assign --out. bits.json has the widths in the words of
    Brevitas and of the Model Compression Toolkit. With --onnx also model.onnx, with nodes that
    quantise at these widths (QDQ), checked, read back and run beside the original, and
    encodings.json, its steps as AIMET has them. With --data, its accuracy: codesign help sheets.
    """
    from codesign.exports.bits import bit_assignment, report_lines
    from codesign.files import json_text, write_folder
    from codesign.results.load import load_result

    inputs.check_folder("--out", given["out"])
    if given["onnx"] is None:
        for word in ("calibrate", "data", "batch", "dim", "input", "ignore_unknown"):
            if given[word]:
                raise SpecError(f"{flag_of(word)}: only with --onnx")
    result = load_result(given["design"])
    inputs.check_holds(given["design"])
    widths = dict(result.widths)
    report: dict[str, Any] = {"files": [], "layers": len(result.network.layers)}
    quantised = None
    if given["onnx"] is not None:
        quantised = _quantised(given, result.network, widths, report)
    texts: dict[str, str | bytes] = {"bits.json": json_text(bit_assignment(result.network, widths))}
    if quantised is not None:
        texts["model.onnx"] = quantised.content
        texts["encodings.json"] = json_text(quantised.encodings)
    write_folder(given["out"], texts)
    report["files"] = [str(given["out"] / name) for name in texts]
    print_view(View(lambda: report, lambda: report_lines(report)), given["json"])
    return PROVEN


def _quantised(given: Any, network: Any, widths: dict[str, int], report: dict[str, Any]) -> Any:
    """The ONNX file quantised; what is known of it goes into the report."""
    path = given["onnx"]
    imported = inputs.imported(path, {**given, "keep_widths": False})
    from codesign.exports import quantised_onnx, runtime

    quantised_onnx.check_same_network(path, imported.network, network)
    asked = {
        "batch": given["batch"],
        "dims": dict(given["dim"]),
        "inputs": dict(given["input"]),
        "ignore_unknown": given["ignore_unknown"],
    }
    model = quantised_onnx.load_model(path)
    shapes = runtime.shapes_of(model, given["batch"], asked["dims"])
    labelled = None
    if given["data"] is not None:
        labelled = runtime.labelled_in(given["data"], model, shapes)
    if given["calibrate"] is not None:
        runs = runtime.runs_in(given["calibrate"], model, shapes)
    elif labelled is not None:
        runs = labelled.runs
    else:
        runs = runtime.random_runs(model, shapes, asked["inputs"])
    chosen = {x: widths[x] for x in network.noise_sources}
    found = quantised_onnx.quantise_onnx(model, imported, asked, chosen, runs, labelled)
    report["runs"] = {
        "count": len(runs),
        "random": given["calibrate"] is None and labelled is None,
        "labelled": None if labelled is None else len(labelled.runs),
    }
    report["quantised"] = len(chosen) - len(found.left)
    report["not_in_the_file"] = list(found.left)
    report["read_back_otherwise"] = found.differing(chosen)
    report["results"] = found.agreement
    return found
