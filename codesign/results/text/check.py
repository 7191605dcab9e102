"""What a check found, in lines for people and as a record for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from codesign.checking.findings import Report, short_line
from codesign.errors import SpecError, printable


def report_lines(name: str, report: Report) -> list[str]:
    """A line for each finding, for each note, and one for the outcome."""
    name = short_line(name)
    lines = [f"{name}: {finding}" for finding in report.findings]
    lines += [f"{name}: {note}" for note in report.notes]
    if report.holds:
        return [*lines, f"{name}: all {report.figures} figures hold"]
    wrong = len(report.findings)
    things = "thing is" if wrong == 1 else "things are"
    return [*lines, f"{name}: {wrong} {things} wrong, {report.figures} figures were compared"]


def report_record(name: str, report: Report) -> dict[str, Any]:
    """What ``--json`` prints."""
    return {"file": short_line(name), "holds": report.holds, **asdict(report)}


def certificate_lines(content: Any, where: str) -> list[str]:
    """What a certificate claims, in lines; only the check says whether it is right."""
    if isinstance(content, dict) and "problem" in content:
        return _infeasible_lines(content, where)
    try:
        bound, trusted = float(content["bound"]), 0
        closed = {"bound": 0, "enumeration": 0}
        references = content.get("references", {}).values()
        stages = _stage_lines(content)
        for part in (
            *([] if stages and "groups" not in content else [content]),
            *(each["certificate"] for each in references),
            *content.get("batches", []),
        ):
            trusted += len(part["trusted"])
            for group in part["groups"]:
                closed[group["by"]] += len(group["arrays"]) * len(group["pe_bits"])
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
        raise SpecError(f"{where}: a damaged certificate") from None
    options = [
        f"hardware options ruled out by a bound: {closed['bound']}; by enumeration: "
        f"{closed['enumeration']}; left to the solver's word: {trusted}"
    ]
    return [
        f"a certificate: no design within the budgets has an objective below {bound!r}",
        *([] if stages and "groups" not in content else options),
        *stages,
        "codesign check DESIGN --deep --certificate FILE verifies it",
    ]


def _stage_lines(content: dict[str, Any]) -> list[str]:
    """Of pipelines and of hybrids, where they have a part."""
    found = []
    if "pipelines" in content:
        part = content["pipelines"]
        ruled, left = len(part["ranges"]), len(part["trusted"])
        found.append(
            f"ranges of the interval without a better pipeline: {ruled}; left to the search's "
            f"word: {left}"
        )
    if "hybrids" in content:
        every = content["hybrids"]["segments"]
        pairs = " and pairs of them" * any(len(x["layers"]) > 2 for x in every)
        left = sum(bool(x["trusted"]) for x in every)
        found.append(
            f"segments{pairs} that no better hybrid shares: {len(every) - left}; left to the "
            f"search's word: {left}"
        )
    return found


def _infeasible_lines(content: dict[str, Any], where: str) -> list[str]:
    """The same of one that there is no design."""
    try:
        name, budgets = content["problem"]["network"]["name"], content["problem"]["budgets"]
        within = ", ".join(f"{metric} ≤ {float(most)!r}" for metric, most in budgets.items())
        lines = [f"a certificate: no design of {name} keeps every budget ({within or 'none'})"]
        for key in ("arrays", "pipelines", "hybrids"):
            if key in content:
                clash = ", ".join(map(str, content[key]["clash"])) or "nothing: no layer may run"
                lines.append(f"of {key} clashes: {clash}")
        for row in content.get("batches", []):
            clash = ", ".join(map(str, row.get("clash", []))) or "nothing that is told"
            lines.append(f"of {int(row['images'])} images at once clashes: {clash}")
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
        raise SpecError(f"{where}: a damaged certificate") from None
    return [printable(x) for x in [*lines, "codesign check FILE verifies it"]]
