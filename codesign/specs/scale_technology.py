"""A technology on another node of CMOS, by published factors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import TypeVar

from codesign.errors import SpecError
from codesign.specs.layer import MAX_NAME
from codesign.specs.node_scaling import SOURCE, node_factors
from codesign.specs.technology import AreaFit, Energies, QuadraticFit, Scaling, Technology

Fit = TypeVar("Fit", bound=AreaFit | QuadraticFit)

PER_OPERATION = ("j_per_bop", "j_per_mac", "sram_read_j_per_bit", "sram_write_j_per_bit")
COEFFICIENTS = ("slope", "intercept", "quadratic", "linear", "constant")


def scale(technology: Technology, node_nm: float, name: str | None = None) -> Technology:
    """The technology with areas and energies scaled to another node, which says that they are.

    The fits of PEs and of all kinds of SRAM are multiplied, intercepts included; what a fit was
    calibrated for, in bits and bit operations, stays. Energies of operations are multiplied; static
    power is left out, for the factors do not describe it, and so are published areas of single
    PEs: scaled, they would be published nowhere.

    Parameters
    ----------
    technology : Technology
        One whose node is known, and whose areas are its own.
    node_nm : float
        From 7 to 180.
    name : str or None
        ``<name>-scaled-<node>nm`` if left out.

    Raises
    ------
    SpecError
        A node that is unknown, outside or the technology's own, or a technology scaled before.
    """
    own, earlier = technology.node_nm, technology.scaled_from
    if own is None:
        raise SpecError(
            f"technology {technology.name!r}: its node is not known; give its file a node_nm"
        )
    if earlier is not None:
        raise SpecError(
            f"technology {technology.name!r} is scaled from {earlier.name!r} already: scale that, "
            "so that factors are rounded once"
        )
    if node_nm == own:
        raise SpecError(f"technology {technology.name!r} is one of {own:g} nm already")
    factors = node_factors(own, node_nm)
    return replace(
        technology,
        name=(name or f"{technology.name}-scaled-{node_nm:g}nm")[:MAX_NAME],
        node_nm=node_nm,
        scaled_from=Scaling(
            name=technology.name,
            node_nm=own,
            area_factor=factors.area,
            energy_factor=factors.energy,
            source=SOURCE,
        ),
        pe_area_um2=_scaled(technology.pe_area_um2, factors.area, own),
        sram_fits=_scaled_all(technology.sram_fits, factors.area, own),
        pe_measured=(),
        energy=_scaled_energies(technology.energy, factors.energy, own),
        source=f"scaled from {own:g} nm ({SOURCE}) of: {technology.source}",
    )


def _scaled_all(fits: Mapping[str, AreaFit], factor: float, own_nm: float) -> dict[str, AreaFit]:
    return {kind: _scaled(fit, factor, own_nm) for kind, fit in fits.items()}


def _scaled_energies(given: Energies | None, factor: float, own_nm: float) -> Energies | None:
    """Energies of operations multiplied, without static power."""
    if given is None:
        return None
    known = {name: getattr(given, name) for name in PER_OPERATION}
    scaled = {name: None if x is None else factor * x for name, x in known.items()}
    source = f"{given.source or 'no source'}; scaled from {own_nm:g} nm"
    return replace(given, **scaled, static_w=None, static_w_per_mm2=None, source=source)


def _scaled(fit: Fit, factor: float, own_nm: float) -> Fit:
    """A fit with all its coefficients multiplied."""
    names = [field.name for field in fields(fit) if field.name in COEFFICIENTS]
    source = f"{fit.source or 'no source'}; scaled from {own_nm:g} nm"
    return replace(fit, **{name: factor * getattr(fit, name) for name in names}, source=source)
