"""The names of the metrics: those of files and of Python, and the words of the command line.

Both are understood wherever a metric is asked for; files hold the first.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from codesign.errors import SpecError
from codesign.units import OF_MEMBER, kind_of, member_of

if TYPE_CHECKING:
    from codesign.specs.fpga import AnyTechnology
    from codesign.specs.network import Network

METRICS = ("latency_s", "area_mm2", "dram_bits", "noise", "model_bits", "bops")  # on silicon
ENERGY = "energy_j"
REPORTED = (*METRICS, ENERGY)  # energy where it is known
HARDWARE_METRICS = ("area_mm2", "lut", "dsp", "bram")  # the technology says which of them are known
ADDITIVE_METRICS = tuple(x for x in METRICS if x not in HARDWARE_METRICS)  # over layers, tensors
MEMBER_METRICS = (*ADDITIVE_METRICS, ENERGY)  # of which a member of a suite has a share
ALL_METRICS = ("latency_s", *HARDWARE_METRICS, *ADDITIVE_METRICS[1:])
SEARCHED = (*ALL_METRICS, ENERGY)
WORDS = {
    "latency": "latency_s",
    "area": "area_mm2",
    "lut": "lut",
    "dsp": "dsp",
    "bram": "bram",
    "dram": "dram_bits",
    "noise": "noise",
    "model": "model_bits",
    "bops": "bops",
    "energy": "energy_j",
}
REGRET = "regret"  # of a suite: the largest ratio of a member's share to its own best
INTERVAL = "interval_s"  # latency by image: a wish that problems hold as a latency
PER_BATCH = ("latency_s", "dram_bits", "bops", "energy_j")  # which grow with the images at once
COST = "cost:"  # before the name of a user-defined cost, known to `codesign.assign` alone
COST_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,39}")
_METRIC_OF = {**WORDS, "interval": INTERVAL}
_WORD_OF = {metric: word for word, metric in _METRIC_OF.items()}


def metric_of(name: Any) -> Any:
    """A metric's name, whichever of the two is given; what is no metric is left as it is.

    That of a member of a suite: ``latency_s@resnet18``.
    """
    if not isinstance(name, str):
        return name
    kind, sign, member = name.partition(OF_MEMBER)
    return str(_METRIC_OF.get(kind, kind)) + sign + member


def word_of(name: str) -> str:
    """The command line's word for a metric, whichever is given; what is none is left as it is."""
    kind, sign, member = name.partition(OF_MEMBER)
    return _WORD_OF.get(kind, kind) + sign + member


def kinds_of(names: Iterable[str]) -> frozenset[str]:
    """The metrics that some are, or are members' shares of."""
    return frozenset(map(kind_of, names))


def is_cost(name: str) -> bool:
    """Whether a metric is ``cost:NAME``, a user-defined cost."""
    return name.startswith(COST) and COST_NAME.fullmatch(name, len(COST)) is not None


def by_metric(given: Any) -> Any:
    """A mapping from metrics, by their names whichever was given; anything else as it is.

    Raises
    ------
    SpecError
        One metric is there under both of its names.
    """
    if not isinstance(given, Mapping):
        return given
    found = {metric_of(name): value for name, value in given.items()}
    if len(found) < len(given):
        twice = [name for name in given if name != metric_of(name) and metric_of(name) in given]
        raise SpecError(f"{twice[0]} and {metric_of(twice[0])} are one metric; give one of them")
    return found


def known_metric(name: str) -> str:
    """The name of a metric, whichever of the two is given.

    Raises
    ------
    ValueError
        It is none.
    """
    if is_cost(name) or name == REGRET:
        return name
    if kind_of(metric_of(name)) not in SEARCHED:
        listed = ", ".join(SEARCHED)
        raise ValueError(f"Input should be one of {listed}{meant(name, (*SEARCHED, *WORDS))}")
    return str(metric_of(name))


def known_limit(name: str) -> str:
    """The same of what may be limited: an interval too.

    Raises
    ------
    ValueError
        It is neither.
    """
    return INTERVAL if metric_of(name) == INTERVAL else known_metric(name)


def timed_by(energy: str) -> str:
    """The latency that an energy grows with: of the same member."""
    return "latency_s" + energy.removeprefix(ENERGY)


def value_in(metrics: Mapping[str, float], name: str) -> float:
    """A metric of a design; the interval of one array is its latency."""
    return metrics["latency_s"] if name == INTERVAL and name not in metrics else metrics[name]


def of_interval(name: Any) -> Any:
    """The latency in place of an interval: of a given batch, one is least with the other."""
    return "latency_s" if metric_of(name) == INTERVAL else name


def metrics_on(technology: AnyTechnology | None) -> tuple[str, ...]:
    """The metrics that designs in a technology have; without one, those of silicon."""
    if technology is None:
        return METRICS
    known = technology.hardware_metrics
    return tuple(x for x in ALL_METRICS if x not in HARDWARE_METRICS or x in known)


def check_metrics_on(technology: AnyTechnology, metrics: Collection[str], where: str) -> None:
    """Refuse metrics of the hardware that a technology does not know.

    Raises
    ------
    SpecError
    """
    known = technology.hardware_metrics
    for name in metrics:
        if name in HARDWARE_METRICS and name not in known:
            raise SpecError(
                f"{where}: {name!r} is not known in technology {technology.name!r}, which tells "
                f"{', '.join(known)}"
            )


def check_members_named(metrics: Collection[str], network: Network, where: str) -> None:
    """Refuse shares of members that a network does not have, or of what no member has a share of.

    Raises
    ------
    SpecError
    """
    known = tuple(member.name for member in network.members)
    for name in metrics:
        member, kind = member_of(name), kind_of(name)
        if member is None:
            continue
        if member not in known:
            listed = f"its members: {', '.join(known)}" if known else "it is no suite"
            raise SpecError(
                f"{where}: {name!r}: network {network.name!r} has no such member; {listed}"
            )
        if kind not in MEMBER_METRICS:
            raise SpecError(
                f"{where}: {name!r}: members are told apart in {', '.join(MEMBER_METRICS)}; "
                f"give {kind} without a member"
            )


def meant(name: str, known: Collection[str]) -> str:
    """``did you mean area?`` for a misspelt name, or the empty string."""
    near = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean {near[0]}?)" if near else ""
