"""Quality: what a bitwidth costs in accuracy, and how much of that a design may cost.

- `quantise`, `relative_errors`: symmetric uniform quantisation, clipped for least squared error.
- `weight_sensitivity`: the noise of every tensor, of weights as measured on them.
- `read_sensitivity`, `write_sensitivity`: tables of noise (or of any other loss) of one's own;
  `rises` tells where more bits lose more.
- `noise_limit`: what ``uniform:q`` and ``sqnr:DB`` mean as a budget, with the model behind it.
"""

from codesign.quality.budget import noise_limit, uniform_bits
from codesign.quality.quantise import GRANULARITIES, Quantised, quantise, relative_errors
from codesign.quality.table import (
    Sensitivity,
    check_table,
    read_sensitivity,
    rises,
    write_sensitivity,
)
from codesign.quality.weights import LayerWeights, weight_sensitivity

__all__ = [
    "GRANULARITIES",
    "LayerWeights",
    "Quantised",
    "Sensitivity",
    "check_table",
    "noise_limit",
    "quantise",
    "read_sensitivity",
    "relative_errors",
    "rises",
    "uniform_bits",
    "weight_sensitivity",
    "write_sensitivity",
]
