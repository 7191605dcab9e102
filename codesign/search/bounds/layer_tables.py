"""The Lagrangian of each layer as a table over width variables, for batches of hardware options.

Layers whose tables have the same axes are worked on as one array: a network has dozens of different
layers but few such families.

Axes: ``B`` hardware options of a batch, ``U`` geometries, ``K`` kinds of a family, ``w`` widths.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from codesign.arrays import Floats
from codesign.problem.metrics import ADDITIVE_METRICS
from codesign.search.bounds.elimination import Scope
from codesign.space.widths import WidthSpace

# Columns of coefficients; costs of one's own follow, see `WidthSpace.additive_metrics`.
LATENCY, DRAM, NOISE, MODEL, BOPS = range(len(ADDITIVE_METRICS))
MAX_ENTRIES = 2**23  # entries of one table (64 MiB)
MAX_BATCH = 2**21  # entries of one table over all options worked on at once (16 MiB)
CACHED = 2**15  # entries worked on at once where a table is only minimised (256 KiB)
MAX_FAMILY = 2**20  # entries of one family's table for one option


@dataclass(frozen=True)
class Batch:
    """What the bound needs to know of a batch of hardware options.

    Attributes
    ----------
    compute_s : floats, shape (B, U, w, w) or (B, U, 1, 1)
    traffic : floats, shape (B, U, w, w)
        DRAM bits of weights, ifmap and partial sums; inf where the pair of widths cannot run.
    fixed : mapping of (LayerTables, int) to floats, shape (B, K, w, w), twice
        Parts of the tables of families already worked out: no coefficient changes them.
    """

    compute_s: Floats
    traffic: Floats
    fixed: dict[tuple[LayerTables, int], tuple[Floats, Floats]] = field(
        default_factory=dict, compare=False
    )

    def __len__(self) -> int:
        return len(self.traffic)

    def take(self, rows: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> Batch:
        """The same for some of the options."""
        known = {
            part: (barred[rows], traffic[rows]) for part, (barred, traffic) in self.fixed.items()
        }
        return Batch(self.compute_s[rows], self.traffic[rows], known)


@dataclass(frozen=True)
class _Kind:
    """Layers with equal tables, but for the numbers in them of the same axes.

    The first axes are widths of the layer alone, minimised inside: of weights and input, where no
    width variable of the scope has them. The scope's follow.
    """

    free: int  # axes of the layer alone
    axes: int  # all
    weight_axis: int
    input_axis: int
    geometry: int
    weights: int  # elements, where the layer owns them
    noise: Floats  # (w,) of the weights, where no width variable has it
    barred: Floats  # (w, w): 0 or inf, of the weights' and the input's widths on free axes
    extra_bits: Floats  # over the scope: output and residual bits

    @property
    def place(self) -> tuple[int, int, int, int]:
        """What layers of one family have in common."""
        return self.free, self.axes, self.weight_axis, self.input_axis

    @property
    def key(self) -> tuple[object, ...]:
        """What layers of one kind have in common."""
        tables = (self.noise.tobytes(), self.barred.tobytes(), self.extra_bits.tobytes())
        return (*self.place, self.geometry, self.weights, *tables)


class Family:
    """Kinds whose tables have the same axes, stacked: fields as of `_Kind`, with a first axis K."""

    def __init__(self, kinds: list[_Kind], bops: Floats, costs: Floats) -> None:
        self.free, self.axes, self.weight_axis, self.input_axis = kinds[0].place
        self.geometry = np.array([kind.geometry for kind in kinds])
        self.weights = np.array([kind.weights for kind in kinds], dtype=np.float64)
        self.noise = np.array([kind.noise for kind in kinds])
        self.barred = np.array([kind.barred for kind in kinds])
        extra = np.array([kind.extra_bits for kind in kinds])
        self.extra_bits = extra.reshape(len(kinds), *(1,) * self.free, *extra.shape[1:])
        self.bops = bops[self.geometry]
        self.costs = costs[:, self.geometry]

    def spread(self, pairs: Floats) -> Floats:
        """View (B, K, bw, ba) along the table's axes."""
        shape = [*pairs.shape[:2], *(1,) * self.axes]
        if self.weight_axis == self.input_axis:
            pairs = np.diagonal(pairs, axis1=2, axis2=3)
            shape[2 + self.input_axis] = pairs.shape[2]
            return pairs.reshape(shape)
        shape[2 + self.weight_axis], shape[2 + self.input_axis] = pairs.shape[2:]
        if self.weight_axis > self.input_axis:
            pairs = pairs.swapaxes(2, 3)
        return pairs.reshape(shape)


# A cost linear in a layer's output and residual bits: of the operands alone, (B, K, …) along the
# table's axes, and what output and residuals add; None: nothing.
Line = tuple[Floats, Floats | None]


def _larger(lines: list[Line], widths: slice = slice(None)) -> Floats:
    """The larger of costs, for some widths of the table's first axis, if it is a free one."""
    largest, ours = None, None  # ours: no view of another's array
    for operands, extra in lines:
        costs = operands[:, :, widths]
        if extra is not None:
            costs = costs + extra
        largest = costs if largest is None else np.maximum(largest, costs, out=ours)
        ours = None if extra is None else largest
    assert largest is not None
    return largest


class LayerTables:
    """The tables of a space's layers, each over the width variables of its scope."""

    def __init__(self, space: WidthSpace, scopes: list[Scope]) -> None:
        self.space, self.scopes, self.widths = space, scopes, space.widths
        self.layers = space.problem.network.layers
        self.place_of: list[tuple[int, int]] = []  # of each layer: family, kind
        self.families = self._find_families()

    @property
    def entries(self) -> int:
        """Of the largest family's table for one option."""
        count = len(self.widths)
        return max(len(family.geometry) * int(count**family.axes) for family in self.families)

    @property
    def kept_entries(self) -> int:
        """Of the largest array that `least` keeps for one option: of operands, or of its result."""
        count = len(self.widths)
        return max(
            len(family.geometry) * int(count ** max(2, family.axes - family.free))
            for family in self.families
        )

    def _find_families(self) -> list[Family]:
        kinds: list[list[_Kind]] = []
        found: dict[tuple[object, ...], tuple[int, int]] = {}
        open_family: dict[tuple[int, ...], int] = {}
        for i in range(len(self.layers)):
            kind = self._kind(i)
            if kind.key not in found:
                family = open_family.get(kind.place)
                most = MAX_FAMILY // len(self.widths) ** kind.axes
                if family is None or len(kinds[family]) >= most:
                    family = open_family[kind.place] = len(kinds)
                    kinds.append([])
                found[kind.key] = family, len(kinds[family])
                kinds[family].append(kind)
            self.place_of.append(found[kind.key])
        return [Family(members, self.space.bops, self.space.costs) for members in kinds]

    def _kind(self, i: int) -> _Kind:
        free, weight_axis, input_axis = self._operand_axes(i)
        noise, barred = self._operand_terms(i)
        return _Kind(
            free=free,
            axes=free + len(self.scopes[i]),
            weight_axis=weight_axis,
            input_axis=input_axis,
            geometry=int(self.space.geometry_of[i]),
            weights=int(self.space.own_weights[i]),
            noise=noise,
            barred=barred,
            extra_bits=self._extra_bits(i),
        )

    def cut_weights(self, i: int) -> bool:
        """Whether a layer's own weights have a width variable that its table does not run over."""
        variable = self.space.weight_index[i]
        return self.layers[i].owns_weights and variable not in (None, *self.scopes[i])

    def _operand_axes(self, i: int) -> tuple[int, int, int]:
        """Free axes of a layer's table, and those of its weights' and its input's widths."""
        scope, weight, ifmap = (
            self.scopes[i],
            self.space.weight_index[i],
            int(self.space.input_index[i]),
        )
        alone: list[int | None] = []
        if weight is None or weight not in scope:
            alone.append(weight)
        if ifmap not in scope and ifmap not in alone:
            alone.append(ifmap)

        def axis(variable: int | None) -> int:
            if variable in alone:
                return alone.index(variable)
            return len(alone) + scope.index(variable)

        return len(alone), axis(weight), axis(ifmap)

    def _operand_terms(self, i: int) -> tuple[Floats, Floats]:
        """Noise of weights (w,) and widths barred (w, w) that no width variable stands for."""
        space, scope, layer = self.space, self.scopes[i], self.layers[i]
        weight, ifmap = space.weight_index[i], int(space.input_index[i])
        noise = space.weight_noise[i]
        if self.cut_weights(i):
            noise = space.noise_row(f"weight:{layer.name}")
        allowed = np.broadcast_to(space.weight_allowed[i][:, None], (len(self.widths),) * 2)
        if weight is not None and weight not in scope:
            allowed = allowed & space.variable_allowed[weight][:, None]
        if ifmap not in scope:
            allowed = allowed & space.variable_allowed[ifmap]
        return noise, np.where(allowed, 0.0, np.inf)

    def _extra_bits(self, i: int) -> Floats:
        """Output and residual DRAM bits of a layer over the widths of its scope."""
        scope = self.scopes[i]
        extra = np.zeros((len(self.widths),) * len(scope))
        for variable, elements in self.space.moved(self.layers[i]):
            if variable is None:
                extra = extra + float(elements * self.space.problem.choices.output_bits)
            elif variable in scope:
                shape = [1] * len(scope)
                shape[scope.index(variable)] = -1
                extra = extra + (elements * self.widths.astype(np.float64)).reshape(shape)
            else:  # cut: at least its narrowest width is moved
                narrowest = self.widths[self.space.variable_allowed[variable]].min()
                extra = extra + float(elements * narrowest)
        return extra

    # Tables of the Lagrangian -------------------------------------------------------------------

    def full(self, number: int, batch: Batch, coefficients: Floats) -> Floats:
        """(B, K, w, …): Lagrangian of a family's kinds, free axes first."""
        table = _larger(self._lines(number, batch, coefficients))
        shape = (*table.shape[:2], *(len(self.widths),) * self.families[number].axes)
        return table if table.shape == shape else np.broadcast_to(table, shape)

    def least(self, number: int, batch: Batch, coefficients: Floats) -> Floats:
        """(B, K, w, …): the least of `full` over the free axes.

        Without the table over all axes, which no cache holds: a few widths of the first at a time.
        """
        family, count = self.families[number], len(self.widths)
        if not family.free:
            return self.full(number, batch, coefficients)
        lines, result = self._lines(number, batch, coefficients), None
        each = len(batch) * len(family.geometry) * count ** (family.axes - 1)
        step = max(1, CACHED // each)
        free = tuple(range(2, 2 + family.free))
        for first in range(0, count, step):
            least = _larger(lines, slice(first, first + step)).min(axis=free)
            result = least if result is None else np.minimum(result, least, out=result)
        assert result is not None
        shape = (*result.shape[:2], *(count,) * (family.axes - family.free))
        return result if result.shape == shape else np.broadcast_to(result, shape)

    def reduced(self, number: int, full: Floats) -> Floats:
        """(B, K, w, …): least of a family's table over its free axes."""
        free = self.families[number].free
        return np.asarray(full.min(axis=tuple(range(2, 2 + free)))) if free else full

    def _lines(self, number: int, batch: Batch, coefficients: Floats) -> list[Line]:
        """The Lagrangian of a family's kinds if DRAM sets their pace and, if time counts, the PEs.

        A latency is the larger of two times, and so is what it is charged for.
        """
        family = self.families[number]
        pairs, traffic = self._operands(number, batch)
        if coefficients[:, BOPS].any():
            pairs = pairs + coefficients[:, BOPS, None, None, None] * family.bops
        for m, costs in enumerate(family.costs, len(ADDITIVE_METRICS)):
            if coefficients[:, m].any():
                pairs = pairs + coefficients[:, m, None, None, None] * costs
        per_width = coefficients[:, NOISE, None, None] * family.noise
        if coefficients[:, MODEL].any():
            model_bits = family.weights[:, None] * self.widths
            per_width = per_width + coefficients[:, MODEL, None, None] * model_bits
        pairs = pairs + per_width[..., None]
        dram, latency = coefficients[:, DRAM], coefficients[:, LATENCY]
        paces = [(dram, pairs)]
        if latency.any():
            compute_s = batch.compute_s[:, family.geometry]
            by_pes = pairs + latency[:, None, None, None] * compute_s
            paces = [(dram + latency / self.space.dram_bits_per_s, pairs), (dram, by_pes)]
        lines = []
        for charge, costs in paces:
            if charge.any():
                costs = costs + charge[:, None, None, None] * traffic
            lines.append((family.spread(costs), self._of_extra_bits(family, charge)))
        return lines

    def _of_extra_bits(self, family: Family, charge: Floats) -> Floats | None:
        """(B, K, …): what a family's output and residual bits are charged for."""
        if not charge.any():
            return None
        one = charge[:1] if (charge == charge[0]).all() else charge
        column = one.reshape(-1, *(1,) * family.extra_bits.ndim)
        return np.asarray(column * family.extra_bits)

    def largest(self, number: int, batch: Batch, metric: int) -> Floats:
        """(B, K): the largest value of one metric of a family's kinds where they run, else −inf.

        No table over all axes is needed: of the axes that are not the operands', only the largest
        number of output and residual bits counts.
        """
        family = self.families[number]
        barred, traffic = self._operands(number, batch)
        runs = family.spread(barred) == 0
        if metric in (LATENCY, DRAM):
            operands = 1 + family.weight_axis, 1 + family.input_axis
            others = tuple(a for a in range(1, 1 + family.axes) if a not in operands)
            most = family.extra_bits.max(axis=others, keepdims=True)
            value = family.spread(traffic) + most
            if metric == LATENCY:
                compute_s = family.spread(batch.compute_s[:, family.geometry])
                value = np.maximum(compute_s, value / self.space.dram_bits_per_s)
        else:
            if metric in (NOISE, MODEL):
                rows = family.noise if metric == NOISE else family.weights[:, None] * self.widths
                pairs = np.broadcast_to(rows[..., None], family.bops.shape)
            else:
                pairs = (
                    family.bops if metric == BOPS else family.costs[metric - len(ADDITIVE_METRICS)]
                )
            value = family.spread(pairs[None])
        entries = np.where(runs, value, -np.inf)
        return np.asarray(entries.reshape(*entries.shape[:2], -1).max(axis=2))

    def _operands(self, number: int, batch: Batch) -> tuple[Floats, Floats]:
        """(B, K, w, w) twice: 0 where a pair of operand widths runs, else inf; and DRAM bits of
        weights, ifmap and partial sums, 0 where it cannot run.
        """
        key = self, number
        if key not in batch.fixed:
            family = self.families[number]
            traffic = batch.traffic[:, family.geometry]
            runs = np.isfinite(traffic)
            barred = np.where(runs, 0.0, np.inf) + family.barred
            batch.fixed[key] = barred, np.where(runs, traffic, 0.0)
        return batch.fixed[key]
