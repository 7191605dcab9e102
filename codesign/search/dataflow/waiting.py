"""How many bits wait at least, shared out among those whose lags and widths decide it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from codesign.search.dataflow.fifos import Fifos


class Waiting:
    """Bits that wait at least, by whose lag or width it is.

    Attributes
    ----------
    prices : floats, shape (L,)
        For each interval of a layer's lag, whatever the widths.
    cycle_bits : list of floats
        Of all that is `Fifos.lasting`, for each interval, by the width of its main tensor.
    of_classes : list of floats
        Of each class at each of its widths; those of layers without columns in them.

    Parameters
    ----------
    coupled : bool
        Whether columns tell the widths of what their lags make wait; otherwise at the least.
    tangled : bool
        Whether to count what waits elsewhere than in cycles.
    """

    def __init__(
        self,
        fifos: Fifos,
        least_bits: Sequence[int],
        coupled: bool = True,
        tangled: bool = True,
    ) -> None:
        space = fifos.space
        self.prices, always = (
            fifos.lag_prices(least_bits) if tangled else (np.zeros(fifos.count), 0.0)
        )
        self.of_classes = [np.zeros(len(bits)) for bits in space.bits]
        self.of_classes[0] += always
        for read, (c, elements) in enumerate(zip(fifos.width_class, fifos.elements, strict=True)):
            bits = np.array(space.bits[c], dtype=np.float64)
            self.of_classes[c] += elements * bits * fifos.held[read]
            if not fifos.fixed[read] and not fifos.in_cycle[read]:
                more = elements * (bits - least_bits[c]) * fifos.least_wait[read]
                self.of_classes[c] += np.maximum(more, 0.0)
        for stage, layer in enumerate(space.network.layers):
            if layer.moves and self.prices[stage]:
                self.of_classes[0] += self.prices[stage] * space.least_lags[stage]
        self.cycle_bits = []
        for number, cycle in enumerate(fifos.lasting):
            each = fifos.cycle_bits(cycle, least_bits)
            self.cycle_bits.append(each)
            self.of_classes[fifos.main_class(cycle)] += cycle.more * each
            for stage, n in cycle.factors.items():
                if coupled and fifos.couplings.get(stage, (0, -1))[1] == number:
                    continue
                least = fifos.least_cycle_bits(cycle, least_bits)
                if space.network.layers[stage].moves:
                    lag = space.least_lags[stage]
                    self.of_classes[fifos.main_class(cycle)] += n * each * lag
                else:
                    self.prices[stage] += n * (least if n > 0 else float(each.max()))
