"""Grids over the tiny network: what their cells ask."""

from __future__ import annotations

import json
from typing import Any

from study_work import SMALL

from codesign.files import sha256
from codesign.problem.file import problem_from_dict
from codesign.problem.problem import Problem
from codesign.specs.technology import AreaFit, Memory, Technology
from codesign.study import Study
from codesign.study.cell_keys import QuestionBuilder
from codesign.study.records import Question

FLAT = AreaFit(slope=1.0, intercept=1.0)

SILICON = Technology(name="silicon", pe_area_um2=FLAT, sram_fits={"sram": FLAT}, sram="sram")

SLOW = Memory(name="slow", transfer_rate_gt_per_s=0.5, bus_width_bits=8)


def questions(study: Study) -> list[Question]:
    builder = QuestionBuilder(study.front)
    return [builder.question(cell) for cell in study.cells()]


def problems(study: Study) -> list[Problem]:
    found = []
    for question in questions(study):
        assert question.refused is None
        asked = json.loads(question.text)["problem"]
        assert asked["network"] == question.network_sha256 == sha256(question.network)
        network = json.loads(question.network)
        found.append(problem_from_dict({**asked, "network": network}, "question"))
    return found


def parameters(study: Study) -> list[dict[str, Any]]:
    return [cell.parameters for cell in study.cells()]


GRID = {**SMALL, "max_area_mm2": [0.1, 0.2], "technology": SILICON, "memory": SLOW}
