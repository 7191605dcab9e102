"""An ONNX file quantised at the widths of a result, read back and run."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
from onnx import ModelProto, external_data_helper

from codesign.errors import SpecError
from codesign.exports.qdq import (
    aimet_encodings,
    check_model,
    quantised_model,
    to_quantise,
)
from codesign.exports.runtime import Labelled, Run, agreement, ranges_of
from codesign.files import reason
from codesign.specs.network import Network
from codesign.specs.onnx import import_onnx
from codesign.specs.onnx.read import Imported


@dataclass(frozen=True)
class QuantisedOnnx:
    """A quantised model, and what is known of it.

    Attributes
    ----------
    content : bytes
        Of its file.
    encodings : dict
        As of AIMET.
    read_back : dict of str to int
        Widths that `codesign.specs.onnx.import_onnx` reads of it.
    left : tuple of str
        Weights and tensors that no value of the file stands for.
    agreement : dict
        As of `codesign.exports.runtime.agreement`.
    """

    content: bytes
    encodings: dict[str, Any]
    read_back: dict[str, int]
    left: tuple[str, ...]
    agreement: dict[str, dict[str, Any]]

    def differing(self, widths: Mapping[str, int]) -> dict[str, int | None]:
        """What is read back otherwise than it was chosen, of all that is quantised."""
        return {
            source: self.read_back.get(source)
            for source, bits in widths.items()
            if source not in self.left and self.read_back.get(source) != bits
        }


def load_model(path: Path) -> ModelProto:
    """A whole model, its data included.

    Raises
    ------
    SpecError
        Unreadable, or its data are.
    """
    try:
        model = onnx.load(path, format="protobuf", load_external_data=False)
        external_data_helper.load_external_data_for_model(model, str(path.parent))
        return model
    except Exception as error:
        why = reason(error) if isinstance(error, OSError) else str(error).partition("\n")[0][:200]
        raise SpecError(f"{path}: cannot be read: {why}") from None


def check_same_network(path: Path, imported: Network, network: Network) -> None:
    """Refuse a file of another network than the result's.

    Raises
    ------
    SpecError
    """
    if imported.layers != network.layers or dict(imported.tensors) != dict(network.tensors):
        raise SpecError(
            f"{path}: not the network of the design, {network.name!r}; give the file, --batch, "
            "--dim and --input that it was solved with"
        )


def quantise_onnx(
    model: ModelProto,
    imported: Imported,
    asked: Mapping[str, Any],
    widths: Mapping[str, int],
    runs: Sequence[Run],
    labelled: Labelled | None = None,
) -> QuantisedOnnx:
    """Quantise a model, have ONNX check it, read it back, and run it beside the original.

    Parameters
    ----------
    asked : mapping
        How it was imported: the keyword arguments of `codesign.specs.onnx.import_onnx`.
    widths : mapping of str to int
        By ``weight:<layer>`` and ``tensor:<tensor>``.
    runs : sequence of mappings of str to array
        Inputs, which ranges come from.
    labelled : Labelled, optional
        Inputs that results are compared on, with what is right; else they are those of ``runs``.

    Raises
    ------
    SpecError
        As of `quantised_model`, or a model that is refused by ONNX or ONNX Runtime, or that the
        importer reads as another network.
    """
    values, left = to_quantise(imported, model)
    found, encodings = quantised_model(model, imported, widths, ranges_of(model, values, runs))
    check_model(found)
    try:
        content = found.SerializeToString()
    except ValueError as error:
        raise SpecError(f"the quantised model cannot be written: {error}") from None
    with tempfile.TemporaryDirectory(prefix="codesign-") as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(content)
        again = import_onnx(path, **asked)
    names = [layer.name for layer in imported.network.layers]
    if [layer.name for layer in again.network.layers] != names:
        raise SpecError("the quantised model is read as a network of other layers")
    on, labels = (runs, None) if labelled is None else labelled
    agreed = agreement(model, found, on, labels)
    return QuantisedOnnx(content, aimet_encodings(encodings), again.pins, left, agreed)
