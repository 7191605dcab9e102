"""What waits between stages, at least, by the lags of stages and the widths of what waits.

A read of a tensor by stage ``l`` from stage ``w`` waits ``s + held + [residual]·lag_l`` intervals,
``s ≥ 0`` those that ``l`` starts later than it has to for it. Along two paths from one stage to
another the same time passes: what reads on the one (a *detour*'s ``waits``) wait together is at
least ``W``, the lags and least waits along the other (``beside``) less its own. So bits that wait
for it are at least ``max(0, W)`` times those of the narrowest read, for detours whose ``waits``
have no read in common.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from codesign.checking.dataflow import Read
from codesign.checking.entries import Entry
from codesign.checking.network import Network

MOST_DETOURS = 10_000


class Detour(NamedTuple):
    """Two paths from one stage to another, as numbers of reads.

    Attributes
    ----------
    waits, beside : tuple of int
    signs : mapping of int to int
        Of stages, how often their lags count in ``W``.
    more : int
        What ``W`` is whatever the lags.
    """

    waits: tuple[int, ...]
    beside: tuple[int, ...]
    signs: dict[int, int]
    more: int


def detour(reads: Sequence[Read], waits: Sequence[int], beside: Sequence[int]) -> Detour | None:
    """Two paths as a detour; None where they are none, from one stage to another.

    Nor are they one where something waits in DRAM, on its way to or from a segment.
    """
    for path in (waits, beside):
        pairs = pairwise(path)
        if not path or any(reads[a].reader != reads[b].writer for a, b in pairs):
            return None
    ends = [(reads[x[0]].writer, reads[x[-1]].reader) for x in (waits, beside)]
    if ends[0] != ends[1] or {*waits} & {*beside} or any(reads[x].stored for x in waits):
        return None
    signs: dict[int, int] = {}
    for path, sign in ((beside, 1), (waits, -1)):
        for read in path[1:]:
            stage = reads[read].writer
            if stage is None:
                return None
            signs[stage] = signs.get(stage, 0) + sign
    more = sum(reads[x].after for x in beside) - sum(reads[x].after for x in waits)
    signs = {stage: n for stage, n in signs.items() if n}
    return Detour(tuple(waits), tuple(beside), signs, more)


def read_detours(entry: Entry, reads: Sequence[Read]) -> list[Detour]:
    """The detours of a certificate, each two lists of numbers of reads."""
    found: list[Detour] = []
    taken: set[int] = set()
    items = entry.items()
    if len(items) > MOST_DETOURS:
        entry.fault(f"at most {MOST_DETOURS} detours")
    for item in items:
        item.known_keys(("waits", "beside"))
        most = len(reads) - 1
        waits, beside = ([x.whole(0, most) for x in item[y].items()] for y in ("waits", "beside"))
        mine = detour(reads, waits, beside)
        if mine is None:
            item.fault("two paths of reads from one stage to another")
        if taken & {*mine.waits}:
            item["waits"].fault("reads that wait for one detour only")
        taken |= {*mine.waits}
        found.append(mine)
    return found


def least_ends(
    network: Network, reads: Sequence[Read], lags: Sequence[Fraction]
) -> tuple[Fraction, list[int]]:
    """When the last stage ends at least, in intervals, and the stages along the way to it."""
    ends: list[Fraction] = []
    by: list[int | None] = []
    for n in range(len(network.layers)):
        mine = [x for x in reads if x.reader == n]
        start, before = Fraction(0), None
        for read in mine:
            since = read.after + (Fraction(0) if read.writer is None else ends[read.writer])
            if since >= start:
                start, before = since, read.writer
        ends.append(start + lags[n])
        by.append(before)
    last: int | None = max(range(len(ends)), key=ends.__getitem__)
    path, found = [], ends[last or 0]
    while last is not None:
        path.append(last)
        last = by[last]
    return found, path
