"""Lower bounds for many hardware options at once: dynamic programming over the width variables.

With prices on the metrics instead of budgets, the best widths are found exactly: each layer is a
table over the width variables it touches (its own weight width, where free, and the roofline's
``max`` already minimised inside), and the variables are eliminated one after the other. In the
chains and residual blocks of real networks a table never has more than three or four axes; where
long skips or shared widths would make one larger, couplings are cut (`elimination`), and the bound
is one of a relaxation. By weak duality
the priced optimum less the priced budgets bounds every design within the budgets from below
(Lagrangian relaxation); no rounding of the layers' choices is involved, so the only gap left is
that of the budgets themselves.

Axes: ``B`` hardware options of a batch, ``U`` geometries, ``w`` widths.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from codesign.costs.arithmetic import layer_bops
from codesign.elimination import Role, Scope, choose_scopes, eliminate
from codesign.network import Layer
from codesign.space import Space

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

PRICED = ("latency_s", "dram_bits", "noise", "model_bits", "bops")
LATENCY, DRAM, NOISE, MODEL, BOPS = range(len(PRICED))
MAX_ENTRIES = 2**23  # entries of one table over a batch (64 MiB)
MAX_TABLE = 7**5  # entries of one elimination table; beyond it couplings are cut


@dataclass(frozen=True)
class Batch:
    """What the bound needs to know of a batch of hardware options.

    Attributes
    ----------
    compute_s : floats, shape (B, U, w, w) or (B, U, 1, 1)
    traffic : floats, shape (B, U, w, w)
        DRAM bits of weights, ifmap and partial sums; inf where the pair of widths cannot run.
    latencies : mapping of (Relaxation, int) to floats
        Latency tables of layer kinds already worked out: no price changes them.
    """

    compute_s: Floats
    traffic: Floats
    latencies: dict[tuple[Relaxation, int], Floats] = field(default_factory=dict, compare=False)

    def __len__(self) -> int:
        return len(self.traffic)

    def take(self, rows: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> Batch:
        """The same for some of the options."""
        known = {kind: table[rows] for kind, table in self.latencies.items()}
        return Batch(self.compute_s[rows], self.traffic[rows], known)


@dataclass(frozen=True)
class Assignment:
    """Widths chosen for each option of a batch, and what they cost.

    Attributes
    ----------
    value : floats, shape (B,)
        Priced total; inf where no widths can run.
    tensor : ints, shape (B, width variables)
        Index into the width list.
    weight : ints, shape (B, layers)
        The same for the weight operand of every layer.
    metrics : floats, shape (B, 5)
        In the order of `PRICED`.
    runs : bools, shape (B,)
        Whether every layer runs at these widths; always, where the value is finite and no layer's
        operands were cut from their width variables.
    """

    value: Floats
    tensor: Ints
    weight: Ints
    metrics: Floats
    runs: Bools


@dataclass(frozen=True)
class _Kind:
    """Layers with equal tables: axes that each operand's width runs along.

    The first axes are widths of the layer alone, minimised inside: of weights and input, where no
    width variable of the scope has them. The scope's follow.
    """

    number: int
    layer: Layer
    geometry: int
    free: int  # axes of the layer alone
    axes: int  # all
    weight_axis: int
    input_axis: int
    noise: Floats  # (w,) of the weights, where no width variable has it
    barred: Floats  # (w, w): 0 or inf, of the weights' and the input's widths on free axes
    extra_bits: Floats  # over the scope: output and residual bits


def _spread(table: Floats, own: Scope, scope: Scope) -> Floats:
    """View a (B, w, …) table over ascending ``own`` variables along the axes of ``scope``."""
    shape = [table.shape[0]]
    position = 1
    for variable in scope:
        if variable in own:
            shape.append(table.shape[position])
            position += 1
        else:
            shape.append(1)
    return table.reshape(shape)


class Relaxation:
    """Priced optima over all widths, for batches of hardware options."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.widths = space.widths
        self.layers = space.problem.network.layers
        self._inputs = [space.tensor_index[layer.input] for layer in self.layers]
        self._fixed_bits = space.problem.choices.output_bits
        self._scopes = self._choose_scopes()
        self._tensor_noise = self._noise_of_variables()
        self._kinds: list[_Kind] = []
        self._kind_of = self._find_kinds()
        self._buckets = eliminate(self._scopes, len(space.variables))
        self._prepare_layers()
        axes = max(len(bucket.scope) for bucket in self._buckets) + 1
        axes = max(axes, *(kind.axes for kind in self._kinds))
        # So many options' tables are worked on at once, for memory's sake.
        self._most_options = max(1, MAX_ENTRIES // len(self.widths) ** axes)

    # Structure ----------------------------------------------------------------------------------

    def _choose_scopes(self) -> list[Scope]:
        """Width variables of each layer's table.

        Cut from a variable, a layer is priced at the width that suits it best, which keeps the
        bound a bound.
        """
        space, count = self.space, len(self.widths)
        roles: list[dict[int, Role]] = []
        for i, layer in enumerate(self.layers):
            output, *residuals = (variable for variable, _ in space.moved(layer))
            mine = [(variable, Role.RESIDUAL) for variable in residuals]
            mine += [(output, Role.OUTPUT), (self._inputs[i], Role.OPERAND)]
            weights = Role.WEIGHTS if layer.owns_weights else Role.OPERAND
            mine.append((space.weight_index[i], weights))
            ranked = sorted(mine, key=lambda use: use[1])  # the last of several roles counts
            roles.append({v: role for v, role in ranked if v is not None})
        return choose_scopes(
            roles,
            len(space.variables),
            too_large=lambda axes: count**axes > MAX_TABLE,
            far_too_large=lambda axes: count**axes > MAX_ENTRIES,
        )

    def _cut_weights(self, i: int) -> bool:
        """Whether a layer's own weights have a width variable that its table does not run over."""
        variable = self.space.weight_index[i]
        return self.layers[i].owns_weights and variable not in (None, *self._scopes[i])

    def _noise_of_variables(self) -> Floats:
        """(width variables, w): noise, what was cut left out: it stands with its layer."""
        noise = self.space.tensor_noise.copy()
        cut = {f"weight:{x.name}" for i, x in enumerate(self.layers) if self._cut_weights(i)}
        for v, members in enumerate(self.space.variables):
            if not cut.isdisjoint(members):
                rows = [self.space.noise_row(x) for x in members if x not in cut]
                noise[v] = np.sum(rows, axis=0) if rows else 0.0
        return noise

    def _find_kinds(self) -> list[int]:
        found: dict[tuple[object, ...], int] = {}
        kind_of = []
        for i, layer in enumerate(self.layers):
            free, weight_axis, input_axis = self._operand_axes(i)
            noise, barred = self._operand_terms(i)
            extra = self._extra_bits(i)
            geometry, axes = int(self.space.geometry_of[i]), free + len(self._scopes[i])
            place = geometry, layer.owns_weights, free, axes, weight_axis, input_axis
            key = (*place, noise.tobytes(), barred.tobytes(), extra.shape, extra.tobytes())
            if key not in found:
                found[key] = number = len(self._kinds)
                where = free, axes, weight_axis, input_axis
                self._kinds.append(_Kind(number, layer, geometry, *where, noise, barred, extra))
            kind_of.append(found[key])
        return kind_of

    def _operand_axes(self, i: int) -> tuple[int, int, int]:
        """Free axes of a layer's table, and those of its weights' and its input's widths."""
        scope, weight, ifmap = self._scopes[i], self.space.weight_index[i], self._inputs[i]
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
        space, scope, layer = self.space, self._scopes[i], self.layers[i]
        weight, ifmap = space.weight_index[i], self._inputs[i]
        noise = space.weight_noise[i]
        if self._cut_weights(i):
            noise = space.noise_row(f"weight:{layer.name}")
        allowed = np.broadcast_to(space.weight_allowed[i][:, None], (len(self.widths),) * 2)
        if weight is not None and weight not in scope:
            allowed = allowed & space.tensor_allowed[weight][:, None]
        if ifmap not in scope:
            allowed = allowed & space.tensor_allowed[ifmap]
        return noise, np.where(allowed, 0.0, np.inf)

    def _extra_bits(self, i: int) -> Floats:
        """Output and residual DRAM bits of a layer over the widths of its scope."""
        scope = self._scopes[i]
        extra = np.zeros((len(self.widths),) * len(scope))
        for variable, elements in self.space.moved(self.layers[i]):
            if variable is None:
                extra = extra + float(elements * self._fixed_bits)
            elif variable in scope:
                shape = [1] * len(scope)
                shape[scope.index(variable)] = -1
                extra = extra + (elements * self.widths.astype(np.float64)).reshape(shape)
            else:  # cut: at least its narrowest width is moved
                narrowest = self.widths[self.space.tensor_allowed[variable]].min()
                extra = extra + float(elements * narrowest)
        return extra

    def _prepare_layers(self) -> None:
        none = len(self.space.variables)  # a slot for "no such variable"
        self._weight_variable = np.array(
            [none if v is None else v for v in self.space.weight_index]
        )
        rows = [self.space.moved(layer) for layer in self.layers]
        most = max(len(row) for row in rows)
        padded = [row + [(None, 0)] * (most - len(row)) for row in rows]
        self._moved = np.array([[none if v is None else v for v, _ in row] for row in padded])
        self._moved_elements = np.array([[x for _, x in row] for row in padded], dtype=np.float64)
        self._layer_weights = np.array(
            [x.weights if x.owns_weights else 0 for x in self.layers], dtype=np.float64
        )
        bw, ba = self.widths[:, None], self.widths[None, :]
        self._bops = np.array([layer_bops(layer, bw, ba) for layer in self.space.geometries])

    # The priced optimum -------------------------------------------------------------------------

    def solve(self, batch: Batch, prices: Floats) -> Assignment:
        """Best widths for every option at ``prices`` (B, 5) on the metrics of `PRICED`."""
        if len(batch) > self._most_options:
            parts = [self.solve(batch.take(r), prices[r]) for r in self._parts(len(batch))]
            fields = ("value", "tensor", "weight", "metrics", "runs")
            return Assignment(*(np.concatenate([getattr(p, f) for p in parts]) for f in fields))
        tables = [self._table(kind, batch, prices) for kind in self._kinds]
        joints, value = self._sweep(tables, prices)
        tensor = self._decode(joints, len(batch))
        weight, metrics, runs = self._measure(batch, prices, tensor)
        return Assignment(value, tensor, weight, metrics, runs & np.isfinite(value))

    def _parts(self, count: int) -> list[Ints]:
        """Row numbers of a batch in parts small enough to work on."""
        starts = range(0, count, self._most_options)
        return [np.arange(s, min(s + self._most_options, count)) for s in starts]

    def worst(self, batch: Batch, metric: int) -> Floats:
        """(B,): a value of one metric that no runnable assignment exceeds; −inf if none runs."""
        if len(batch) > self._most_options:
            parts = [self.worst(batch.take(r), metric) for r in self._parts(len(batch))]
            return np.concatenate(parts)
        prices = np.zeros((len(batch), len(PRICED)))
        prices[:, metric] = 1.0
        barred = ~self.space.tensor_allowed
        most = np.where(barred, 0.0, prices[:, NOISE, None, None] * self._tensor_noise)
        total = most.max(axis=2).sum(axis=1)
        largest = []
        for kind in self._kinds:
            table = self._full_table(kind, batch, prices).reshape(len(batch), -1)
            largest.append(np.where(np.isfinite(table), table, -np.inf).max(axis=1))
        for i in self._kind_of:
            total = total + largest[i]
        return np.asarray(total)

    def _full_table(self, kind: _Kind, batch: Batch, prices: Floats) -> Floats:
        """(B, w, …): priced cost of one layer kind, its free axes first."""
        axes, weight_axis, input_axis = kind.axes, kind.weight_axis, kind.input_axis

        def spread(pairs: Floats) -> Floats:  # (B, bw, ba) along the table's axes
            if weight_axis == input_axis:
                pairs = np.diagonal(pairs, axis1=1, axis2=2)
                return pairs.reshape(_axes(axes, len(pairs), {input_axis: pairs.shape[1]}))
            if weight_axis > input_axis:
                pairs = pairs.swapaxes(1, 2)
            first, second = sorted((weight_axis, input_axis))
            sizes = {first: pairs.shape[1], second: pairs.shape[2]}
            return pairs.reshape(_axes(axes, len(pairs), sizes))

        column = (slice(None), *([None] * axes))
        traffic = batch.traffic[:, kind.geometry]
        runs = np.isfinite(traffic)
        pairs = np.where(runs, 0.0, np.inf)
        pairs = pairs + prices[:, BOPS, None, None] * self._bops[kind.geometry] + kind.barred
        if kind.layer.owns_weights:
            per_width = prices[:, MODEL, None] * (kind.layer.weights * self.widths)
            pairs = pairs + (per_width + prices[:, NOISE, None] * kind.noise)[:, :, None]
        table = spread(pairs)
        if prices[:, DRAM].any():
            bits = spread(np.where(runs, traffic, 0.0)) + kind.extra_bits
            table = table + prices[:, DRAM][column] * bits
        if prices[:, LATENCY].any():
            key = self, kind.number
            if key not in batch.latencies:
                bits = spread(np.where(runs, traffic, 0.0)) + kind.extra_bits
                bits /= self.space.problem.dram_bits_per_s
                compute_s = spread(batch.compute_s[:, kind.geometry])
                batch.latencies[key] = np.maximum(compute_s, bits)
            latency_s = batch.latencies[key]
            priced = (prices[:, LATENCY] != 1).any()
            table = table + (prices[:, LATENCY][column] * latency_s if priced else latency_s)
        return np.broadcast_to(table, (len(batch), *(len(self.widths),) * axes))

    def _table(self, kind: _Kind, batch: Batch, prices: Floats) -> Floats:
        table = self._full_table(kind, batch, prices)
        return table.min(axis=tuple(range(1, 1 + kind.free))) if kind.free else table

    def _sweep(self, tables: list[Floats], prices: Floats) -> tuple[list[Floats], Floats]:
        """Eliminate every variable: the joint table of each bucket, and the optimum (B,)."""
        noise = self._tensor_noise
        barred = np.where(self.space.tensor_allowed, 0.0, np.inf)
        joints: list[Floats] = []
        messages: list[Floats] = []
        value = np.zeros(len(prices))
        for bucket in self._buckets:
            own = prices[:, NOISE, None] * noise[bucket.variable] + barred[bucket.variable]
            joint = _spread(own, (bucket.variable,), bucket.scope)
            for i in bucket.layers:
                joint = joint + _spread(tables[self._kind_of[i]], self._scopes[i], bucket.scope)
            for m in bucket.messages:
                joint = joint + _spread(messages[m], self._buckets[m].rest, bucket.scope)
            joints.append(joint)
            messages.append(joint.min(axis=1 + bucket.scope.index(bucket.variable)))
            if len(bucket.scope) == 1:
                value = value + messages[-1]
        for i, scope in enumerate(self._scopes):
            if not scope:  # cut from all variables
                value = value + tables[self._kind_of[i]]
        return joints, value

    def _decode(self, joints: list[Floats], count: int) -> Ints:
        tensor = np.zeros((count, len(self.space.variables)), dtype=np.int64)
        everyone = np.arange(count)
        for bucket, joint in zip(reversed(self._buckets), reversed(joints), strict=True):
            table = np.moveaxis(joint, 1 + bucket.scope.index(bucket.variable), -1)
            where = tuple(tensor[:, other] for other in bucket.rest)
            tensor[:, bucket.variable] = table[(everyone, *where)].argmin(axis=-1)
        return tensor

    def _measure(self, batch: Batch, prices: Floats, tensor: Ints) -> tuple[Ints, Floats, Bools]:
        """Best free weight widths for given variables, the metrics of both, and if they run."""
        count, layers = len(batch), len(self.layers)
        slots = np.concatenate([tensor, np.zeros((count, 1), dtype=np.int64)], axis=1)
        bits = np.concatenate(
            [self.widths[tensor], np.full((count, 1), self._fixed_bits)], axis=1
        ).astype(np.float64)
        moved = (bits[:, self._moved] * self._moved_elements).sum(axis=-1)  # (B, layers)
        b = np.arange(count)[:, None]
        u = self.space.geometry_of[None, :]
        ba = tensor[:, self._inputs]
        traffic = batch.traffic[b, u, :, ba]  # (B, layers, bw)
        runs = np.isfinite(traffic)
        total = np.where(runs, traffic, 0.0) + moved[..., None]
        compute_s = batch.compute_s
        compute_s = compute_s[b, u, :, ba if compute_s.shape[-1] > 1 else 0]
        latency_s = np.maximum(compute_s, total / self.space.problem.dram_bits_per_s)
        bops = self._bops[u, :, ba]
        model = self._layer_weights[:, None] * self.widths
        noise = self.space.weight_noise[None]
        cost = np.where(runs & self.space.weight_allowed, 0.0, np.inf)
        parts = (latency_s, total, noise, model[None], bops)
        for m, part in enumerate(parts):
            cost = cost + prices[:, m, None, None] * part
        given, free = slots[:, self._weight_variable], tensor.shape[1]
        weight = np.where(self._weight_variable == free, cost.argmin(axis=-1), given)
        layer = np.arange(layers)[None, :]
        metrics = np.stack(
            [np.broadcast_to(p, cost.shape)[b, layer, weight].sum(axis=-1) for p in parts], axis=1
        )
        variables = np.arange(tensor.shape[1])[None, :]
        metrics[:, NOISE] += self.space.tensor_noise[variables, tensor].sum(axis=-1)
        return weight, metrics, np.asarray(runs[b, layer, weight].all(axis=-1))

    # What each single choice would cost at best -------------------------------------------------

    def marginals(self, batch: Batch, prices: Floats) -> tuple[Floats, Floats]:
        """Priced optimum if one choice were forced, for a batch of one option.

        Returns
        -------
        tensor : floats, shape (width variables, w)
        pair : floats, shape (layers, w, w)
            For each layer's weight width × input width.
        """
        tables = [self._table(kind, batch, prices) for kind in self._kinds]
        full = [self._full_table(kind, batch, prices) for kind in self._kinds]
        joints, value = self._sweep(tables, prices)
        totals: list[Floats] = [np.empty(0)] * len(joints)
        parent = {m: b for b, bucket in enumerate(self._buckets) for m in bucket.messages}
        tensor = np.full((len(self._buckets), len(self.widths)), np.inf)
        pair = np.full((len(self.layers), len(self.widths), len(self.widths)), np.inf)
        for b in reversed(range(len(joints))):
            bucket, joint = self._buckets[b], joints[b]
            own = joint.min(axis=1 + bucket.scope.index(bucket.variable))
            if b in parent:
                up = self._buckets[parent[b]]
                rest = _minus(_project(totals[parent[b]], up.scope, bucket.rest), own)
            else:
                rest = _minus(value, own)
            totals[b] = joint + _spread(rest, bucket.rest, bucket.scope)
            tensor[bucket.variable] = _project(totals[b], bucket.scope, (bucket.variable,))[0]
            for i in bucket.layers:
                kind, scope = self._kinds[self._kind_of[i]], self._scopes[i]
                rest = _minus(_project(totals[b], bucket.scope, scope), tables[self._kind_of[i]])
                pair[i] = _pair_marginal(kind, full[self._kind_of[i]], rest)
        for i, scope in enumerate(self._scopes):
            if not scope:
                kind = self._kinds[self._kind_of[i]]
                pair[i] = _pair_marginal(
                    kind, full[kind.number], _minus(value, tables[kind.number])
                )
        return tensor, pair


def _pair_marginal(kind: _Kind, full: Floats, rest: Floats) -> Floats:
    """(w, w): least of a layer's table plus the rest, for each weight and input width."""
    total = (full + rest.reshape(len(rest), *(1,) * kind.free, *rest.shape[1:]))[0]
    weight_axis, input_axis = kind.weight_axis, kind.input_axis
    if weight_axis == input_axis:
        others = tuple(a for a in range(total.ndim) if a != input_axis)
        pairs = np.full((total.shape[input_axis],) * 2, np.inf)
        np.fill_diagonal(pairs, total.min(axis=others))
        return pairs
    others = tuple(a for a in range(total.ndim) if a not in (weight_axis, input_axis))
    pairs = np.asarray(total.min(axis=others))
    return pairs if weight_axis < input_axis else pairs.T


def _axes(count: int, batch: int, sizes: dict[int, int]) -> tuple[int, ...]:
    return (batch, *(sizes.get(axis, 1) for axis in range(count)))


def _project(table: Floats, scope: Scope, onto: Scope) -> Floats:
    axes = tuple(1 + i for i, variable in enumerate(scope) if variable not in onto)
    return np.asarray(table.min(axis=axes))


def _minus(total: Floats, part: Floats) -> Floats:
    """``total − part`` where an impossible part leaves an impossible rest."""
    return np.asarray(
        np.where(np.isinf(total), np.inf, total - np.where(np.isinf(part), 0.0, part))
    )
