"""What adds up over layers and tensors, of a network or of each member of a suite."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

from codesign.checking.layer_rows import Totals
from codesign.checking.network import Member, Network
from codesign.checking.widths import width_metrics


def sums(
    network: Network,
    totals: Totals,
    tensor_bits: Mapping[str, int],
    noise_of: Callable[[str, int], Fraction],
    energies: Sequence[Mapping[str, Fraction]],
) -> dict[str, Fraction]:
    """The metrics that add up over layers and tensors; of a suite with the shares of its members.

    There, a sum over all counts each member with its weight; but noise is the plain sum of theirs,
    and weights count once in the size of the whole model, also those that several members use.

    Parameters
    ----------
    noise_of : callable
        Noise of ``"weight:<layer>"`` or ``"tensor:<tensor>"`` at a width.
    energies : sequence of mapping
        Of each layer by part; empty where not known.
    """
    every = Member(network.name, range(len(network.layers)), Fraction(1))
    shares: dict[str, dict[str, Fraction]] = {}
    for member in network.members or (every,):
        mine = [step for step in totals.steps if step[0] in member.layers]
        operands = [totals.operand_bits[n] for n in member.layers]
        own = network.only(member) if network.members else network
        shares[member.name] = {
            "latency_s": sum((latency_s for _, latency_s, _ in mine), Fraction(0)),
            "dram_bits": Fraction(sum(bits for *_, bits in mine)),
            **width_metrics(own, operands, tensor_bits, noise_of),
        }
        if energies:
            spent = [x for n in member.layers for x in energies[n].values()]
            shares[member.name]["energy_j"] = sum(spent, Fraction(0))
    if not network.members:
        return shares[network.name]
    expected = {}
    for name in shares[network.members[0].name]:
        weights = {x.name: Fraction(1) if name == "noise" else x.weight for x in network.members}
        each = (weight * shares[x][name] for x, weight in weights.items())
        expected[name] = sum(each, Fraction(0))
    whole = width_metrics(network, totals.operand_bits, tensor_bits, noise_of)
    expected["model_bits"] = whole["model_bits"]
    for named, share in shares.items():
        expected |= {f"{name}@{named}": value for name, value in share.items()}
    return expected
