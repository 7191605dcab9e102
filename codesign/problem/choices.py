"""What is free to choose, and within which limits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field

from codesign.costs.compute import power_of_two
from codesign.errors import SpecError
from codesign.problem.places import (
    DEFAULT_FUSED_LAYERS,
    DEFAULT_ON_CHIP,
    MOST_FUSED_LAYERS,
    MOST_SEGMENTS,
)
from codesign.problem.places import OnChip as OnChip
from codesign.problem.places import Place as Place
from codesign.specs.accelerator import MAX_BITS, ArraySide, Bits
from codesign.specs.given_stage import GivenStage
from codesign.specs.layer import Name
from codesign.specs.machine import PLAIN, Machine, Precision, check_unfused, check_widening
from codesign.specs.schema import spec_dataclass

Architecture = Literal["array", "dataflow", "hybrid"]
ARRAY: tuple[Architecture, ...] = ("array",)


def _architectures(given: Any) -> Any:
    """Words as a list, as in array,dataflow, each once."""
    given = given.split(",") if isinstance(given, str) else given
    words = isinstance(given, (list, tuple)) and all(isinstance(x, str) for x in given)
    return tuple(dict.fromkeys(given)) if words else given


Architectures = Annotated[
    tuple[Architecture, ...], BeforeValidator(_architectures), Field(min_length=1)
]
BitsList = Annotated[tuple[Bits, ...], Field(min_length=1, max_length=MAX_BITS)]
SideList = Annotated[tuple[ArraySide, ...], Field(min_length=1, max_length=1000)]
SourceGroup = Annotated[tuple[Name, ...], Field(min_length=1)]
DEFAULT_BITS = (2, 3, 4, 5, 6, 7, 8)
DEFAULT_SIDES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
MAX_HARDWARE_OPTIONS = 1_000_000
MAX_SRAM_BITS = 10**15
MAX_SRAM_RATIO = 10**6  # of sizes on offer: beyond, a solver's tolerances hide the smaller ones
SramBits = Annotated[int, Field(strict=True, ge=1, le=MAX_SRAM_BITS)]
FusedLayers = Annotated[int, Field(strict=True, ge=2, le=MOST_FUSED_LAYERS)]
Segments = Annotated[int, Field(strict=True, ge=1, le=MOST_SEGMENTS)]
SramSizes = Annotated[tuple[SramBits, ...], Field(max_length=1000)]


@spec_dataclass
class Choices(Machine):
    """The declared space. Of how its machines work, see also the fields of `Machine`.

    Attributes
    ----------
    rows, cols : tuple of int
        Sides of the PE array on offer.
    square : bool
        Only arrays with as many rows as columns.
    weight_bits, activation_bits : tuple of int
        Bitwidths each layer's weights and each activation tensor may take, 1 to 32.
    pe_weight_bits, pe_activation_bits : tuple of int
        PE operand widths on offer; left empty, the operand widths above and every pinned width.
    precision : "fixed", "multi-pass" or "widening"
        Fixed: a layer runs only at widths the PE holds. Multi-pass: wider operands take
        ``⌈bw/Bw⌉·⌈ba/Ba⌉`` times the cycles. Widening: as fixed, and where operands are narrower
        the PE splits into ``(Bw/u(bw))·(Ba/u(ba))`` times the multipliers, ``u`` being the least
        power of two; PEs are offered at powers of two alone.
    sram_bits : tuple of int
        SRAM capacities on offer; left empty, any whole number of bits. A design has, and pays, a
        whole one, used or not.
    min_sram_bits, max_sram_bits : int or None
        The least and the most SRAM where no capacities are listed.
    on_chip : "bands", "tensors" or "none"
        Tensors: each activation tensor that one layer writes and another reads may stay in the SRAM
        from the first to the last layer that touches it. Bands: and consecutive layers may be
        fused, so that of the tensors between them only the rows in flight are in the SRAM, see
        `codesign.costs.fusion`. None: every tensor goes to DRAM and back.
    fused_layers : int
        Layers of a fused run at most, from 2 on, where bands are on offer.
    places : mapping of str to "chip", "dram" or "band"
        Tensors whose place is given.
    pinned : mapping of str to int
        ``"weight:<layer>"`` or ``"tensor:<tensor>"`` to its given bitwidth.
    output_bits : int
        Width at which the network's results are stored.
    shared : tuple of tuples of str
        Groups of ``"weight:<layer>"`` and ``"tensor:<tensor>"`` that take one common width, one
        that every member may take. Groups that overlap are one.
    tied : bool
        Every layer's weights take the width of its input tensor.
    architecture : tuple of "array", "dataflow" or "hybrid"
        Array: one PE array works off the layers one after the other. Dataflow: each layer has an
        array of its own, of the sides on offer, at its own widths, in one of the mappings on offer,
        and all work at once; see `codesign.costs.stages`. Hybrid: some consecutive layers share an
        array, the others are stages; see `codesign.costs.segment`. Of several the best is found.
    segments : int
        Runs of layers that share an array in a hybrid at most: 1 or 2.
    stages : mapping of str to GivenStage
        Of architecture dataflow, what is given of layers' stages: mappings and sides on offer.
    """

    rows: SideList = DEFAULT_SIDES
    cols: SideList = DEFAULT_SIDES
    square: bool = False
    weight_bits: BitsList = DEFAULT_BITS
    activation_bits: BitsList = DEFAULT_BITS
    pe_weight_bits: tuple[Bits, ...] = ()
    pe_activation_bits: tuple[Bits, ...] = ()
    precision: Precision = "fixed"
    pinned: Mapping[Name, Bits] = field(default_factory=dict)
    output_bits: Bits = 8
    shared: tuple[SourceGroup, ...] = ()
    tied: bool = False
    sram_bits: SramSizes = ()
    min_sram_bits: SramBits | None = None
    max_sram_bits: SramBits | None = None
    on_chip: OnChip = DEFAULT_ON_CHIP
    fused_layers: FusedLayers = DEFAULT_FUSED_LAYERS
    places: Mapping[Name, Place] = field(default_factory=dict)
    architecture: Architectures = ARRAY
    segments: Segments = 1
    stages: Mapping[Name, GivenStage] = field(default_factory=dict)

    def __post_init__(self) -> None:
        pins = {"weight": set[int](), "tensor": set[int]()}
        for key, bits in self.pinned.items():
            if key.partition(":")[0] not in pins:
                raise SpecError(
                    f"pin {key!r}: write weight:<layer> or tensor:<tensor>, as in weight:conv1"
                )
            pins[key.partition(":")[0]].add(bits)
        own: tuple[set[int], ...]
        own = {*self.weight_bits, *pins["weight"]}, {*self.activation_bits, *pins["tensor"]}
        if self.precision == "widening":
            check_widening((*self.pe_weight_bits, *self.pe_activation_bits))
            own = tuple({power_of_two(bits) for bits in each} for each in own)
        resolved: dict[str, Iterable[int]] = {
            "pe_weight_bits": self.pe_weight_bits or own[0],
            "pe_activation_bits": self.pe_activation_bits or own[1],
        }
        for name in ("rows", "cols", "weight_bits", "activation_bits", "sram_bits"):
            resolved[name] = getattr(self, name)
        for name, values in resolved.items():
            object.__setattr__(self, name, tuple(sorted(set(values))))
        self._check_sram()
        self._check_architecture()
        if self.places and self.on_chip == "none":
            raise SpecError("places are given, but on_chip is 'none'; make it 'tensors'")
        if "band" in self.places.values() and self.on_chip != "bands":
            raise SpecError("a tensor's place is 'band', but on_chip is not 'bands'")
        if self.fused_layers != DEFAULT_FUSED_LAYERS and self.on_chip != "bands":
            raise SpecError("fused_layers is given, but on_chip is not 'bands'")
        if self.on_chip == "bands":
            check_unfused(self)
        if self.square and not set(self.rows) & set(self.cols):
            raise SpecError("square arrays asked for, but rows and cols have no side in common")
        sides = len(self.rows) * len(self.cols)
        sides *= 1 if self.reconfigurable else len(self.mapping)
        options = sides * len(self.pe_weight_bits) * len(self.pe_activation_bits)
        if options > MAX_HARDWARE_OPTIONS:
            raise SpecError(
                f"{options} hardware options; at most {MAX_HARDWARE_OPTIONS} are searched, "
                "shorten rows, cols or the PE bitwidths"
            )

    @property
    def pipelined(self) -> bool:
        """Whether an architecture is on offer in which layers work at once."""
        return self.architecture != ARRAY

    def of_one(self, architecture: Architecture) -> Self:
        """Those of one architecture; beside an array without what is of one shared array alone."""
        usual: dict[str, Any] = {} if architecture == "array" else dict(OF_ONE_ARRAY)
        if architecture != "array" and self.on_chip == "bands":
            usual |= {"on_chip": DEFAULT_ON_CHIP, "fused_layers": DEFAULT_FUSED_LAYERS}
        segments = self.segments if architecture == "hybrid" else 1
        usual |= {} if architecture == "dataflow" else {"stages": {}}
        return replace(self, architecture=(architecture,), segments=segments, **usual)

    def _check_architecture(self) -> None:
        """Refuse what is said of one shared array where none is on offer, or a hybrid has another.

        A segment's SRAM is any.
        """
        where = f"architecture {', '.join(self.architecture)}"
        if self.segments > 1 and "hybrid" not in self.architecture:
            raise SpecError(f"{where}: segments are of architecture 'hybrid'; leave them out")
        if self.stages and self.architecture != ("dataflow",):
            raise SpecError(f"{where}: stages are given of architecture 'dataflow' alone")
        self._check_stages()
        if "hybrid" in self.architecture:
            self._check_hybrid(where)
        if "array" in self.architecture:
            return
        for name, usual in OF_ONE_ARRAY.items():
            if getattr(self, name) != usual:
                raise SpecError(
                    f"{where}: {name} is of one shared array; leave it out, or offer architecture "
                    "'array' too"
                )
        if self.on_chip == "bands":
            raise SpecError(
                f"{where}: on_chip 'bands' is of one shared array; leave it out, or offer "
                "architecture 'array' too"
            )

    def _check_stages(self) -> None:
        """Refuse given stages that are none of those on offer."""
        for name, stage in self.stages.items():
            for word in ("mapping", "rows", "cols"):
                given, offered = getattr(stage, word), getattr(self, word)
                if given is not None and given not in offered:
                    known = ", ".join(map(str, offered))
                    raise SpecError(f"stages ({name!r}).{word}: {given}, none of {known}")
            if self.square and stage.rows and stage.cols and stage.rows != stage.cols:
                shape = f"{stage.rows} × {stage.cols}"
                raise SpecError(f"stages ({name!r}): {shape}, and arrays are square")

    def _check_hybrid(self, where: str) -> None:
        """Refuse machines that a hybrid's shared array is none of."""
        if self.precision != "fixed":
            raise SpecError(f"{where}: of hybrids precision is 'fixed', not {self.precision!r}")
        for name in (*OF_MACHINES, *OF_BUFFERS):
            if getattr(self, name) != OF_ONE_ARRAY[name]:
                raise SpecError(f"{where}: {name} is not modelled of hybrids; leave it out")

    def _check_sram(self) -> None:
        least, most = self.min_sram_bits, self.max_sram_bits
        if self.sram_bits and (least is not None or most is not None):
            raise SpecError(
                "sram_bits lists the capacities on offer; leave out min_sram_bits and "
                "max_sram_bits, or the list"
            )
        if self.sram_bits and self.sram_bits[-1] > MAX_SRAM_RATIO * self.sram_bits[0]:
            raise SpecError(
                f"sram_bits: {self.sram_bits[-1]} is more than {MAX_SRAM_RATIO} times "
                f"{self.sram_bits[0]}; leave out sizes that are of no use"
            )
        if least is not None and most is not None and least > most:
            raise SpecError(f"min_sram_bits {least} is above max_sram_bits {most}")


OF_MACHINES = ("overlap", "sram_bits_per_cycle", "stored_channels", "reconfigurable")
OF_BUFFERS = ("weight_buffer_bits", "ifmap_buffer_bits", "accumulator_bits")
OF_ONE_ARRAY: dict[str, object] = {
    "sram_bits": (),
    "min_sram_bits": None,
    "max_sram_bits": None,
    "places": {},
    "precision": "fixed",
    **{name: getattr(PLAIN, name) for name in OF_MACHINES},
    **dict.fromkeys(OF_BUFFERS),
}
