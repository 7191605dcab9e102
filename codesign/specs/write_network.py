"""Writes a network: as the TOML file that `load_network` reads, and as a section of results."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, fields
from typing import Any

from codesign.specs.network import Layer, Member, Network
from codesign.specs.toml_text import comments, key, quoted, value_text

# One line per layer: these keys in this order, each in a column of its own.
COLUMNS = (
    *("name", "input", "output", "N", "G", "K", "C", "P", "Q", "H", "W", "R", "S"),
    *("stride", "dilation", "input_dilation", "input_repetition", "appended", "moves"),
    *("residuals", "weight_tensor", "weights_of", "parts"),
)

# In results only where they say something: of a layer, and of the network.
LATER: dict[str, object] = {"weights_of": None, "input_repetition": 1}
LATER_OF_NETWORK: dict[str, object] = {"cache": (), "tokens": None, "members": ()}


def network_record(network: Network) -> dict[str, Any]:
    """Its fields as plain data; of later fields those that are not as by default."""
    content = asdict(network)
    del content["model"]  # a suite has made weights_of of it
    for name, plain in LATER_OF_NETWORK.items():
        if content[name] == plain:
            del content[name]
    for layer in content["layers"]:
        for name, plain in LATER.items():
            if layer[name] == plain:
                del layer[name]
    for member in content.get("members", ()):
        if member["tokens"] is None:
            del member["tokens"]
    return content


def to_toml(network: Network, remarks: Iterable[str] = ()) -> str:
    """The file's text: remarks as comments first; what has its default value is left out."""
    lines = comments(remarks)
    lines += [f"name = {quoted(network.name)}"]
    lines += [f"source = {quoted(network.source)}"] if network.source else []
    lines += [f"cache = {value_text(network.cache)}"] if network.cache else []
    lines += [] if network.tokens is None else [f"tokens = {network.tokens}"]
    lines += [] if network.model is None else [f"model = {quoted(network.model)}"]
    lines += [*_members(network.members)]
    lines += ["layers = [", *_layers(network.layers), "]", "", "[tensors]  # elements"]
    keys = [key(name) for name in network.tensors]
    width, digits = max(map(len, keys)), max(len(str(n)) for n in network.tensors.values())
    lines += [
        f"{name:{width}} = {elements:{digits}}"
        for name, elements in zip(keys, network.tensors.values(), strict=True)
    ]
    return "\n".join(lines) + "\n"


def _members(members: Iterable[Member]) -> list[str]:
    each = ({k: x for k, x in asdict(member).items() if x is not None} for member in members)
    rows = [f"    {value_text(member)}," for member in each]
    return ["members = [", *rows, "]"] if rows else []


def _layers(layers: Iterable[Layer]) -> list[str]:
    rows = [_entries(layer) for layer in layers]
    used = [column for column in COLUMNS if any(column in row for row in rows)]
    digits = {
        column: max(len(row[column]) for row in rows if column in row and row[column].isdecimal())
        for column in used
        if any(row.get(column, "").isdecimal() for row in rows)
    }
    lines = [""] * len(rows)
    for column in used:
        cells = [
            f"{column} = {row[column]:>{digits.get(column, 0)}}, " if column in row else ""
            for row in rows
        ]
        width = max(map(len, cells))
        lines = [line + f"{cell:{width}}" for line, cell in zip(lines, cells, strict=True)]
    return [f"    {{ {line.rstrip().rstrip(',')} }}," for line in lines]


def _entries(layer: Layer) -> dict[str, str]:
    """What a layer's line says, key by key."""
    plain = Layer(name=layer.name, K=layer.K, C=layer.C, input=layer.input, output=layer.output)
    always = ("name", "input", "output", "K", "C")
    return {
        field.name: value_text(getattr(layer, field.name))
        for field in fields(layer)
        if field.name in always or getattr(layer, field.name) != getattr(plain, field.name)
    }
