"""What each layer counts for in every metric that adds up over layers and tensors.

Of a suite there are metrics of the whole, in which each member counts with its weight, and of each
member by itself. Both are sums of the same few kinds of cost, such as the latency of a layer, so
tables hold each kind once: coefficients of metrics become coefficients of kinds, for each member.
Layers of a member that use weights of another member are a group by themselves: these weights are
in the model size of both, and once in that of the whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from codesign.arrays import Floats, Ints
from codesign.costs.totals import ONCE
from codesign.problem.metrics import ADDITIVE_METRICS, ENERGY
from codesign.specs.network import Network
from codesign.units import kind_of, of_member


@dataclass(frozen=True)
class Shares:
    """Shares of members in additive metrics.

    Attributes
    ----------
    names : tuple of str
        The metrics: sums of the whole in the order of their kinds, then of members; energies, where
        they count, stand last.
    kinds : tuple of str
        Kinds of cost.
    of : floats, shape (metrics, members, kinds)
        What a cost of a kind of a member's layer counts for in a metric. Groups of layers with
        another member's weights stand behind the members, as if they were such.
    member_of : ints, shape (layers,)
    home : ints, shape (members,)
        The member that each is; of such a group that whose layers it has.
    """

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    of: Floats
    member_of: Ints
    home: Ints

    @property
    def plain(self) -> bool:
        """Whether metrics are kinds: of a network by itself."""
        return self.names == self.kinds

    def by_member(self, coefficients: Floats) -> Floats:
        """(B, members, kinds) coefficients of kinds from (B, metrics) ones of metrics."""
        if self.plain:
            return coefficients[:, None]
        return np.asarray(np.einsum("bm,mnk->bnk", coefficients, self.of))

    def by_layer(self, coefficients: Floats) -> Floats:
        """(B, layers, kinds), or (B, 1, kinds) where all layers have the same."""
        each = self.by_member(coefficients)
        return each if self.plain else each[:, self.member_of]

    def summed(self, of_layers: Floats) -> Floats:
        """(B, metrics) from what layers have of each kind, (B, kinds, layers)."""
        if self.plain:
            return np.asarray(of_layers.sum(axis=-1))
        return np.asarray(np.einsum("bkl,mlk->bm", of_layers, self.of[:, self.member_of]))

    def of_noise(self, of_variables: Floats, member_of: Ints) -> Floats:
        """(B, metrics) from noises (B, variables), each of a variable of a member."""
        kind = self.kinds.index("noise")
        if not self.plain:
            return np.asarray(of_variables @ self.of[:, member_of, kind].T)
        found = np.zeros((len(of_variables), len(self.names)))
        found[:, kind] = of_variables.sum(axis=-1)
        return found

    def layers(self, member: int | None) -> Ints:
        """Numbers of the layers of one member, or of all."""
        return self._layers[len(self._layers) - 1 if member is None else member]

    @cached_property
    def _layers(self) -> list[Ints]:
        """Of each member, then of all."""
        at_home = self.home[self.member_of]
        each = [np.flatnonzero(at_home == m) for m in range(int(self.home.max()) + 1)]
        return [*each, np.arange(len(self.member_of))]

    def kind(self, metric: str | int) -> int:
        """Number of a metric's kind of cost."""
        name = metric if isinstance(metric, str) else self.names[metric]
        return self.kinds.index(kind_of(name))

    def of_layers(self, metric: str) -> Floats:
        """(layers,): what a cost of each counts for in a metric."""
        return self.of_groups(metric)[self.member_of]

    def of_members(self, metric: str) -> Floats:
        """(members,): the same, of what is a member's own."""
        return self.of_groups(metric)[: int(self.home.max()) + 1]

    def of_groups(self, metric: str) -> Floats:
        """(members,): the same, with the groups that stand behind the members."""
        return np.asarray(self.of[self._number[metric], :, self.kind(metric)])

    @cached_property
    def _number(self) -> dict[str, int]:
        return {name: n for n, name in enumerate(self.names)}


def shares_of(network: Network, cost_names: tuple[str, ...], counts_energy: bool) -> Shares:
    """The shares of a network's members, or of a network as its only member."""
    kinds = (*ADDITIVE_METRICS, *cost_names, *[ENERGY] * counts_energy)
    members, last = network.members, len(kinds) - counts_energy
    names = kinds[:last]
    names += tuple(of_member(kind, x.name) for x in members for kind in ADDITIVE_METRICS)
    names += kinds[last:]
    names += tuple(of_member(kind, x.name) for x in members for kind in kinds[last:])
    at_home = np.array(network.member_of, dtype=np.int64)
    used = [x.uses_weights and not x.owns_weights for x in network.layers]
    owner = [network.members_of_source.get(x.weight_source, (0,))[0] for x in network.layers]
    guests = np.array(used) & (np.array(owner) != at_home)
    groups = np.array(sorted({*at_home[guests].tolist()}), dtype=np.int64)
    of = np.zeros((len(names), max(len(members), 1), len(kinds)))
    for m, name in enumerate(names):
        kind = kinds.index(kind_of(name))
        if name != kinds[kind]:
            of[m, [name == of_member(kinds[kind], x.name) for x in members], kind] = 1.0
        elif kind_of(name) in ONCE or not members:
            of[m, :, kind] = 1.0
        else:
            of[m, :, kind] = [x.weight for x in members]
    home = np.concatenate([np.arange(of.shape[1]), groups])
    member_of = at_home.copy()
    member_of[guests] = of.shape[1] + np.searchsorted(groups, at_home[guests])
    of = of[:, home]
    of[names.index("model_bits"), of.shape[1] - len(groups) :, kinds.index("model_bits")] = 0.0
    return Shares(names, kinds, of, member_of, home)
