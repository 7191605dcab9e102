"""ONNX files as networks of MAC layers.

Enters: a file, sizes for its symbolic dimensions.
Leaves: a `Network`, the widths the file declares, its weights, and notes on what was decided.
Must not import: anything further on; the package ``onnx`` is loaded when a file is read.

`read` has the way of a file in order. The rooms it passes, each from those above it alone:

    graph       the file: nodes, operators, constants; a writer of nodes
    control     branches, loops and sequences, decided
    spelling    operators that are several plain ones, spelt out
    shapes      the shape of every value; what is not decided, or not known
    views       values that hold elements of another
    products    what a node multiplies, as loops
    storage     tensors, layers, the network
    declared    widths, weights and notes
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from codesign.errors import SpecError
from codesign.files import expecting

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from codesign.specs.network import Network
    from codesign.specs.onnx.read import Imported

__all__ = ["from_onnx", "import_onnx"]


def from_onnx(
    path: str | Path,
    *,
    batch: int | None = None,
    dims: Mapping[str, int] | None = None,
    inputs: Mapping[str, ArrayLike] | None = None,
    ignore_unknown: bool = False,
) -> Network:
    """Read an ONNX file as a network.

    Needs the package ``onnx`` (``pip install 'codesign[onnx]'``), no runtime. Weights are not
    loaded, and may be missing where they are stored beside the file.

    Parameters
    ----------
    path : str or Path
    batch : int, optional
        Images at once: the size of the first dimension of the first input where that is symbolic,
        else a factor on everything, as in `Network.batched`.
    dims : mapping of str to int, optional
        Sizes of symbolic dimensions by name, or as ``<input>.<axis>``.
    inputs : mapping of str to number or array
        Values of inputs that decide what runs: a sampling rate, a shape. They are constants then.
    ignore_unknown : bool
        Take operators that are not known to keep their data in place if they have one operand of
        the result's size, else to move them; a warning says which.

    Raises
    ------
    SpecError
        Not a valid ONNX file of a supported version; sizes that are missing; sizes or control flow
        that depend on data; unknown operators; or no layer that multiplies.
    """
    import warnings

    found = import_onnx(path, batch=batch, dims=dims, inputs=inputs, ignore_unknown=ignore_unknown)
    for warning in found.warnings:
        warnings.warn(warning, stacklevel=2)
    return found.network


def import_onnx(
    path: str | Path,
    *,
    batch: int | None = None,
    dims: Mapping[str, int] | None = None,
    inputs: Mapping[str, ArrayLike] | None = None,
    ignore_unknown: bool = False,
) -> Imported:
    """Read an ONNX file as `from_onnx` does, with what else it says: widths, notes, weights."""
    try:
        import onnx  # noqa: F401
    except ModuleNotFoundError as error:
        raise SpecError(
            f"{path}: reading ONNX needs {error.name!r}: pip install 'codesign[onnx]'"
        ) from None
    from codesign.specs.onnx.read import read

    with expecting(Path(path), "onnx"):
        return read(
            Path(path),
            batch=batch,
            dims=dims or {},
            inputs=inputs or {},
            ignore_unknown=ignore_unknown,
        )
