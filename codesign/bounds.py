"""Lower bounds for many hardware options at once: dynamic programming over the tensor widths.

With prices on the metrics instead of budgets, the best widths are found exactly: each layer is a
table over the widths of the tensors it touches (its own weight width and the roofline's ``max``
already minimised inside), and the tensors are eliminated one after the other. In the chains and
residual blocks of real networks a table never has more than three or four axes. By weak duality
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
from codesign.network import Layer
from codesign.space import Space

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

PRICED = ("latency_s", "dram_bits", "noise", "model_bits", "bops")
LATENCY, DRAM, NOISE, MODEL, BOPS = range(len(PRICED))
MAX_ENTRIES = 2**23  # entries of one table over a batch (64 MiB)
MAX_TABLE = 7**5  # entries of one elimination table; beyond it residual couplings are relaxed


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
    tensor : ints, shape (B, inner tensors)
        Index into the width list.
    weight : ints, shape (B, layers)
        The same for the weight operand of every layer.
    metrics : floats, shape (B, 5)
        In the order of `PRICED`.
    """

    value: Floats
    tensor: Ints
    weight: Ints
    metrics: Floats


@dataclass(frozen=True)
class _Kind:
    """Layers with equal tables: axes of the scope that each operand's width runs along."""

    number: int
    layer: Layer
    geometry: int
    noise: Floats  # (w,)
    allowed: Floats  # (w,), 0 or inf
    axes: int  # length of the scope
    input_axis: int
    weight_axis: int | None  # None: the layer's own weights, minimised inside
    extra_bits: Floats  # over the scope: output and residual bits


@dataclass(frozen=True)
class _Bucket:
    """Elimination of one tensor: what is added up, over which tensors."""

    tensor: int
    scope: tuple[int, ...]
    layers: tuple[int, ...]
    messages: tuple[int, ...]  # indices of earlier buckets


def _spread(table: Floats, own: tuple[int, ...], scope: tuple[int, ...]) -> Floats:
    """View a (B, w, …) table over sorted ``own`` tensors along the axes of sorted ``scope``."""
    shape = [table.shape[0]]
    position = 1
    for tensor in scope:
        if tensor in own:
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
        self._index = space.tensor_index
        self._fixed_bits = space.problem.choices.output_bits
        self._scopes = self._choose_scopes()
        self._kinds: list[_Kind] = []
        self._kind_of = self._find_kinds()
        self._buckets = _eliminate(self._scopes, len(self._index))
        self._prepare_layers()
        axes = max(len(bucket.scope) for bucket in self._buckets) + 1
        # So many options' tables are worked on at once, for memory's sake.
        self._most_options = max(1, MAX_ENTRIES // len(self.widths) ** axes)

    # Structure ----------------------------------------------------------------------------------

    def _choose_scopes(self) -> list[tuple[int, ...]]:
        """Tensors of each layer's table.

        Where long skip connections would make a table too large, the longest lose their residual
        from it: the layer is then priced as if the residual had its narrowest width, which keeps
        the bound a bound.
        """
        writer = {layer.output: i for i, layer in enumerate(self.layers)}
        skips = [
            (i - min(writer.get(name, -1) for name in layer.residuals), i)
            for i, layer in enumerate(self.layers)
            if layer.residuals
        ]
        dropped: set[int] = set()
        while True:
            scopes = [self._scope(layer, i in dropped) for i, layer in enumerate(self.layers)]
            width = max(len(bucket.scope) for bucket in _eliminate(scopes, len(self._index)))
            remaining = [skip for skip in skips if skip[1] not in dropped]
            if len(self.widths) ** width <= MAX_TABLE or not remaining:
                return scopes
            dropped.add(max(remaining)[1])

    def _scope(self, layer: Layer, drop_residuals: bool) -> tuple[int, ...]:
        names = {layer.input, layer.weight_tensor, layer.output}
        if not drop_residuals:
            names |= set(layer.residuals)
        return tuple(sorted(self._index[name] for name in names if name in self._index))

    def _find_kinds(self) -> list[int]:
        found: dict[tuple[object, ...], int] = {}
        kind_of = []
        for i, layer in enumerate(self.layers):
            scope = self._scopes[i]
            extra = self._extra_bits(i)
            weight_axis = None
            if layer.weight_tensor is not None:
                weight_axis = scope.index(self._index[layer.weight_tensor])
            noise = self.space.weight_noise[i]
            allowed = self.space.weight_allowed[i]
            input_axis = scope.index(self._index[layer.input])
            geometry = int(self.space.geometry_of[i])
            same_cost = (geometry, noise.tobytes(), allowed.tobytes())
            key = (*same_cost, input_axis, weight_axis, extra.shape, extra.tobytes())
            if key not in found:
                found[key] = len(self._kinds)
                barred = np.where(allowed, 0.0, np.inf)
                self._kinds.append(
                    _Kind(
                        len(self._kinds),
                        layer,
                        geometry,
                        noise,
                        barred,
                        len(scope),
                        input_axis,
                        weight_axis,
                        extra,
                    )
                )
            kind_of.append(found[key])
        return kind_of

    def _extra_bits(self, i: int) -> Floats:
        """Output and residual DRAM bits of a layer over the widths of its scope."""
        layer, scope = self.layers[i], self._scopes[i]
        tensors = self.space.problem.network.tensors
        extra = np.zeros((len(self.widths),) * len(scope))
        for name in (layer.output, *layer.residuals):
            tensor = self._index.get(name)
            if tensor is None:
                extra = extra + float(tensors[name] * self._fixed_bits)
            elif tensor in scope:
                shape = [1] * len(scope)
                shape[scope.index(tensor)] = -1
                extra = extra + (tensors[name] * self.widths.astype(np.float64)).reshape(shape)
            else:  # relaxed: at least its narrowest width is read
                narrowest = self.widths[self.space.tensor_allowed[tensor]].min()
                extra = extra + float(tensors[name] * narrowest)
        return extra

    def _prepare_layers(self) -> None:
        network = self.space.problem.network
        none = len(self._index)  # a slot for "no such tensor"
        slot = self._index.get
        most = max(len(layer.residuals) for layer in self.layers)
        self._input = np.array([self._index[layer.input] for layer in self.layers])
        self._weight_tensor = np.array(
            [none if x.weight_tensor is None else self._index[x.weight_tensor] for x in self.layers]
        )
        reads = [[layer.output, *layer.residuals] for layer in self.layers]
        self._moved = np.array(
            [[slot(n, none) for n in row] + [none] * (most + 1 - len(row)) for row in reads]
        )
        self._moved_elements = np.array(
            [[network.tensors[n] for n in row] + [0] * (most + 1 - len(row)) for row in reads],
            dtype=np.float64,
        )
        self._layer_weights = np.array(
            [0 if x.weight_tensor is not None else x.weights for x in self.layers], dtype=np.float64
        )
        bw, ba = self.widths[:, None], self.widths[None, :]
        self._bops = np.array([layer_bops(layer, bw, ba) for layer in self.space.geometries])

    # The priced optimum -------------------------------------------------------------------------

    def solve(self, batch: Batch, prices: Floats) -> Assignment:
        """Best widths for every option at ``prices`` (B, 5) on the metrics of `PRICED`."""
        if len(batch) > self._most_options:
            parts = [self.solve(batch.take(r), prices[r]) for r in self._parts(len(batch))]
            fields = ("value", "tensor", "weight", "metrics")
            return Assignment(*(np.concatenate([getattr(p, f) for p in parts]) for f in fields))
        tables = [self._table(kind, batch, prices) for kind in self._kinds]
        joints, value = self._sweep(tables, prices)
        tensor = self._decode(joints, len(batch))
        weight, metrics = self._measure(batch, prices, tensor)
        return Assignment(value, tensor, weight, metrics)

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
        most = np.where(barred, 0.0, prices[:, NOISE, None, None] * self.space.tensor_noise)
        total = most.max(axis=2).sum(axis=1)
        largest = []
        for kind in self._kinds:
            table = self._full_table(kind, batch, prices).reshape(len(batch), -1)
            largest.append(np.where(np.isfinite(table), table, -np.inf).max(axis=1))
        for i in self._kind_of:
            total = total + largest[i]
        return np.asarray(total)

    def _full_table(self, kind: _Kind, batch: Batch, prices: Floats) -> Floats:
        """(B, own weight width if any, w, …): priced cost of one layer kind."""
        own = kind.weight_axis is None
        axes = kind.axes + own
        input_axis = kind.input_axis + own
        weight_axis = 0 if kind.weight_axis is None else kind.weight_axis

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
        pairs = pairs + prices[:, BOPS, None, None] * self._bops[kind.geometry]
        if own:
            per_width = prices[:, MODEL, None] * (kind.layer.weights * self.widths)
            per_width = per_width + prices[:, NOISE, None] * kind.noise + kind.allowed
            pairs = pairs + per_width[:, :, None]
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
        return table.min(axis=1) if kind.weight_axis is None else table

    def _sweep(self, tables: list[Floats], prices: Floats) -> tuple[list[Floats], Floats]:
        """Eliminate every tensor: the joint table of each bucket, and the optimum (B,)."""
        noise = self.space.tensor_noise
        barred = np.where(self.space.tensor_allowed, 0.0, np.inf)
        joints: list[Floats] = []
        messages: list[Floats] = []
        value = np.zeros(len(prices))
        for bucket in self._buckets:
            own = prices[:, NOISE, None] * noise[bucket.tensor] + barred[bucket.tensor]
            joint = _spread(own, (bucket.tensor,), bucket.scope)
            for i in bucket.layers:
                joint = joint + _spread(tables[self._kind_of[i]], self._scopes[i], bucket.scope)
            for m in bucket.messages:
                scope = _without(self._buckets[m])
                joint = joint + _spread(messages[m], scope, bucket.scope)
            joints.append(joint)
            messages.append(joint.min(axis=1 + bucket.scope.index(bucket.tensor)))
            if len(bucket.scope) == 1:
                value = value + messages[-1]
        return joints, value

    def _decode(self, joints: list[Floats], count: int) -> Ints:
        tensor = np.zeros((count, len(self._index)), dtype=np.int64)
        everyone = np.arange(count)
        for bucket, joint in zip(reversed(self._buckets), reversed(joints), strict=True):
            table = np.moveaxis(joint, 1 + bucket.scope.index(bucket.tensor), -1)
            where = tuple(tensor[:, other] for other in _without(bucket))
            tensor[:, bucket.tensor] = table[(everyone, *where)].argmin(axis=-1)
        return tensor

    def _measure(self, batch: Batch, prices: Floats, tensor: Ints) -> tuple[Ints, Floats]:
        """Best weight widths for given tensor widths, and the metrics of both."""
        count, layers = len(batch), len(self.layers)
        slots = np.concatenate([tensor, np.zeros((count, 1), dtype=np.int64)], axis=1)
        bits = np.concatenate(
            [self.widths[tensor], np.full((count, 1), self._fixed_bits)], axis=1
        ).astype(np.float64)
        moved = (bits[:, self._moved] * self._moved_elements).sum(axis=-1)  # (B, layers)
        b = np.arange(count)[:, None]
        u = self.space.geometry_of[None, :]
        ba = slots[:, self._input]
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
        given = slots[:, self._weight_tensor]
        weight = np.where(self._weight_tensor == len(self._index), cost.argmin(axis=-1), given)
        layer = np.arange(layers)[None, :]
        metrics = np.stack(
            [np.broadcast_to(p, cost.shape)[b, layer, weight].sum(axis=-1) for p in parts], axis=1
        )
        tensors = np.arange(tensor.shape[1])[None, :]
        metrics[:, NOISE] += self.space.tensor_noise[tensors, tensor].sum(axis=-1)
        return weight, metrics

    # What each single choice would cost at best -------------------------------------------------

    def marginals(self, batch: Batch, prices: Floats) -> tuple[Floats, Floats]:
        """Priced optimum if one choice were forced, for a batch of one option.

        Returns
        -------
        tensor : floats, shape (inner tensors, w)
        pair : floats, shape (layers, w, w)
            For each layer's weight width × input width.
        """
        tables = [self._table(kind, batch, prices) for kind in self._kinds]
        full = [self._full_table(kind, batch, prices) for kind in self._kinds]
        joints, value = self._sweep(tables, prices)
        totals: list[Floats] = [np.empty(0)] * len(joints)
        parent = {m: b for b, bucket in enumerate(self._buckets) for m in bucket.messages}
        tensor = np.full((len(self._index), len(self.widths)), np.inf)
        pair = np.full((len(self.layers), len(self.widths), len(self.widths)), np.inf)
        for b in reversed(range(len(joints))):
            bucket, joint = self._buckets[b], joints[b]
            own = joint.min(axis=1 + bucket.scope.index(bucket.tensor))
            if b in parent:
                up = self._buckets[parent[b]]
                rest = _minus(_project(totals[parent[b]], up.scope, _without(bucket)), own)
            else:
                rest = _minus(value, own)
            totals[b] = joint + _spread(rest, _without(bucket), bucket.scope)
            tensor[bucket.tensor] = _project(totals[b], bucket.scope, (bucket.tensor,))[0]
            for i in bucket.layers:
                kind, scope = self._kinds[self._kind_of[i]], self._scopes[i]
                rest = _minus(_project(totals[b], bucket.scope, scope), tables[self._kind_of[i]])
                pair[i] = _pair_marginal(kind, full[self._kind_of[i]], rest)
        return tensor, pair


def _pair_marginal(kind: _Kind, full: Floats, rest: Floats) -> Floats:
    """(w, w): least of a layer's table plus the rest, for each weight and input width."""
    if kind.weight_axis is None:
        total = (full + rest[:, None])[0]
        weight_axis, input_axis = 0, kind.input_axis + 1
    else:
        total = (full + rest)[0]
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


def _without(bucket: _Bucket) -> tuple[int, ...]:
    return tuple(tensor for tensor in bucket.scope if tensor != bucket.tensor)


def _project(table: Floats, scope: tuple[int, ...], onto: tuple[int, ...]) -> Floats:
    axes = tuple(1 + i for i, tensor in enumerate(scope) if tensor not in onto)
    return np.asarray(table.min(axis=axes))


def _minus(total: Floats, part: Floats) -> Floats:
    """``total − part`` where an impossible part leaves an impossible rest."""
    return np.asarray(
        np.where(np.isinf(total), np.inf, total - np.where(np.isinf(part), 0.0, part))
    )


def _eliminate(scopes: list[tuple[int, ...]], tensors: int) -> list[_Bucket]:
    """Order of elimination by the smallest table first, with what each step adds up."""
    touching: list[dict[tuple[str, int], frozenset[int]]] = [{} for _ in range(tensors)]
    for i, scope in enumerate(scopes):
        for tensor in scope:
            touching[tensor]["layer", i] = frozenset(scope)
    joined = [frozenset({t}).union(*touching[t].values()) for t in range(tensors)]
    left = set(range(tensors))
    buckets: list[_Bucket] = []
    while left:
        tensor = min(left, key=lambda t: (len(joined[t]), t))
        parts = touching[tensor]
        buckets.append(
            _Bucket(
                tensor,
                tuple(sorted(joined[tensor])),
                tuple(i for kind, i in parts if kind == "layer"),
                tuple(i for kind, i in parts if kind == "message"),
            )
        )
        left.remove(tensor)
        rest = joined[tensor] - {tensor}
        for other in rest:
            touching[other] = {k: s for k, s in touching[other].items() if k not in parts}
            touching[other]["message", len(buckets) - 1] = rest
            joined[other] = frozenset({other}).union(*touching[other].values())
    return buckets
