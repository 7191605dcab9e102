"""Pipelines in studies: what is stored of them, told in the table, and read back."""

from __future__ import annotations

from pathlib import Path

import pytest
from study_work import SMALL, TINY

from codesign.results.text.layout import to_text
from codesign.study import Serial, Study, load_design, results
from codesign.study.report import designs_of
from codesign.study.text import results_parts

KINDS = (["array"], ["dataflow"], ["array", "dataflow"])


@pytest.mark.slow
def test_results_tell_the_architecture_of_each_design(path: Path) -> None:
    study = Study.grid(
        networks=[TINY], architecture=KINDS, minimize="interval", max_area_mm2=0.1, **SMALL
    )
    tally = study.run(path, executor=Serial())
    assert tally.counts["optimal"] == 3
    frame = results(path)
    assert frame["architecture_offered"].tolist() == [",".join(x) for x in KINDS]
    kinds = frame["architecture"].tolist()
    assert kinds[:2] == ["array", "dataflow"]
    array, pipeline, best = frame.to_dict("records")
    assert array["interval_s"] == array["latency_s"]
    assert pipeline["interval_s"] < pipeline["latency_s"]
    assert pipeline["images_per_s"] == pytest.approx(1 / pipeline["interval_s"])
    assert best["interval_s"] == min(array["interval_s"], pipeline["interval_s"])
    assert pipeline["stages"] == 2
    assert frame["stages"].isna().tolist() == [x == "array" for x in kinds]
    assert frame["rows"].isna().tolist() == [x != "array" for x in kinds]
    for row, read in zip(frame.to_dict("records"), designs_of(path)[0], strict=True):
        design = load_design(path, row["question"], row["design"])
        assert design.architecture == read.architecture == row["architecture"]
        assert design.metrics == read.metrics
        if design.architecture == "dataflow":
            assert design.hardware.pes == row["pes"]  # type: ignore[union-attr]
            assert design.metrics["interval_s"] == row["interval_s"]
    told = to_text(results_parts(frame, None), terminal=False)
    assert f"{pipeline['pes']} PEs in 2 stages, memories" in told


def test_fronts_of_several_architectures_are_stored(path: Path) -> None:
    front = {"objectives": ["interval", "area"], "points": 4}
    study = Study.grid(networks=[TINY], architecture=[KINDS[2]], front=front, **SMALL)
    study.run(path, executor=Serial())
    frame = results(path)
    assert {*frame["architecture"]} == {"array", "dataflow"}
    values = frame[["interval_s", "area_mm2"]].to_numpy()
    assert (values[1:, 0] > values[:-1, 0]).all()
    assert (values[1:, 1] < values[:-1, 1]).all()
