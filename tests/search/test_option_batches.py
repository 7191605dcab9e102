"""Envelopes of hardware options: in every table at least as good as each option they stand for."""

from __future__ import annotations

import random

import numpy as np
import pytest
from random_problems import random_case
from seeds import half_long

from codesign.search.bounds.batch import Batch
from codesign.search.option_batches import OptionBatches, envelope
from codesign.space.hardware import HardwareSpace


def is_nowhere_worse(better: Batch, batch: Batch, moves_data: bool) -> bool:
    """Row by row, or one for all; how much is moved counts only where a metric depends on it."""
    runs = (np.isfinite(better.traffic) | ~np.isfinite(batch.traffic)).all()
    fewer_bits = (better.traffic <= batch.traffic).all() if moves_data else runs
    return bool(fewer_bits and (better.compute_s <= batch.compute_s).all())


@pytest.mark.parametrize("metric", ["latency_s", "noise"])
@pytest.mark.parametrize("seed", half_long(range(20)))
def test_an_envelope_is_nowhere_worse_than_its_options(seed: int, metric: str) -> None:
    space = HardwareSpace(random_case(4 * seed + 3).problem)  # those have many hardware options
    batches, options = OptionBatches(space, (metric,)), np.arange(len(space))
    rng = random.Random(seed)
    need = space.min_sram_bits_of_shapes[space.shape_of]
    sram_bits = np.array([bits * rng.choice((0.9, 1.5, 4.0)) for bits in need])
    own = batches.of_options(options, sram_bits)
    shapes, row = np.unique(space.shape_of, return_inverse=True)
    parts = [own.take(np.flatnonzero(row == n)) for n in range(len(shapes))]
    most = np.array([sram_bits[row == n].max() for n in range(len(shapes))])
    pairs, pair_row = batches.of_pe_pairs(options, space.compulsory_traffic)
    envelopes = {
        "all": envelope(parts),
        "shapes, ideal tilings": batches.of_shapes(options, shapes, row).take(row),
        "shapes, within their SRAM": batches.of_shapes(options, shapes, row, most).take(row),
        "pairs of PE widths": pairs.take(pair_row),
    }
    for name, better in envelopes.items():
        assert is_nowhere_worse(better, own, batches.moves_data), name
