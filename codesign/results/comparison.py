"""Results side by side, and what explains that they differ, in parts that add up.

Latency and DRAM traffic of two accelerators are re-evaluated with each *change* from the one to the
other made or not: an earlier state of every layer is a point of a cube whose corners are the two
results. A change's part is its mean effect over all orders in which the changes can be made (its
Shapley value), so that no order is preferred and the parts add up to the whole difference.

Area, energy and noise are sums of *components* in each of the two: PE array and SRAM, MACs and
DRAM, every weight and tensor. Their parts are the differences of these.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field

from codesign.costs.layers import Roof
from codesign.errors import SpecError
from codesign.problem.problem import Metric
from codesign.results.result_file import NOT_READ, ResultFile, with_digest
from codesign.specs.accelerator import ArraySide
from codesign.specs.layer import Count, Name
from codesign.specs.machine import MappingList, Precision
from codesign.specs.schema import parse, spec_dataclass
from codesign.specs.seam import done_by
from codesign.specs.technology import Amount, Positive

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_COMPARED = 26  # letters to call them by
ROUNDING = 1e-9  # of the larger of two metrics: what sums of parts may leave of their difference
Kind = Literal["design", "dataflow", "hybrid", "evaluation"]
Change = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-1e300, le=1e300)]
Whole = Annotated[int, Field(strict=True, ge=0, le=10**30)]


@spec_dataclass
class ComparedHardware:
    """What a result is on; what it does not have, or does not know, is None.

    Attributes
    ----------
    rows, cols : int or None
        Of the one PE array; a pipeline has one for each stage.
    pes : int
        PEs of all arrays.
    stages, streamed : int or None
        Of a pipeline: stages with an array, and those whose weights come from DRAM.
    engine, pe_weight_bits, pe_activation_bits, mapping, precision
        As of `Accelerator`.
    sram_bits : float or None
        All memories on chip, buffers of an operand included.
    clock_hz, dram_bits_per_s : float, float or None
    """

    pes: Count
    engine: Count
    clock_hz: Positive
    rows: ArraySide | None = None
    cols: ArraySide | None = None
    stages: Count | None = None
    streamed: Whole | None = None
    pe_weight_bits: Count | None = None
    pe_activation_bits: Count | None = None
    mapping: MappingList | None = None
    precision: Precision | None = None
    sram_bits: Amount | None = None
    dram_bits_per_s: Positive | None = None


@spec_dataclass
class ComparedLayer:
    """A layer of a result: widths of its operands and of what it writes, and its costs.

    Of a pipeline ``rows`` and ``cols`` are those of its own array, ``dram_bits`` what its weights
    stream, and there is no latency of its own.
    """

    name: Name
    weight_bits: Count | None
    input_bits: Count
    output_bits: Count
    cycles: Whole | None
    dram_bits: Whole
    latency_s: Amount | None = None
    bound_by: Roof | None = None
    rows: ArraySide | None = None
    cols: ArraySide | None = None


@spec_dataclass
class Compared:
    """One of the results.

    Attributes
    ----------
    name : str
        Of its file, or as it was called.
    kind : "design", "dataflow", "hybrid" or "evaluation"
    network, technology : str, str or None
    images : int
        Of the batch.
    status : "optimal", "feasible" or None
        Of its proof; None of an evaluation, which claims nothing.
    hardware : ComparedHardware
    metrics : mapping of str to float
    layers : tuple of ComparedLayer
        Empty where its network is not that of the first.
    """

    name: Name
    kind: Kind
    network: Name
    images: Count
    technology: Name | None
    status: Literal["optimal", "feasible"] | None
    hardware: ComparedHardware
    metrics: Mapping[Metric, Amount]
    layers: tuple[ComparedLayer, ...] = ()


@spec_dataclass
class Row:
    """What one layer, weight or tensor adds to a difference, and by what."""

    name: Name
    difference: Change
    parts: Mapping[Name, Change] = Field(default_factory=dict)


@spec_dataclass
class Explained:
    """A metric's difference in parts.

    Attributes
    ----------
    metric : str
    by : "changes" or "components"
        What the parts are, see `codesign.results.comparison`.
    difference : float
    parts : mapping of str to float
        They add up to the difference, as do those of each row.
    rows : tuple of Row
        Likewise, of layers; of noise, those weights and tensors that differ. In a suite each
        member's times its weight.
    """

    metric: Metric
    by: Literal["changes", "components"]
    difference: Change
    parts: Mapping[Name, Change]
    rows: tuple[Row, ...] = ()


@spec_dataclass
class Difference:
    """What explains that a result differs from the first.

    Attributes
    ----------
    explained : tuple of Explained
    unexplained : mapping of str to str
        Why others that differ have no parts, by metric.
    """

    explained: tuple[Explained, ...]
    unexplained: Mapping[Metric, str]

    def of(self, metric: str) -> Explained | None:
        """The parts of a metric's difference; None where there are none."""
        return next((each for each in self.explained if each.metric == metric), None)


@spec_dataclass
class Comparison(ResultFile):
    """Two or more results side by side.

    Attributes
    ----------
    results : tuple of Compared
    differences : tuple of Difference
        Of every result but the first, against the first.
    """

    results: Annotated[tuple[Compared, ...], Field(min_length=2, max_length=MOST_COMPARED)]
    differences: tuple[Difference, ...]

    FORMAT = "codesign-comparison/1"

    def __post_init__(self) -> None:
        if len(self.differences) != len(self.results) - 1:
            raise SpecError(
                f"differences: {len(self.differences)}, but {len(self.results)} results have "
                f"{len(self.results) - 1} against the first"
            )
        first = self.results[0]
        names = [row.name for row in first.layers]
        if not names:
            raise SpecError("results[0].layers: missing")
        for number, each in enumerate(self.results):
            if each.layers and [row.name for row in each.layers] != names:
                raise SpecError(f"results[{number}].layers: not those of the first result")
        for number, (each, told) in enumerate(
            zip(self.results[1:], self.differences, strict=True), start=0
        ):
            _check_difference(first, each, told, f"differences[{number}]")

    def letter(self, number: int) -> str:
        """What the result of a number is called in tables and pictures."""
        return chr(ord("A") + number)

    @property
    def same_network(self) -> bool:
        """Whether all results are of the first one's network."""
        return all(each.layers for each in self.results)

    @done_by("results.plots.comparison:plot_comparison")
    def plot(self, path: str | Path | None = None) -> Figure:
        """Draw totals, what explains the difference, and latency and widths per layer.

        Raises
        ------
        SpecError
            The picture cannot be written.
        """

    def to_dict(self) -> dict[str, Any]:
        """The content of the comparison's file."""
        content = asdict(self)
        for each in content["results"]:
            each["hardware"] = _known(each["hardware"])
            each["layers"] = [_known(row, ("weight_bits", "cycles")) for row in each["layers"]]
        return with_digest({"format": self.FORMAT, **content})

    @classmethod
    def from_dict(cls, data: Any, where: str) -> Self:
        """A comparison from the content of its file; errors as of `ResultFile.from_dict`."""
        cls._check_format(data, where)
        return parse(cls, {key: x for key, x in data.items() if key not in NOT_READ}, where)


def _known(section: Mapping[str, Any], always: tuple[str, ...] = ()) -> dict[str, Any]:
    """A section of the file without what is not known."""
    return {name: x for name, x in section.items() if x is not None or name in always}


def _check_difference(first: Compared, other: Compared, told: Difference, where: str) -> None:
    """Refuse parts that are not of the two results, or do not add up."""
    named = [each.metric for each in told.explained]
    for metric in (*named, *told.unexplained):
        if (*named, *told.unexplained).count(metric) > 1:
            raise SpecError(f"{where}: {metric!r} stands there twice")
        if not (metric in first.metrics and metric in other.metrics):
            raise SpecError(f"{where}: {metric!r} is no metric of both results")
    layers = [row.name for row in first.layers]
    for each in told.explained:
        if each.by == "changes" and each.rows and [row.name for row in each.rows] != layers:
            raise SpecError(
                f"{where}.explained ({each.metric!r}).rows: not the layers of the first result"
            )
        values = first.metrics[each.metric], other.metrics[each.metric]
        room = ROUNDING * max(values)
        sums = {
            "difference": (each.difference, values[1] - values[0]),
            "parts": (math.fsum(each.parts.values()), each.difference),
        }
        if each.rows:
            sums["rows"] = (math.fsum(row.difference for row in each.rows), each.difference)
        for what, (found, right) in sums.items():
            if abs(found - right) > room:
                raise _altered(f"{where}.explained ({each.metric!r}).{what}", found, right)
        for row in each.rows:
            parts = math.fsum(row.parts.values())
            if row.parts and abs(parts - row.difference) > room:
                place = f"{where}.explained ({each.metric!r}).rows ({row.name!r}).parts"
                raise _altered(place, parts, row.difference)


def _altered(place: str, found: float, right: float) -> SpecError:
    return SpecError(
        f"{place}: {found:.6g}, but {right:.6g} follows from the other figures, so one of them was "
        "altered; check the files of the results (codesign check) and compare these anew"
    )
