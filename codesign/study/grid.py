"""The words of a grid: what a study may vary, how each value is read, and which cells that makes.

The words are those of ``codesign solve``'s options, with underscores and the same checks, and
``networks``, ``technologies``, ``memories``. A list is an axis, anything else holds for every
cell. Options that take a list themselves (``bits``, ``rows``, …) have it written as one value:
``"4,6,8"`` or, within an axis, ``[4, 6, 8]``. A list within the axis ``networks`` is a suite, and
limits of its networks may be told apart: ``"resnet18=2,vgg16=8"``. ``dim`` and ``input`` vary
nothing: they are said of all networks that are .onnx files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from functools import partial
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

from codesign.errors import SpecError
from codesign.files import sha256
from codesign.problem.posed import by_name
from codesign.problem.readers import (
    Reader,
    cycle_factor,
    dim,
    group,
    limits,
    model_input,
    pin,
)
from codesign.problem.words import (
    ALL_WORDS,
    DEFAULTS,
    LIMITS,
    PHASE_WORDS,
    SOLVE_CONTRADICTIONS,
    name_or_path,
)
from codesign.quality import read_sensitivity, uniform_bits
from codesign.specs.decoder import Decoder
from codesign.specs.load import describe_network, in_phase, load_memory, load_technology
from codesign.specs.network import Network
from codesign.specs.schema import nearest
from codesign.specs.technology import Memory, Technology
from codesign.study.suites import is_suite, read_suite

Label = str | int | float | bool | None
Located = Callable[[Path], Path]  # where a path of a grid leads; raises `SpecError`, if nowhere

PLATFORM: dict[str, tuple[Any, Any]] = {
    "network": (Network | Decoder, describe_network),
    "technology": (Technology, load_technology),
    "memory": (Memory, load_memory),
}
PLURALS = {"networks": "network", "technologies": "technology", "memories": "memory"}
GRID_WORDS = {  # a grid's networks bring no weights to measure
    name: word for name, word in ALL_WORDS.items() if name != "granularity"
}
OF_ONNX = {"dim": dim, "input": model_input}
VOCABULARY = ("network", *GRID_WORDS)
LISTS = {name for name, word in GRID_WORDS.items() if word.is_list}
MAX_CELLS = 1_000_000  # a quarter of an hour to write down


@dataclass(frozen=True)
class Value:
    """One value on an axis: as a table shows it, and as the problem takes it."""

    label: Label
    given: Any


@dataclass(frozen=True)
class Cell:
    """One point of a grid: a value for every word, shown and taken."""

    parameters: dict[str, Label]
    given: dict[str, Any]


def read_grid(grid: Mapping[str, Any], located: Located = Path) -> dict[str, tuple[Value, ...]]:
    """The axes of a grid, in the order of `VOCABULARY`; single values are axes of one.

    Parameters
    ----------
    located : callable
        Where a path of the grid leads; raises `SpecError` for one that may not be read.

    Raises
    ------
    SpecError
        An unknown word, a value that the option of that name refuses, words that contradict each
        other, no network, or too many cells.
    """
    axes: dict[str, tuple[Value, ...]] = {}
    given = {f"{key}s": _named(key, grid[key]) for key in OF_ONNX if grid.get(key) is not None}
    met: list[Path] = []  # .onnx files
    read = partial(_network, given, met)
    for key, raw in grid.items():
        if key in OF_ONNX:
            continue
        word = PLURALS.get(key, key)
        if word not in VOCABULARY:
            known = tuple(dict.fromkeys((*PLURALS, *VOCABULARY[1:], *OF_ONNX)))
            raise SpecError(f"unknown {key!r}{nearest(key, known)} (known: {', '.join(known)})")
        if word in axes:
            raise SpecError(f"{key}: {word} is given twice")
        axes[word] = _axis(key, word, raw, located, read)
    if "network" not in axes:
        raise SpecError("networks: missing")
    if given and not met:
        raise SpecError(f"{' and '.join(x[:-1] for x in given)}: no network is an .onnx file")
    _check_phases(axes)
    said = {*axes}
    if [value.given for value in axes.get("quality", ())] == ["none"]:  # excludes nothing
        said.remove("quality")
    for one, other in SOLVE_CONTRADICTIONS:
        if one in said and other in said:
            raise SpecError(f"{one} and {other} contradict each other")
    if (number := prod(map(len, axes.values()))) > MAX_CELLS:
        raise SpecError(f"{number:.3g} cells; a study has at most {MAX_CELLS:,}, shorten its axes")
    return {word: axes[word] for word in VOCABULARY if word in axes}


def _check_phases(axes: Mapping[str, tuple[Value, ...]]) -> None:
    """Refuse decoders whose phase no word says, and words on phases where there is no decoder."""
    networks = [value.given for value in axes["network"]]
    decoders = [each for each in networks if isinstance(each, Decoder)]
    if decoders and "phase" not in axes:
        in_phase(decoders[0], None)
    for word in PHASE_WORDS:
        if word in axes and not decoders and any(x.given is not None for x in axes[word]):
            raise SpecError(f"{word}: only for a decoder by its parameters; no network is one")


def cells(axes: Mapping[str, tuple[Value, ...]]) -> Iterator[Cell]:
    """Every combination, the last axis running fastest."""
    for values in product(*axes.values()):
        named = dict(zip(axes, values, strict=True))
        yield Cell(
            parameters={word: value.label for word, value in named.items()},
            given={word: value.given for word, value in named.items()},
        )


def _axis(
    key: str, word: str, raw: Any, located: Located, network: Callable[[Any], Any]
) -> tuple[Value, ...]:
    """All values of one word, each once."""
    read = _reader(word, located, network)
    if isinstance(raw, Set):
        raise SpecError(f"{key}: a set has no order; give a list")
    if not isinstance(raw, Iterable) or isinstance(raw, str | bytes | Mapping):
        return (_value(key, word, raw, read),)
    found: dict[Label, Value] = {}
    for index, entry in enumerate(raw):
        if word in LISTS and not isinstance(entry, str | Iterable):
            raise SpecError(
                f"{key}: a list holds the values of an axis; write [[4, 6, 8]] or '4,6,8' for one "
                "value that is a list itself"
            )
        value = _value(f"{key}[{index}]", word, entry, read)
        if found.setdefault(value.label, value) != value:
            raise SpecError(f"{key}: two different ones are called {value.label!r}")
    if not found:
        raise SpecError(f"{key}: an axis without values")
    return tuple(found.values())


def _value(where: str, word: str, raw: Any, read: Callable[[Any], Value]) -> Value:
    """One value, left out or read; what is wrong with it says where it stands."""
    try:
        left_out = raw is None and word != "network"
        value = Value(None, DEFAULTS[word]) if left_out else read(raw)
        str(value.label).encode()  # the name of a file may be no text
    except ValueError as error:  # of a reader; also a number of thousands of digits
        raise SpecError(f"{where}: {str(error).rstrip('.')}") from None
    except SpecError as error:
        raise SpecError(f"{where}: {error}") from None
    return value


def _reader(word: str, located: Located, network: Callable[[Any], Any]) -> Callable[[Any], Value]:
    """How one value of a word is read."""
    if word in PLATFORM:
        return partial(_described, word, located, network)
    if word == "sensitivity":
        return partial(_sensitivity, located)
    if word == "pin":
        return _pins
    if word == "group":
        return _groups
    if word == "cycle_factor":
        return _factors
    read = GRID_WORDS[word].read
    return _flag if read is None else partial(_converted, word, read)


def _network(given: Mapping[str, Any], met: list[Path], source: Any) -> Any:
    """A network by its name or file; ``met`` are .onnx files, which what is given is said of."""
    if given and isinstance(source, Path) and source.suffix.lower() == ".onnx":
        from codesign.specs.onnx import from_onnx

        met.append(source)
        return from_onnx(source, **given)
    return describe_network(source)


def _named(key: str, raw: Any) -> dict[str, Any]:
    """``{x: 8}``, ``"x=8"`` or a list of such words: of dimensions or inputs of .onnx files."""
    try:
        words = [f"{x}={value}" for x, value in raw.items()] if isinstance(raw, Mapping) else raw
        pairs = [OF_ONNX[key](text) for text in _words(words)]
    except ValueError as error:
        raise SpecError(f"{key}: {str(error).rstrip('.')}") from None
    except SpecError as error:
        raise SpecError(f"{key}: {error}") from None
    return by_name(pairs, f"{key}: {{}} is given as {{}} and as {{}}")


def _described(word: str, located: Located, network: Callable[[Any], Any], raw: Any) -> Value:
    """A network, technology or memory: given, or read by its name or from its file."""
    if word == "network" and is_suite(raw):
        one = partial(_described, word, located, network)
        return Value(*read_suite(raw, lambda each: _parts(one(each))))
    kind, load = PLATFORM[word]
    load = network if word == "network" else load
    if isinstance(raw, kind):
        return Value(raw.name, raw)
    if not isinstance(raw, str | Path):
        raise SpecError(f"{raw!r} is neither a name nor a file nor a {word.title()}")
    source = name_or_path(raw) if isinstance(raw, str) else raw
    return Value(str(raw), load(located(source) if isinstance(source, Path) else source))


def _parts(value: Value) -> tuple[Label, Any]:
    return value.label, value.given


def _flag(raw: Any) -> Value:
    if not isinstance(raw, bool):
        raise SpecError(f"{raw!r} is neither true nor false")
    return Value(raw, raw)


def _converted(word: str, read: Reader, raw: Any) -> Value:
    """A value read as the command line reads it; ``none`` is that of an option left out."""
    if word in LISTS and not isinstance(raw, str) and isinstance(raw, Iterable):
        text = ",".join(map(_text, raw))
    else:
        text = _text(raw)
    if text == "none" and DEFAULTS[word] is None and word != "quality":
        return Value(None, None)
    if word == "quality" and text != "none" and not {*"=,"} & {*text}:
        uniform_bits(text)
    if (word in LIMITS or word == "min_fps") and "=" in text:
        return Value(text, limits([text], read))
    given = read(text)
    return Value(",".join(map(str, given)) if isinstance(given, tuple) else given, given)


def _text(raw: Any) -> str:
    """A word or number as the command line would have it."""
    if isinstance(raw, str):
        return raw
    number = re.fullmatch(r"[-+.\w]+", str(raw)) if not isinstance(raw, bool | Mapping) else None
    if number is None:
        raise SpecError(f"{raw!r} is neither a number nor a word")
    return str(raw)


def _pins(raw: Any) -> Value:
    """``{"weight:conv1": 8}``, ``"weight:conv1=8"``, ``"chip:conv1.out"`` or a list of words."""
    if isinstance(raw, Mapping):
        words = [f"{key}={bits}" for key, bits in raw.items()]
    else:
        words = _words(raw)
    pins = sorted((pin(text) for text in words), key=lambda each: (type(each[1]) is str, each))
    labels = (f"{x}={value}" if isinstance(value, int) else f"{value}:{x}" for x, value in pins)
    return Value(" ".join(labels), tuple(pins))


def _groups(raw: Any) -> Value:
    """``"weight:conv1,weight:conv2"`` or a list of such words, one for each group."""
    groups = tuple(group(text) for text in _words(raw))
    return Value(" ".join(",".join(members) for members in groups), groups)


def _factors(raw: Any) -> Value:
    """``{"3x3": "4/9"}``, ``"3x3=4/9"`` or a list of such words."""
    words = [f"{x}={factor}" for x, factor in raw.items()] if isinstance(raw, Mapping) else raw
    factors = tuple(sorted(cycle_factor(text) for text in _words(words)))
    return Value(" ".join("=".join(each) for each in factors), factors)


def _words(raw: Any) -> list[str]:
    """One word, or a list of them."""
    words = [raw] if isinstance(raw, str) else raw
    if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words):
        raise SpecError(f"{raw!r} is neither a word nor a list of words")
    return [*words]


def _sensitivity(located: Located, raw: Any) -> Value:
    """A table of noise: of a file, shown by its path, or shown by the first digits of its hash."""
    if raw == "none":
        return Value(None, None)
    if isinstance(raw, str | Path):
        return Value(str(raw), read_sensitivity(located(Path(raw))))
    if not isinstance(raw, Mapping) or not all(isinstance(row, Mapping) for row in raw.values()):
        raise SpecError("write a table of noise by bits for each tensor, {'weight:conv1': {8: …}}")
    table: dict[str, dict[int, Any]] = {}
    for source, row in raw.items():
        for bits, noise in row.items():
            if not str(bits).isdecimal():
                raise SpecError(f"{source}: {bits!r} is no bitwidth")
            table.setdefault(str(source), {})[int(bits)] = noise
    text = json.dumps(table, sort_keys=True, default=str)
    return Value(sha256(text)[:8], table)
