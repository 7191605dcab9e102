"""Pictures; the only folder that draws.

Marks differ in shape or grey level too, so that a picture survives a black-and-white print.
Legends stand above their panel, where no data can be under them.
"""

from codesign.results.plots.area_fit import plot_fit
from codesign.results.plots.design import plot_design
from codesign.results.plots.drawing import Figure
from codesign.results.plots.explanation import plot_explanation
from codesign.results.plots.front import plot_front

__all__ = ["Figure", "plot_design", "plot_explanation", "plot_fit", "plot_front"]
