"""The study of noise proxies: its folder, its tables, what its README says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sources import ROOT
from study_modules import imported

STUDY = ROOT / "studies" / "quality_proxy"
EXPECTED = STUDY / "expected"
README = (STUDY / "README.md").read_text("utf-8")
TABLES = ("networks", "assignments", "correlations", "ceilings", "designs", "same_budget")
TABLES += ("equal_quality", "exported")
MODULES = ("architectures", "training", "quantised", "proxies", "subjects", "assignments")
MODULES += ("correlation", "designs", "exported", "gains", "tell")
ARCHITECTURES = ("plain", "residual", "separable")


@contextmanager
def modules() -> Iterator[dict[str, Any]]:
    """The study's modules; PyTorch is deterministic as long as they are in use."""
    import torch

    threads = torch.get_num_threads()
    try:
        with imported(STUDY, MODULES) as found:
            found["training"].be_deterministic()
            yield found
    finally:
        torch.use_deterministic_algorithms(False)
        torch.set_num_threads(threads)


def told(text: str) -> bool:
    """Whether the README says so, wherever its lines break."""
    return text in " ".join(README.split())


def span(values: Any, digits: int = 2) -> str:
    """``0.52 to 0.64``."""
    ends = (f"{end:.{digits}f}" for end in (values.min(), values.max()))
    return " to ".join(ends).replace("-", "−")
