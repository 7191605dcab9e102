"""Fused runs among the choices of a certificate: places that make them, and what each layer adds.

A tensor's place may be a band of any run that holds it between two of its layers. What is said here
of a layer is looked up by a number: 0 where it is in no run, else that of its run, from 1 on.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np

from codesign.checking.certificate.whole_numbers import Whole
from codesign.checking.fusion import FusedRun, input_elements, moves_nothing, possible_runs
from codesign.checking.problem import Problem

DRAM, CHIP, FIRST_BAND = 0, 1, 2  # values of a place
MISFIT = -1  # in place of the number of a run: places that no runs make


class FusedRuns:
    """The runs that a problem allows, and which places they make.

    Attributes
    ----------
    runs : tuple of FusedRun
        Those of no more layers than may be fused, and of none that has a tensor pinned elsewhere.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem, self.network = problem, problem.network
        every = possible_runs(self.network, problem.choices.fused_layers)
        pinned = problem.choices.places
        self.runs = tuple(
            FusedRun.of(self.network, layers)
            for layers in every
            if all(pinned.get(x, "band") == "band" for x in self._between(layers))
        )

    def _between(self, layers: range) -> list[str]:
        return [self.network.layers[n].output for n in layers[:-1]]

    @cached_property
    def places(self) -> dict[str, tuple[int, ...]]:
        """Values of the place of each tensor that has a choice of it or a given one but DRAM."""
        if not self.problem.choices.on_chip:
            return {}
        bands: dict[str, list[int]] = {name: [] for name in self.network.lifetimes}
        for number, run in enumerate(self.runs):
            for name in self._between(run.layers):
                bands[name].append(FIRST_BAND + number)
        pinned = {"chip": (CHIP,), "dram": (DRAM,)}
        found = {}
        for name, values in bands.items():
            place = self.problem.choices.places.get(name)
            found[name] = pinned.get(place or "", tuple(values))
            if place is None:
                found[name] = (DRAM, CHIP, *values)
        return found

    def of_layer(self, layer: int) -> tuple[int, ...]:
        """Numbers of the runs that a layer may be in."""
        return tuple(n for n, run in enumerate(self.runs, 1) if layer in run.layers)

    def run_of(self, layer: int, places: dict[str, Whole]) -> Whole:
        """Of which run a layer is at some places, 0 of none; or `MISFIT`.

        Parameters
        ----------
        places : dict of str to whole numbers
            Of the layer's input and output, where these have any, and of any tensors that live
            meanwhile.
        """
        mine = self.network.layers[layer]
        nowhere: Whole = np.array(DRAM)
        before, after = (places.get(x, nowhere) for x in (mine.input, mine.output))
        from_band, to_band = (np.maximum(x - FIRST_BAND + 1, 0) for x in (before, after))
        run = np.maximum(from_band, to_band)
        starts, ends = (
            np.array([False, *(run.layers[at] == layer for run in self.runs)]) for at in (0, -1)
        )
        fits = (from_band == np.where(starts[run], 0, run)) & (
            to_band == np.where(ends[run], 0, run)
        )
        for place in places.values():
            fits = fits & ((place < FIRST_BAND) | (place - FIRST_BAND + 1 == run))
        return np.where(fits, run, MISFIT)

    def table(self, layer: int, alone: int, in_run: Callable[[FusedRun], int]) -> Whole:
        """(runs + 1,): a number for the layer alone, and one in each run that it may be in."""
        found = [alone] * (len(self.runs) + 1)
        for number in self.of_layer(layer):
            found[number] = in_run(self.runs[number - 1])
        return np.array(found)

    def moved(self, layer: int, name: str) -> Whole:
        """Whether an output or a residual moves, unless it is on chip: 1, or 0."""
        return self.table(layer, 1, lambda run: not moves_nothing(self.network, run, layer, name))

    def counted(self, layer: int, name: str) -> Whole:
        """Whether a layer counts the room of a resident tensor: 1, or 0.

        What lives during a run takes room once: it is counted by the first layer that it lives
        over.
        """
        born = self.network.lifetimes[name][0]
        return self.table(layer, 1, lambda run: max(born, run.layers[0]) == layer)

    def fetched(self, layer: int) -> Whole:
        """Elements of its input that the layer fetches, unless that is resident."""
        mine = self.network.layers[layer]
        return self.table(layer, 0, lambda run: mine.ifmap if run.layers[0] == layer else 0)

    def held(self, layer: int) -> Whole:
        """Elements of its input in the SRAM, of the first layer unless that is resident."""
        return self.table(layer, 0, lambda run: input_elements(self.network, run, layer))

    def starts(self, layer: int) -> Whole:
        """Whether it is the first layer of its run."""
        return self.table(layer, 0, lambda run: run.layers[0] == layer)
