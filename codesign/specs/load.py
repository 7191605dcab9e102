"""Reads the descriptions in ``models/`` or in a file of the user's, and refuses what is not right.

The schema of a file is the dataclass it becomes; there is no second one.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TypeVar

from codesign.errors import SpecError
from codesign.files import expecting, read_toml
from codesign.specs.accelerator import Accelerator
from codesign.specs.decoder import Decoder, phase_in
from codesign.specs.fpga import AnyTechnology, kind_of_technology
from codesign.specs.network import Network
from codesign.specs.schema import nearest, parse
from codesign.specs.seam import done_by
from codesign.specs.technology import Memory

Spec = TypeVar("Spec")

KINDS = ("networks", "technologies", "memories", "accelerators")  # folders of ``models/``


@cache
def models_folder() -> Path:
    """The folder of shipped descriptions, installed inside the package or beside it."""
    installed = Path(str(files("codesign"))) / "models"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "models"


def shipped(kind: str) -> tuple[str, ...]:
    """Names of the shipped descriptions of a kind: a folder of ``models/``."""
    return tuple(sorted(path.stem for path in (models_folder() / kind).glob("*.toml")))


def load_network(
    name_or_path: str | Path,
    *,
    phase: str | None = None,
    tokens: int | None = None,
    context: int | None = None,
) -> Network:
    """Read a network: a string is a shipped name, a ``Path`` a TOML file or, in .onnx, an ONNX one.

    Of a decoder a phase, which may stand behind its name: ``gpt2@prefill:1024``,
    ``gpt2@decode:1024``.

    Parameters
    ----------
    phase : "prefill" or "decode", optional
        Of a decoder.
    tokens, context : int, optional
        Tokens of the prompt (prefill), and in the cache, the new one included (decode).

    Raises
    ------
    SpecError
        Unknown name, unreadable file, or a description that does not hold together; a phase of what
        is no decoder, one that is missing, or that does not suit it.
    """
    return in_phase(describe_network(name_or_path), phase, tokens, context)


def describe_network(name_or_path: str | Path) -> Network | Decoder:
    """Read a network, or a decoder whose phase is not said; see `load_network`.

    Raises
    ------
    SpecError
        Unknown name, unreadable file, or a description that does not hold together.
    """
    given, phase = phase_in(name_or_path)
    if isinstance(given, Path) and given.suffix.lower() == ".onnx" and phase is None:
        from codesign.specs.onnx import from_onnx

        return from_onnx(given)
    path = _path("networks", given)
    with expecting(path, "network", "onnx"):
        data = read_toml(path)
        kind: type[Network | Decoder] = Decoder if "decoder" in data else Network
        described: Network | Decoder = parse(kind, data, str(path))
    return described if phase is None else in_phase(described, *phase)


def in_phase(
    described: Network | Decoder,
    phase: str | None,
    tokens: int | None = None,
    context: int | None = None,
) -> Network:
    """A network as it is, or a phase of a decoder.

    Raises
    ------
    SpecError
        A phase of what is no decoder, one that is missing, or that does not suit it.
    """
    if isinstance(described, Decoder):
        return described.network(phase, tokens, context)
    for word, value in (("phase", phase), ("tokens", tokens), ("context", context)):
        if value is not None:
            raise SpecError(
                f"{word} {value}: only for a decoder by its parameters, which "
                f"{described.name!r} is not"
            )
    return described


def load_technology(name_or_path: str | Path, sram: str | None = None) -> AnyTechnology:
    """Read a technology, optionally with another of its SRAM kinds (``"dual-port"``).

    An `Fpga` where it describes one.

    Raises
    ------
    SpecError
        Unknown name or SRAM kind, unreadable file, or a description that does not hold together.
    """
    path = _path("technologies", name_or_path)
    with expecting(path, "technology"):
        data = read_toml(path)
        technology = parse(kind_of_technology(data), data, str(path))
    return technology if sram is None else technology.with_sram(sram)


def load_memory(name_or_path: str | Path) -> Memory:
    """Read a DRAM interface: a string is a shipped name, a ``Path`` is a TOML file.

    Raises
    ------
    SpecError
        Unknown name, unreadable file, or a description that does not hold together.
    """
    return _load("memories", Memory, name_or_path, "memory")


def load_accelerator(name_or_path: str | Path) -> Accelerator:
    """Read an accelerator: a string is a shipped name, a ``Path`` a TOML file.

    Or, in .json, a design file, whose hardware it is, or an evaluation file.

    Raises
    ------
    SpecError
        Unknown name, unreadable file, or a description that does not hold together.
    """
    path = _path("accelerators", name_or_path)
    with expecting(path, "accelerator", "design", "evaluation"):
        if path.suffix.lower() == ".json":
            return _accelerator_of_result(path)
        data = read_toml(path)
        if isinstance(data.get("technology"), str):
            try:
                data["technology"] = load_technology(data["technology"])
            except SpecError as error:
                raise SpecError(f"{path}: technology: {error}") from None
        return parse(Accelerator, data, str(path))


@done_by("results.load:accelerator_of")
def _accelerator_of_result(path: Path) -> Accelerator:
    """The accelerator of a design or evaluation file."""


def _load(folder: str, spec: type[Spec], name_or_path: str | Path, *kinds: str) -> Spec:
    path = _path(folder, name_or_path)
    with expecting(path, *kinds):
        return parse(spec, read_toml(path), str(path))


def _path(kind: str, name_or_path: str | Path) -> Path:
    """Where a description is."""
    if isinstance(name_or_path, Path):
        return name_or_path
    if not isinstance(name_or_path, str):
        raise SpecError(f"{kind}: give a shipped name or a Path, not {name_or_path!r}")
    known = shipped(kind)
    if name_or_path not in known:
        raise SpecError(
            f"{kind}: no {name_or_path!r}{nearest(name_or_path, known)} "
            f"(shipped: {', '.join(known)})"
        )
    return models_folder() / kind / f"{name_or_path}.toml"
