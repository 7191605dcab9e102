"""One design and its picture."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure
from pictures import CONV1, CONV2, FC, TENSORS, designed

from codesign.results.design import Design
from codesign.results.plots.design import plot_design


@pytest.fixture(scope="module")
def design() -> Design:
    return designed((CONV1, CONV2, FC), TENSORS)


@pytest.fixture(scope="module")
def figure(design: Design) -> Figure:
    return plot_design(design, None)
