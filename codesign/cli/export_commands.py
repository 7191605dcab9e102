"""Commands that hand a design to another tool: export."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from codesign.cli import inputs
from codesign.cli.options import FILE, Group, completed, file, flag
from codesign.cli.terminal import PROVEN, View, hand_over


@click.group(cls=Group)
def export() -> None:
    """Write designs as other tools read them.

    \b
    codesign export finn design.json --out folding.json
    """


@export.command(
    params=[
        click.Argument(["design"], type=FILE, shell_complete=completed([], [".json"])),
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
    design = DataflowDesign.load(Path(given["design"]))
    found = finn_folding(design)
    view = View(lambda: found, lambda: [folding_table(found)])
    hand_over(view, given, out=lambda path: write_json(path, found))
    return PROVEN
