"""A pipeline that exists: the stage of each layer, and what all are built in and fed by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from codesign.specs.accelerator import Bits
from codesign.specs.fpga import AnyTechnology
from codesign.specs.given_stage import GivenStage
from codesign.specs.layer import Name
from codesign.specs.load import load_memory, load_technology
from codesign.specs.machine import Machine
from codesign.specs.schema import Displayed, spec_dataclass
from codesign.specs.technology import Amount, Positive


@spec_dataclass
class GivenPipeline(Machine, Displayed):
    """A pipeline in place of an accelerator; of how its arrays work, see `Machine`.

    Its ``mapping`` lists the mappings that stages may have of which none is given.

    Attributes
    ----------
    stages : mapping of str to GivenStage
        By layer; of each layer with MACs at least rows and columns.
    starts : mapping of str to float
        When each stage starts, in intervals after the network's input, see
        `codesign.costs.pipeline`; of all layers, or of none, whose starts are chosen.
    widths : mapping of str to int
        By ``"weight:<layer>"`` and ``"tensor:<tensor>"``, the network's results among them; empty
        where they are told otherwise.
    technology : Technology or Fpga
    clock_hz, dram_bits_per_s : float
    dram_energy_j_per_bit : float or None
    area_overhead : float
        As of `codesign.Problem`.
    """

    stages: Mapping[Name, GivenStage]
    starts: Mapping[Name, Amount] = field(default_factory=dict)
    widths: Mapping[Name, Bits] = field(default_factory=dict)
    technology: AnyTechnology = field(default_factory=lambda: load_technology("tsmc28"))
    clock_hz: Positive = 800e6
    dram_bits_per_s: Positive = field(default_factory=lambda: load_memory("ddr4-2400").bits_per_s)
    dram_energy_j_per_bit: Positive | None = field(
        default_factory=lambda: load_memory("ddr4-2400").energy_j_per_bit
    )
    area_overhead: Positive = 1.0
