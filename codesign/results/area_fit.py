"""An area fit: coefficients, how well they predict, and the technology made from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from codesign.arrays import Floats
from codesign.files import write_atomically
from codesign.specs.seam import done_by
from codesign.specs.technology import AreaFit, QuadraticFit, Technology
from codesign.specs.write_technology import to_toml

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMAT = "codesign-fit/1"
COLUMNS = {"pe": ("bw", "ba", "n", "m", "area_um2"), "sram": ("bits", "area_um2")}
COEFFICIENTS = {
    "linear": ("slope", "intercept"),
    "quadratic": ("quadratic", "linear", "constant"),
}
FITTED_SRAM = "fitted"  # kind of SRAM in a technology made from an SRAM fit


@dataclass(frozen=True, eq=False)
class AreaFitResult:
    """A least-squares fit of area, and how far it can be trusted.

    Attributes
    ----------
    name : str
        Name of the technology it becomes.
    kind : "pe" or "sram"
    form : "linear" or "quadratic"
        ``slope·x + intercept`` with x in BOPS per cycle (PE) or bits (SRAM), or
        ``quadratic·b² + linear·b + constant`` with the width b in bits.
    relative : bool
        Whether ``Σ((A − Â)/A)²`` was minimised in place of ``Σ(A − Â)²``.
    engine : int or None
        Multipliers of one kernel window of the PEs; None for SRAMs.
    source : str
        File name of the measurements.
    coefficients, standard_errors : mapping of str to float
        By name, in µm² per x, per bit² or per bit, and µm².
    r2 : float
        ``1 − Σ(A − Â)²/Σ(A − mean A)²`` of the areas themselves, whatever was minimised.
    calibrated : (low, high)
        Range of x (or of the width) that was measured.
    points : pandas.DataFrame
        The measurements with ``x``, ``fitted_um2``, ``residual_um2`` (measured − fitted),
        ``relative_error`` (fitted/measured − 1) and ``left_out_error``: the relative error at the
        point of the fit of all other points.
    max_relative_error, leave_one_out_error : float
        Largest magnitude of the two errors over all points.
    low_end_error, high_end_error : float
        Relative error at the smallest and at the largest x; the worst where several points share
        it.
    warnings : tuple of str
        What makes the fit suspect.
    """

    name: str
    kind: Literal["pe", "sram"]
    form: Literal["linear", "quadratic"]
    relative: bool
    engine: int | None
    source: str
    coefficients: Mapping[str, float]
    standard_errors: Mapping[str, float]
    r2: float
    calibrated: tuple[float, float]
    points: pd.DataFrame
    max_relative_error: float
    leave_one_out_error: float
    low_end_error: float
    high_end_error: float
    warnings: tuple[str, ...]

    @property
    def fit(self) -> AreaFit | QuadraticFit:
        """The fit as a technology holds it."""
        made = AreaFit if self.form == "linear" else QuadraticFit
        how = "relative least squares" if self.relative else "least squares"
        return made(
            **self.coefficients,
            r2=self.r2 if self.r2 >= 0 else None,
            calibrated=self.calibrated,
            source=f"{self.source}: {how} over {len(self.points)} points",
        )

    @property
    def formula(self) -> str:
        """The predicted area in µm², as ``153.46 + 1.694 · BOPS``."""
        fit = self.fit
        if isinstance(fit, QuadraticFit):
            return fit.formula()
        return fit.formula("BOPS" if self.kind == "pe" else "bits")

    @property
    def x_words(self) -> str:
        """What the area is fitted against, with its unit."""
        if self.form == "quadratic":
            return "width of both operands (bits)"
        return "bit operations (BOPS per cycle)" if self.kind == "pe" else "capacity (bits)"

    def area_um2(self, x: npt.ArrayLike) -> Floats:
        """Predicted area at ``x``: BOPS per cycle (PE), bits (SRAM), or the width (quadratic)."""
        coefficients = [*self.coefficients.values()]
        return np.asarray(np.polyval(coefficients, np.asarray(x)), dtype=np.float64)

    def technology(self, rest: Technology) -> Technology:
        """A technology of this fit; a PE fit takes its SRAMs from ``rest``, an SRAM fit its PE."""
        fit = self.fit
        named = replace(
            rest,
            name=self.name,
            node_nm=None,  # that of the measurements, which do not tell it
            source=f"{self.kind.upper()} fitted to {self.source}, the rest from {rest.name}",
        )
        if self.kind == "sram":
            assert isinstance(fit, AreaFit)
            pe = replace(rest.pe_area_um2, source=_of(rest, rest.pe_area_um2.source))
            return replace(named, pe_area_um2=pe, sram_fits={FITTED_SRAM: fit}, sram=FITTED_SRAM)
        assert self.engine is not None
        srams = {k: replace(f, source=_of(rest, f.source)) for k, f in rest.sram_fits.items()}
        return replace(named, pe_area_um2=fit, engine=self.engine, sram_fits=srams, pe_measured=())

    def save(self, path: str | Path, rest: Technology) -> None:
        """Write the technology (TOML) that ``solve`` accepts, whole or not at all.

        Parameters
        ----------
        rest : Technology
            Where the part that was not fitted comes from; the file says so.

        Raises
        ------
        SpecError
            The file cannot be written.
        """
        fitted, taken = ("PE", "SRAM") if self.kind == "pe" else ("SRAM", "PE")
        remarks = (
            f"{fitted} area: fitted to {self.source}; largest relative error "
            f"{100 * self.max_relative_error:.1f} %, leave-one-out "
            f"{100 * self.leave_one_out_error:.1f} %",
            f"{taken} area: not fitted, taken from technology {rest.name}",
        )
        write_atomically(Path(path), to_toml(self.technology(rest), remarks))

    def to_dict(self) -> dict[str, Any]:
        """All fields, the points as rows, as ``--json`` prints them (``codesign-fit/1``)."""
        record = {field.name: getattr(self, field.name) for field in fields(self)}
        return {"format": FORMAT, **record, "points": self.points.to_dict("records")}

    @done_by("results.plots.area_fit:plot_fit")
    def plot(self, path: str | Path | None = None) -> Figure:
        """Draw measurements, fit and relative errors; save where a path is given.

        Raises
        ------
        SpecError
            The picture cannot be written.
        """


def _of(rest: Technology, source: str) -> str:
    return f"{rest.name}: {source}" if source else rest.name
