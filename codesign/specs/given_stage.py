"""What is given of a stage of a pipeline: all of it, or a part, and the rest is chosen."""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from typing import Any, Literal

from codesign.errors import SpecError
from codesign.specs.accelerator import ArraySide
from codesign.specs.layer import Count
from codesign.specs.machine import Mapping
from codesign.specs.network import Network
from codesign.specs.schema import nearest, spec_dataclass

Weights = Literal["chip", "stream"]


@spec_dataclass
class GivenStage:
    """A stage of a layer with MACs; what is None is free to choose.

    Attributes
    ----------
    mapping : "window", "im2col" or "output", or None
    rows, cols : int or None
        Of its array.
    weights : "chip" or "stream" or None
    band_rows : int or None
        Output rows that it works on at a time.
    """

    mapping: Mapping | None = None
    rows: ArraySide | None = None
    cols: ArraySide | None = None
    weights: Weights | None = None
    band_rows: Count | None = None

    @property
    def told(self) -> dict[str, Any]:
        """What is given, by field."""
        return {name: x for name in FIELDS if (x := getattr(self, name)) is not None}


FIELDS = ("mapping", "rows", "cols", "weights", "band_rows")
ANY_STAGE = GivenStage()


def check_stages(network: Network, stages: MappingOf[str, GivenStage], where: str) -> None:
    """Refuse stages of no layer, or that their layer cannot have.

    Raises
    ------
    SpecError
    """
    layers = {layer.name: layer for layer in network.layers}
    for name, stage in stages.items():
        if name not in layers:
            raise SpecError(
                f"{where}: network {network.name!r} has no layer {name!r}"
                f"{nearest(name, tuple(layers))}"
            )
        layer = layers[name]
        if layer.moves and stage.told:
            raise SpecError(f"{where} ({name!r}): the layer only moves data and has no array")
        if stage.weights == "stream" and not layer.uses_weights:
            raise SpecError(
                f"{where} ({name!r}).weights: its operand is a tensor; only weights are streamed"
            )
        if stage.band_rows is not None and stage.band_rows > layer.P:
            raise SpecError(
                f"{where} ({name!r}).band_rows: {stage.band_rows}, and its output has {layer.P}"
            )
