"""Put results side by side, and explain exactly what makes them differ."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from itertools import combinations
from typing import Any

from codesign.errors import SpecError
from codesign.problem.metrics import ENERGY
from codesign.quality import noise_by
from codesign.results.comparison import (
    MOST_COMPARED,
    Compared,
    ComparedHardware,
    ComparedLayer,
    Comparison,
    Difference,
    Explained,
    Kind,
    Row,
)
from codesign.results.dataflow_design import DataflowDesign
from codesign.results.design import Design
from codesign.results.evaluation import Evaluation
from codesign.specs.network import Network
from codesign.tasks.latency_changes import CHANGES, SAME, LatencyChanges, shapley
from codesign.units import METRIC_UNITS

Result = Design | DataflowDesign | Evaluation
PIPELINE_CHANGES = ("clock", "arrays", "traffic", "bandwidth", "depth")
HARDWARE = ("area_mm2", "lut", "dsp", "bram")
OTHER_NETWORK = "the networks, or the images at once, differ"
OTHER_ARCHITECTURE = "one array works layer by layer, the stages of a pipeline at once"


def compare(*results: Result, names: Sequence[str] | None = None) -> Comparison:
    """Put results side by side, and explain what makes each differ from the first.

    Parameters
    ----------
    *results : Design, DataflowDesign or Evaluation
        Two or more. Layers are compared where the networks are alike, layer by layer.
    names : sequence of str, optional
        What to call them; default: by the letters A, B, …

    Returns
    -------
    Comparison
        With parts of the differences in latency and DRAM traffic (array, widths, tiles, places,
        bandwidth: `codesign.tasks.latency_changes`), in area, energy and noise.

    Raises
    ------
    SpecError
        Fewer than two or too many, something else than such results, names that do not fit, or a
        result whose layers are not what its own hardware, widths and tiles give.
    """
    for each in results:
        if not isinstance(each, Result):
            raise SpecError(
                f"compare takes designs, pipelines and evaluations, not {type(each).__name__}"
            )
    if not 2 <= len(results) <= MOST_COMPARED:
        raise SpecError(f"compare takes 2 to {MOST_COMPARED} results, not {len(results)}")
    called = [chr(ord("A") + n) for n in range(len(results))] if names is None else [*names]
    if len(called) != len(results):
        raise SpecError(f"names: {len(called)}, but there are {len(results)} results")
    first = results[0]
    alike = [same_network(first.network, each.network) for each in results]
    compared = [
        _compared(each, name, shown)
        for each, name, shown in zip(results, called, alike, strict=True)
    ]
    differences = []
    for each, shown, name in zip(results[1:], alike[1:], called[1:], strict=True):
        try:
            differences.append(_difference(first, each, shown))
        except SpecError as error:
            raise SpecError(f"{called[0]} and {name}: {error}") from None
    return Comparison(results=tuple(compared), differences=tuple(differences))


def same_network(first: Network, other: Network) -> bool:
    """Whether two networks are alike in all but their own names."""
    weights = [[x.weight for x in each.members] for each in (first, other)]
    same_layers = first.layers == other.layers and first.tensors == other.tensors
    return same_layers and weights[0] == weights[1] and first.outputs == other.outputs


def _compared(result: Result, name: str, shown: bool) -> Compared:
    """A result as the comparison holds it."""
    technology = (
        result.accelerator.technology
        if isinstance(result, Evaluation)
        else result.problem.technology
    )
    rows = _stages(result) if isinstance(result, DataflowDesign) else _layers(result)
    return Compared(
        name=name,
        kind=_kind(result),
        network=result.network.name,
        images=result.network.images,
        technology=None if technology is None else technology.name,
        status=None if isinstance(result, Evaluation) else result.proof.status,
        hardware=_hardware(result),
        metrics={x: value for x, value in result.metrics.items() if _told(x)},
        layers=rows if shown else (),
    )


def _kind(result: Result) -> Kind:
    """What it is."""
    if isinstance(result, DataflowDesign):
        return "hybrid" if result.segments else "dataflow"
    return "evaluation" if isinstance(result, Evaluation) else "design"


def _told(metric: str) -> bool:
    """Whether a metric is one of the whole, which every network has."""
    return metric in METRIC_UNITS


def _hardware(result: Result) -> ComparedHardware:
    if isinstance(result, DataflowDesign):
        problem, hardware = result.problem, result.hardware
        return ComparedHardware(
            pes=hardware.pes,
            engine=problem.technology.engine,
            stages=hardware.stages,
            streamed=hardware.streamed,
            sram_bits=hardware.memory_bits,
            clock_hz=problem.clock_hz,
            dram_bits_per_s=problem.dram_bits_per_s,
        )
    on = result.accelerator
    buffers = [x for x in on.buffers if x is not None]
    return ComparedHardware(
        rows=on.rows,
        cols=on.cols,
        pes=on.pes,
        engine=on.engine,
        pe_weight_bits=on.pe_weight_bits,
        pe_activation_bits=on.pe_activation_bits,
        mapping=on.mapping,
        precision=on.precision,
        sram_bits=None if on.sram_bits is None else float(on.sram_bits + sum(buffers)),
        clock_hz=on.clock_hz,
        dram_bits_per_s=on.dram_bits_per_s,
    )


def _layers(result: Design | Evaluation) -> tuple[ComparedLayer, ...]:
    bits = result.tensor_bits
    return tuple(
        ComparedLayer(
            name=row.name,
            weight_bits=row.weight_bits,
            input_bits=bits[layer.input],
            output_bits=bits[layer.output],
            cycles=row.cycles,
            dram_bits=row.dram_bits.total,
            latency_s=row.latency_s,
            bound_by=row.bound_by,
        )
        for layer, row in zip(result.network.layers, result.layer_designs, strict=True)
    )


def _stages(result: DataflowDesign) -> tuple[ComparedLayer, ...]:
    bits = result.tensor_bits
    return tuple(
        ComparedLayer(
            name=row.name,
            weight_bits=row.weight_bits,
            input_bits=bits[layer.input],
            output_bits=bits[layer.output],
            cycles=row.cycles,
            dram_bits=row.dram_bits,
            rows=row.rows,
            cols=row.cols,
        )
        for layer, row in zip(result.network.layers, result.stages, strict=True)
    )


def _difference(first: Result, other: Result, same: bool) -> Difference:
    """The parts of every difference that has any, and why others have none."""
    found, why = list[Explained](), dict[str, str]()
    for metric in METRIC_UNITS:
        if metric not in first.metrics or metric not in other.metrics:
            continue
        told = _explained(metric, first, other, same)
        if isinstance(told, str):
            if first.metrics[metric] != other.metrics[metric]:
                why[metric] = told
        elif told is not None:
            found.append(told)
    if same and not isinstance(first, DataflowDesign) and not isinstance(other, DataflowDesign):
        changes = LatencyChanges(first, other)
        found = [*(_changed(changes, metric) for metric in changes.metrics), *found]
    return Difference(explained=tuple(found), unexplained=why)


def _explained(metric: str, first: Result, other: Result, same: bool) -> Explained | str | None:
    """The parts of a metric; why there are none; or nothing, of what is explained elsewhere."""
    pipelines = [isinstance(x, DataflowDesign) for x in (first, other)]
    if metric in HARDWARE:
        return _components(metric, *_alike_parts(metric, first, other, _taken, "memories"))
    if metric == ENERGY:
        return _components(metric, *_alike_parts(metric, first, other, _energy, "sram"))
    if metric in ("latency_s", "interval_s", "dram_bits"):
        if not same:
            return OTHER_NETWORK
        if isinstance(first, DataflowDesign) and isinstance(other, DataflowDesign):
            return _of_pipelines(metric, first, other)
        return OTHER_ARCHITECTURE if any(pipelines) else None
    if not same:
        return OTHER_NETWORK
    if metric == "noise":
        return _noise(first, other)
    if metric in ("model_bits", "bops"):  # of the network and its widths alone
        whole = other.metrics[metric] - first.metrics[metric]
        return Explained(metric=metric, by="changes", difference=whole, parts={"widths": whole})
    return "has no parts"


def _changed(changes: LatencyChanges, metric: str) -> Explained:
    """The parts of a metric by change, of the network and of each layer."""
    weights = [Fraction(x) for x in changes.network.layer_weights]
    rows = []
    for layer, weight, parts in zip(
        changes.network.layers, weights, changes.parts[metric], strict=True
    ):
        weighted = {x: float(weight * value) for x, value in parts.items() if value}
        whole = float(weight * sum(parts.values(), Fraction(0)))
        rows.append(Row(name=layer.name, difference=whole, parts=weighted))
    known = [x for x in CHANGES if any(of.get(x) for of in changes.parts[metric])]
    totals = {x: changes.total(metric, x) for x in known}
    return Explained(
        metric=metric,
        by="changes",
        difference=float(sum(totals.values(), Fraction(0))),
        parts={x: float(value) for x, value in totals.items()},
        rows=tuple(rows),
    )


def _components(
    metric: str, first: Mapping[str, float], other: Mapping[str, float]
) -> Explained | str:
    """The parts of a sum of components; why there are none."""
    if not first or not other:
        return "its components are not known of both"
    names = dict.fromkeys((*first, *other))
    parts = {x: other.get(x, 0.0) - first.get(x, 0.0) for x in names}
    whole = math.fsum([*other.values(), *(-x for x in first.values())])
    return Explained(metric=metric, by="components", difference=whole, parts=parts)


def _alike_parts(
    metric: str,
    first: Result,
    other: Result,
    of: Callable[[str, Result], dict[str, float]],
    rest: str,
) -> tuple[dict[str, float], dict[str, float]]:
    """Components of two results, where one is a pipeline and one not only those both have."""
    found = of(metric, first), of(metric, other)
    if isinstance(first, DataflowDesign) == isinstance(other, DataflowDesign):
        return found
    common = {*found[0]} & {*found[1]}
    told = []
    for each in found:
        left = math.fsum(x for name, x in each.items() if name not in common)
        kept = {name: x for name, x in each.items() if name in common}
        told.append({**kept, rest: left} if each else {})
    return told[0], told[1]


def _taken(metric: str, result: Result) -> dict[str, float]:
    """What takes area, or of an FPGA: PEs and memories."""
    if isinstance(result, DataflowDesign):
        names = dict.fromkeys(name for parts in result.stage_parts for name in parts)
        every = {
            name: math.fsum(parts.get(name, {}).get(metric, 0.0) for parts in result.stage_parts)
            for name in names
        }
        return {name: x for name, x in every.items() if x}
    if metric == "area_mm2":
        return {"PEs" if x == "PE array" else x: y for x, y in result.area_breakdown_mm2.items()}
    return {"SRAM" if metric == "bram" else "PEs": result.metrics[metric]}


def _energy(metric: str, result: Result) -> dict[str, float]:
    """Energy by part."""
    return {} if result.energy is None else dict(result.energy.parts_j)


def _noise(first: Result, other: Result) -> Explained | str:
    """Noise by weight and tensor."""
    each = [_noises(x) for x in (first, other)]
    if not all(each):
        return "an evaluation was given a sensitivity table, which its file does not hold"
    rows = [
        Row(name=name, difference=each[1][name] - each[0][name])
        for name in each[0]
        if each[0][name] != each[1][name]
    ]
    parts = {}
    for kind in ("weight", "tensor"):
        mine = [row.difference for row in rows if row.name.startswith(f"{kind}:")]
        parts[f"{kind}s"] = math.fsum(mine)
    whole = math.fsum(row.difference for row in rows)
    return Explained(
        metric="noise", by="components", difference=whole, parts=parts, rows=tuple(rows)
    )


def _noises(result: Result) -> dict[str, float]:
    """Noise of every source; nothing where it is not known what the noise was counted by."""
    widths, sources = result.widths, result.network.noise_sources
    noise_of = (
        noise_by(None, sources) if isinstance(result, Evaluation) else result.problem.noise_of
    )
    found = {source: noise_of(source, widths[source]) for source in sources}
    whole = math.fsum(found.values())
    return found if abs(whole - result.metrics["noise"]) <= SAME * whole else {}


def _of_pipelines(metric: str, first: DataflowDesign, other: DataflowDesign) -> Explained:
    """Interval, latency or traffic of two pipelines by change; traffic is of the network's ends
    and of weights that are streamed.
    """
    both = first, other
    if metric == "dram_bits":
        told = _components(metric, *map(_pipeline_traffic, both))
        assert isinstance(told, Explained)
        return told
    changes = PIPELINE_CHANGES if metric == "latency_s" else PIPELINE_CHANGES[:-1]
    inputs = [_pipeline_figures(x) for x in both]
    differing = [x for x in changes if inputs[0][x] != inputs[1][x]]
    game = {
        made: _paced(metric, {x: inputs[x in made][x] for x in PIPELINE_CHANGES})
        for size in range(len(differing) + 1)
        for made in map(frozenset, combinations(differing, size))
    }
    for made, result in ((frozenset[str](), first), (frozenset(differing), other)):
        if abs(game[made] - Fraction(result.metrics[metric])) > SAME * game[made]:
            raise SpecError(
                f"{metric} is {result.metrics[metric]:.6g}, but {float(game[made]):.6g} follows "
                "from the stages; codesign check tells all"
            )
    parts = shapley(differing, game)
    return Explained(
        metric=metric,
        by="changes",
        difference=float(sum(parts.values(), Fraction(0))),
        parts={x: float(value) for x, value in parts.items()},
    )


def _pipeline_traffic(design: DataflowDesign) -> dict[str, float]:
    """DRAM bits of a pipeline by what moves; all that layers on a shared array move is its own."""
    shared, rows = design.shared_layers, [row.dram_bits for row in design.stages]
    streamed = float(sum(bits for i, bits in enumerate(rows) if i not in shared))
    parts = {"weights streamed": streamed}
    if shared:
        parts["shared"] = float(sum(rows[i] for i in shared))
    rest = design.metrics["dram_bits"] - math.fsum(parts.values())
    return {**parts, "tensors of stages" if shared else "input and results": rest}


def _pipeline_figures(design: DataflowDesign) -> dict[str, Any]:
    """What decides the interval and the latency of a pipeline, by change.

    Of arrays the most cycles of a stage by itself, and cycles and DRAM bits of each layer that
    shares one.
    """
    shared = design.shared_layers
    alone = [row.cycles for i, row in enumerate(design.stages) if i not in shared]
    together = [design.stages[i] for i in shared]
    return {
        "clock": Fraction(design.problem.clock_hz),
        "arrays": (max(alone, default=0), tuple((x.cycles, x.dram_bits) for x in together)),
        "traffic": Fraction(design.metrics["dram_bits"]),
        "bandwidth": Fraction(design.problem.dram_bits_per_s),
        "depth": 1 + max(Fraction(row.start) + Fraction(row.lag) for row in design.stages),
    }


def _paced(metric: str, by: Mapping[str, Any]) -> Fraction:
    """The interval of a pipeline; or its latency, so many intervals."""
    clock, bandwidth = by["clock"], by["bandwidth"]
    alone, together = by["arrays"]
    shared = sum((max(x / clock, Fraction(y) / bandwidth) for x, y in together), Fraction(0))
    interval: Fraction = max(alone / clock, shared, by["traffic"] / bandwidth)
    return interval * by["depth"] if metric == "latency_s" else interval
