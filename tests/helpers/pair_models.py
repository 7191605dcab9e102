"""Programmes of two small layers with round numbers, for tests of the formulation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyomo.environ as pyo

from codesign import Choices, Layer, Network, Problem
from codesign.arrays import Bools
from codesign.problem.goal import Goal
from codesign.search.milp.formulation import build
from codesign.space.candidates import Candidates, LayerCandidates
from codesign.space.energy import StaticGrowth
from codesign.space.fused_candidates import fused_candidates
from codesign.space.hardware import HardwareSpace
from codesign.specs.fpga import AnyTechnology, Fpga
from codesign.specs.technology import AreaFit, Energies, Technology

# One multiplier per PE: BOPS = 4·4 + 4 + 4 = 24, a PE takes 10,000·24 + 10,000 = 250,000 µm².
TECHNOLOGY = Technology(
    name="round",
    pe_area_um2=AreaFit(slope=10_000.0, intercept=10_000.0),
    sram_fits={"only": AreaFit(slope=100.0, intercept=50_000.0)},
    sram="only",
    engine=1,
)
POWERED = replace(
    TECHNOLOGY,
    energy=Energies(
        j_per_mac=1e-9, sram_read_j_per_bit=1e-9, sram_write_j_per_bit=1e-9, static_w=0.1
    ),
)
FPGA = Fpga(
    name="blocks",
    multipliers="dsp",
    base_lut=300.0,
    lut_factor=1.5,
    accumulator_bits=16,
    dsp_bits=6,
    bram_bits=30,
)

PAIR = Network(
    name="pair",
    layers=(
        # 8 weights, 32 MACs, log2(C·R·S) = 1
        Layer(name="conv", K=4, C=2, P=4, H=4, input="in", output="mid"),
        # 128 weights, 128 MACs, log2(C·R·S) = 4
        Layer(name="fc", K=8, C=16, input="mid", output="out", residuals=("in",)),
    ),
    tensors={"in": 8, "mid": 16, "out": 8},
)

PRODUCT = Network(
    name="product",
    layers=(
        Layer(name="project", K=2, C=2, P=3, H=3, input="x", output="q"),
        Layer(name="match", K=3, C=2, P=3, H=3, input="q", output="s", weight_tensor="x"),
    ),
    tensors={"x": 6, "q": 6, "s": 9},
)

# Of its tensors q and k may stay on chip, and are read in place of an input and of weights.
KEPT = Network(
    name="kept",
    layers=(
        Layer(name="query", K=2, C=2, P=3, H=3, input="x", output="q"),
        Layer(name="key", K=2, C=2, P=3, H=3, input="x", output="k"),
        Layer(name="match", K=3, C=2, P=3, H=3, input="q", output="s", weight_tensor="k"),
    ),
    tensors={"x": 6, "q": 6, "k": 6, "s": 9},
)

# Two layers after the lead may be fused, which holds a band of u, or the last two, of s. The former
# adds x, which is in DRAM, the latter q, which may be on chip, and writes a result.
FUSED = Network(
    name="fused",
    layers=(
        Layer(name="lead", K=2, C=2, P=3, H=3, input="x", output="q"),
        Layer(name="first", K=2, C=2, P=3, H=3, input="q", output="u"),
        Layer(name="second", K=2, C=2, P=3, H=3, input="u", output="s", residuals=("x",)),
        Layer(name="last", K=2, C=2, P=3, H=3, input="s", output="y", residuals=("q",)),
    ),
    tensors={"x": 6, "q": 6, "u": 6, "s": 6, "y": 6},
)

# Hardware option, weight width, input width (0: 2 bits, 1: 4 bits), SRAM bits, DRAM bits, seconds.
CONV = (
    (0, 0, 0, 100, 40, 4e-6),
    (0, 0, 1, 150, 60, 4e-6),
    (0, 1, 0, 140, 70, 4e-6),
    (0, 1, 1, 200, 160, 4e-6),
    (0, 1, 1, 300, 90, 4e-6),
    (1, 0, 0, 100, 40, 2e-6),
    (1, 0, 1, 150, 60, 2e-6),
    (1, 1, 0, 140, 70, 2e-6),
    (1, 1, 1, 200, 90, 2e-6),
)

FC = (
    (0, 0, 0, 400, 300, 8e-6),
    (0, 0, 1, 500, 330, 8e-6),
    (0, 1, 0, 800, 560, 8e-6),
    (0, 1, 1, 1000, 600, 8e-6),
    (1, 0, 0, 400, 300, 2e-6),
    (1, 0, 1, 500, 330, 2e-6),
    (1, 1, 0, 800, 560, 2e-6),
    (1, 1, 1, 1000, 600, 2e-6),
)

MATCH = (
    (0, 0, 0, 50, 30, 1e-6),
    (0, 0, 1, 60, 40, 1e-6),
    (0, 1, 0, 70, 50, 1e-6),
    (0, 1, 1, 80, 60, 1e-6),
)

# The same with what is resident behind it: 1 the input, 2 the weight operand, 3 both.
KEPT_MATCH = (
    (0, 0, 0, 50, 30, 1e-6, 0),
    (0, 0, 1, 40, 20, 1e-6, 1),
    (0, 1, 0, 30, 10, 1e-6, 2),
    (0, 1, 1, 20, 0, 1e-6, 3),
)

# Of layers that may be fused alone, all weights of 2 bits.
LEAD = MATCH[:2]
ALONE = (*MATCH[:2], (0, 0, 0, 40, 20, 1e-6, 1), (0, 0, 1, 30, 10, 1e-6, 1))

# The unit of a metric in the model is a thousandth of its limit.
LIMITS = {
    "latency_s": 2e-5,  # unit 20 ns, in which DRAM moves 2 bits
    "area_mm2": 2.0,  # unit 2000 µm²
    "dram_bits": 2000.0,  # unit 2 bits
    "noise": 0.5,  # unit 1/2000
    "model_bits": 500.0,  # unit half a bit
    "bops": 4000.0,  # unit 4
}


def space_of(
    network: Network,
    cols: tuple[int, ...],
    technology: AnyTechnology = TECHNOLOGY,
    dram_energy_j_per_bit: float | None = None,
    **further: Any,
) -> HardwareSpace:
    """Arrays of 1 × cols PEs of 4 × 4 bits, widths of 2 and 4 bits, 100 Mbit/s of DRAM."""
    choices = Choices(
        **{"on_chip": "none", **further},
        rows=(1,),
        cols=cols,
        weight_bits=(2, 4),
        activation_bits=(2, 4),
        pe_weight_bits=(4,),
        pe_activation_bits=(4,),
    )
    return HardwareSpace(
        Problem(
            network=network,
            technology=technology,
            choices=choices,
            clock_hz=1e6,
            dram_bits_per_s=1e8,
            dram_energy_j_per_bit=dram_energy_j_per_bit,
        )
    )


def listed(*layers: tuple[tuple[float, ...], ...], variables: int = 2) -> Candidates:
    """Candidates with these rows; every width variable may take either width."""
    columns = []
    for rows in layers:
        option, weight, ifmap, need, traffic, compute_s, *further = np.array(rows).T
        resident = further[0] if further else 0.0 * option
        whole = (column.astype(np.int64) for column in (option, weight, ifmap, resident))
        option, weight, ifmap, resident = whole
        costs, none = (need, traffic, compute_s), 0 * resident
        own = resident, none, 0.0 * need, none - 1, 0.0 * need
        columns.append(LayerCandidates(option, weight, ifmap, *costs, *own))
    options = np.unique(columns[0].option)
    allowed, nowhere = np.ones((variables, 2), dtype=bool), np.zeros((2, 0, 2), dtype=bool)
    return Candidates(options, tuple(columns), allowed, nowhere, np.full(len(options), np.inf))


def pair_model(goal: Goal) -> pyo.ConcreteModel:
    """The programme of two layers on two arrays."""
    return build(space_of(PAIR, (2, 4)), listed(CONV, FC), goal)


def powered_model(
    goal: Goal, power_w: tuple[float, ...], growth: StaticGrowth | None = None
) -> pyo.ConcreteModel:
    """The programme of two layers on two arrays of some power at all times, energy counted.

    ``growth`` is that of the power with the SRAM. A DRAM bit takes 2 nJ and to read it from the
    SRAM 1 nJ; one of an operand 4 nJ.
    """
    space, offered = space_of(PAIR, (2, 4), POWERED, dram_energy_j_per_bit=2e-9), listed(CONV, FC)
    space.count_energy()
    layers = (replace(rows, energy_j=4e-9 * rows.traffic) for rows in offered.layers)
    offered = replace(offered, layers=tuple(layers), static_w=np.array(power_w), growth=growth)
    return build(space, offered, goal)


def product_model(goal: Goal) -> pyo.ConcreteModel:
    """The programme of a network with a product of two tensors, on one array."""
    return build(space_of(PRODUCT, (2,)), listed(MATCH, MATCH), goal)


def kept_space(**further: Any) -> HardwareSpace:
    """The space of `KEPT` on one array, with two SRAM sizes on offer."""
    return space_of(KEPT, (2,), on_chip="tensors", sram_bits=(50, 100), **further)


def block_space() -> HardwareSpace:
    """The space of `KEPT` on one array of an FPGA, whose block RAMs hold 30 bits."""
    return space_of(KEPT, (2,), FPGA, on_chip="tensors")


def kept_candidates() -> Candidates:
    """Each of q and k may be on chip, q at both widths, k only at 4 bits, and there it must be."""
    offered = listed(MATCH, MATCH, KEPT_MATCH, variables=3)
    in_dram, on_chip = [[True, True], [True, False]], [[True, True], [False, True]]
    return replace(offered, places=np.array([in_dram, on_chip]), sram_bits=np.array([100.0]))


def joint_candidates() -> Candidates:
    """The same with joint options of the layer `key`: of q beside it and k that it writes."""
    offered = kept_candidates()
    narrow, wide = np.array([0, 0, 1, 1]), np.array([1, 0, 1, 1])
    rows = replace(
        offered.layers[1],
        joint=True,
        widths_beside=((1, narrow), (2, wide)),
        places_beside=((0, narrow, narrow > 0), (1, wide, wide > 0)),
    )
    return replace(offered, layers=(offered.layers[0], rows, offered.layers[2]))


def joint_model(goal: Goal) -> pyo.ConcreteModel:
    """The programme where one layer's options are joint."""
    return build(kept_space(), joint_candidates(), goal)


def kept_model(goal: Goal) -> pyo.ConcreteModel:
    """The programme of a network whose tensors may stay on chip."""
    return build(kept_space(), kept_candidates(), goal)


def port_model(goal: Goal) -> pyo.ConcreteModel:
    """The same where the SRAM's port moves 20 bits a µs, and a quarter of the DRAM's time adds."""
    offered = kept_candidates()
    layers = tuple(replace(rows, port_s=2 * rows.compute_s) for rows in offered.layers)
    space = kept_space(sram_bits_per_cycle=20, overlap=0.75)
    return build(space, replace(offered, layers=layers, port=True), goal)


def fused_space(**further: Any) -> HardwareSpace:
    """The space of `FUSED` on one array, in runs of two layers, all weights of 2 bits."""
    weights = {layer.weight_source: 2 for layer in FUSED.layers}
    return space_of(FUSED, (2,), on_chip="bands", fused_layers=2, pinned=weights, **further)


def powered_fused_model(goal: Goal) -> pyo.ConcreteModel:
    """The programme of `FUSED` with energy: a DRAM bit 2 nJ, an SRAM bit 1 nJ, a MAC 1 nJ, 0.1 W.

    A tiling takes 4 nJ for each DRAM bit.
    """
    space = fused_space(technology=POWERED, dram_energy_j_per_bit=2e-9)
    space.count_energy()
    offered = fused_offered(space=space)
    layers = (replace(rows, energy_j=4e-9 * rows.traffic) for rows in offered.layers)
    offered = replace(offered, layers=tuple(layers), static_w=np.array([0.1]))
    return build(space, offered, goal)


def fused_offered(allowed: Bools | None = None, space: HardwareSpace | None = None) -> Candidates:
    """Every place at every width, and each run; of the widths of variables all, or these."""
    allowed = np.ones((4, 2), dtype=bool) if allowed is None else allowed
    space, lead = space or fused_space(), tuple((*row, 0) for row in LEAD)
    rest = tuple((*row, 0)[:7] for row in ALONE)
    offered = listed(lead, rest, rest, rest, variables=4)
    places = np.broadcast_to(allowed[space.placed_variable], (2, 3, 2))
    inputs = space.input_index

    def pairs(i: int) -> Bools:
        return np.array([allowed[inputs[i]], [False, False]])

    runs = [
        fused_candidates(space, r, 0, 1000.0, pairs, allowed, places)
        for r in range(len(space.runs))
    ]
    fused = tuple(run for run in runs if run is not None)
    listed_so = {"variable_allowed": allowed, "sram_bits": np.array([1000.0])}
    return replace(offered, places=places, fused=fused, **listed_so)


def fused_joint(allowed: Bools | None = None) -> Candidates:
    """The same with joint options of the last layer: q that it adds is in DRAM or on chip."""
    offered = fused_offered(allowed)
    width, on_chip = np.array([0, 1, 0, 1]), np.array([False, False, True, True])
    rows = replace(
        offered.layers[3],
        joint=True,
        widths_beside=((1, width),),
        places_beside=((0, width, on_chip),),
    )
    return replace(offered, layers=(*offered.layers[:3], rows))


def choose(
    model: pyo.ConcreteModel, option: int, tensors: tuple[int, ...], runs: tuple[int, ...]
) -> None:
    """Set the variables to one choice; ``option`` counts the model's own hardware."""
    for h, built in model.build.items():
        built.set_value(int(h == option))
    for (i, o), run in model.run.items():
        run.set_value(int(runs[i] == o))
    for (t, b), width in model.width.items():
        width.set_value(int(tensors[t] == b))
