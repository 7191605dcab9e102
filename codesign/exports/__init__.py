"""Exports: designs as other tools read them.

Enters: a design, an evaluation or a pipeline.
Leaves: files in the formats of other tools, for what of the design they can describe.
Must not import: the command line, studies and tasks; nothing is searched for here.

- `finn_folding`: the folding of a pipeline on an FPGA, as the FINN compiler takes it.
- `export_zigzag`: accelerator, workload and mapping, as ZigZag takes them; and what it counts.
"""

from codesign.exports.finn import finn_folding
from codesign.exports.zigzag import export_zigzag

__all__ = ["export_zigzag", "finn_folding"]
