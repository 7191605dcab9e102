"""A question on given hardware as a design: its places the best there are, its proof of no use."""

from __future__ import annotations

from dataclasses import replace

from fused_designs import UNPROVEN
from residency_questions import Question

from codesign import Choices, Design, Evaluation, Problem, evaluate
from codesign.problem.places import DEFAULT_FUSED_LAYERS, OnChip
from codesign.results.records import ProofRecord
from codesign.specs.accelerator import Hardware


def as_problems_have_it(question: Question) -> Question:
    """The question on hardware as problems have it, no places given."""
    rate = question.on.dram_bits_per_s or 1e9
    on = replace(question.on, engine=9, psum_bits=None, dram_bits_per_s=rate)
    return question._replace(on=on, places={})


def design_of(
    question: Question, objective: str = "latency_s", most_layers: int | None = None
) -> Design:
    """The question's hardware and widths with the best residents, as a design has them.

    ``most_layers``: of a fused run; None: none are fused.
    """
    on, network = question.on, question.network
    on_chip: OnChip = "tensors" if most_layers is None else "bands"
    fused_layers = most_layers or DEFAULT_FUSED_LAYERS
    given = network, question.accelerator, question.widths
    found: Evaluation = evaluate(*given, on_chip=on_chip, fused_layers=fused_layers)
    choices = Choices(
        rows=(on.rows,),
        cols=(on.cols,),
        pe_weight_bits=(on.pe_weight_bits,),
        pe_activation_bits=(on.pe_activation_bits,),
        precision="multi-pass",
        on_chip=on_chip,
        fused_layers=fused_layers,
    )
    assert on.dram_bits_per_s is not None
    problem = Problem(
        network=network,
        choices=choices,
        clock_hz=on.clock_hz,
        dram_bits_per_s=on.dram_bits_per_s,
        dram_energy_j_per_bit=None,  # of no interest either
        objective=objective,
    )
    sides = {"rows": on.rows, "cols": on.cols}
    pe = {"pe_weight_bits": on.pe_weight_bits, "pe_activation_bits": on.pe_activation_bits}
    area = {"area_mm2": 1.0}  # of no interest here
    return Design(
        problem=problem,
        hardware=Hardware(**sides, **pe, sram_bits=question.sram_bits),
        tensor_bits=found.tensor_bits,
        layer_designs=found.layer_designs,
        metrics={**found.metrics, **area},
        proof=ProofRecord.of(1.0, 1.0, "not proven", "optimal"),
        solver=UNPROVEN,
        on_chip=found.on_chip,
    )
