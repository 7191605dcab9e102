"""Quality: what a bitwidth costs in accuracy, and how much of that a design may cost.

Enters: weights as arrays, tables of measured losses, ``uniform:q`` or ``sqnr:DB``.
Leaves: the noise of every weight and tensor at every width, and a limit on their sum.
Must not import: a room further on; nothing here knows what is searched for.

- `quantise`, `relative_errors`: symmetric uniform quantisation, clipped for least squared error.
- `weight_sensitivity`: the noise of every tensor, of weights as measured on them.
- `read_sensitivity`, `write_sensitivity`: tables of noise, or of any other loss,
  `filled_table` one to begin with;
  `rises` tells where more bits lose more, `table_notes` what is assumed beside a table.
- `noise_limit`: what ``uniform:q`` and ``sqnr:DB`` mean as a budget, with the model behind it.
"""

from codesign.quality.budget import noise_limit, quality_of_members, uniform_bits
from codesign.quality.quantise import GRANULARITIES, Quantised, quantise, relative_errors
from codesign.quality.table import (
    SensitivityTable,
    check_table,
    filled_table,
    noise_by,
    read_sensitivity,
    rises,
    table_notes,
    table_text,
    write_sensitivity,
    zero_if_negligible,
)
from codesign.quality.weights import weight_sensitivity

Sensitivity = SensitivityTable  # as annotations of users name it
without_dust = zero_if_negligible  # likewise

__all__ = [
    "GRANULARITIES",
    "Quantised",
    "Sensitivity",
    "SensitivityTable",
    "check_table",
    "filled_table",
    "noise_by",
    "noise_limit",
    "quality_of_members",
    "quantise",
    "read_sensitivity",
    "relative_errors",
    "rises",
    "table_notes",
    "table_text",
    "uniform_bits",
    "weight_sensitivity",
    "without_dust",
    "write_sensitivity",
    "zero_if_negligible",
]
