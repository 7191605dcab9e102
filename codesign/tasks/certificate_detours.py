"""Two paths between stages, along one of which little passes: a certificate's detours."""

from __future__ import annotations

import math

import numpy as np

from codesign.search.dataflow.fifos import Fifos
from codesign.space.dataflow import PipelineSpace


def detours_of(fifos: Fifos, space: PipelineSpace) -> list[tuple[list[int], list[int]]]:
    """Two paths each from one stage to another, as numbers of reads; along the first little passes.

    No read is in two of the first.
    """
    found = []
    blocks = {fifos.blocks[x.short[0]]: x for x in fifos.cycles}
    for block, cycle in blocks.items():
        mine = np.flatnonzero(
            (fifos.blocks == block) & ~np.isin(np.arange(len(fifos.blocks)), cycle.short)
        )
        order = mine[np.argsort(fifos.reader[mine], kind="stable")]
        found.append(([int(x) for x in cycle.short], [int(x) for x in order]))
    for read in np.flatnonzero(~fifos.in_cycle & ~fifos.fixed).tolist():
        beside = _longest(fifos, space, read)
        if beside:
            found.append(([read], beside))
    return found


def _longest(fifos: Fifos, space: PipelineSpace, read: int) -> list[int]:
    """Reads along the way that takes longest, beside one, between the same stages."""
    lags = [*space.least_lags, 0.0]
    start, end = int(fifos.writer[read]), int(fifos.reader[read])
    since, by = {start: 0.0}, dict[int, int]()
    for other in np.argsort(fifos.reader, kind="stable").tolist():
        w, x = int(fifos.writer[other]), int(fifos.reader[other])
        if other == read or w not in since or x > end:
            continue
        behind = since[w] + float(fifos.least[other]) + (0.0 if w == start else lags[w])
        if behind > since.get(x, -math.inf):
            since[x], by[x] = behind, other
    path: list[int] = []
    stage = end
    while stage != start and stage in by:
        path.append(by[stage])
        stage = int(fifos.writer[by[stage]])
    return path[::-1] if stage == start else []
