"""Exports: designs as other tools read them.

Enters: a design, an evaluation or a pipeline.
Leaves: files in the formats of other tools, for what of the design they can describe.
Must not import: the command line, studies and tasks; nothing is searched for here.

- `finn_folding`: the folding of a pipeline on an FPGA, as the FINN compiler takes it.
- `export_zigzag`: accelerator, workload and mapping, as ZigZag takes them; and what it counts.
- `export_timeloop`, `export_accelforge`: an architecture, and a problem and mapping for each piece.
- `export_stream`: two cores, ONNX workloads, and which core takes what in which tiles.
- `sheet`, `sheet_markdown`: array, buffers, widths and tile loops, for a designer;
  `pipeline_sheet`, `pipeline_sheet_markdown`: the same of a pipeline, stage by stage.
- `tables_of`, `write_tables`, `read_tables`: all tables of a result as CSV, and back.
"""

from codesign.exports.accelforge import export_accelforge
from codesign.exports.csv_tables import read_tables, tables_of, write_tables
from codesign.exports.finn import finn_folding
from codesign.exports.pipeline_sheet import pipeline_sheet
from codesign.exports.pipeline_sheet_text import pipeline_sheet_markdown
from codesign.exports.sheet import sheet
from codesign.exports.sheet_text import sheet_markdown
from codesign.exports.stream import export_stream
from codesign.exports.timeloop import export_timeloop
from codesign.exports.zigzag import export_zigzag

__all__ = [
    "export_accelforge",
    "export_stream",
    "export_timeloop",
    "export_zigzag",
    "finn_folding",
    "pipeline_sheet",
    "pipeline_sheet_markdown",
    "read_tables",
    "sheet",
    "sheet_markdown",
    "tables_of",
    "write_tables",
]
