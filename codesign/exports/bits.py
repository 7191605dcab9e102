"""The bitwidths of a result for tools that quantise networks, in the words of each.

- Brevitas: keyword arguments of a layer of ``brevitas.nn``, as in ``QuantConv2d(…,
  weight_bit_width=4)``; those of input and output count where that layer is given a quantiser of
  its input or output.
- Model Compression Toolkit: bits by name of a layer, for
  ``BitWidthConfig.set_manual_weights_bit_width`` and ``…_activation_bit_width``; an activation
  belongs to the layer that writes it.

Biases are not counted by the cost model, and get no width here.

Source: documentation of Brevitas (brevitas.nn) and of the Model Compression Toolkit
(BitWidthConfig).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codesign.errors import printable
from codesign.results.text.layout import counted, percent
from codesign.specs.network import Network

FORMAT = "codesign-bits/1"


def bit_assignment(network: Network, widths: Mapping[str, int]) -> dict[str, Any]:
    """The content of the file.

    Parameters
    ----------
    widths : mapping of str to int
        By ``weight:<layer>`` and ``tensor:<tensor>``, as `Design.widths`.
    """
    layers, brevitas = [], {}
    weights, activations = dict[str, int](), dict[str, int]()
    for layer in network.layers:
        read, written = widths[f"tensor:{layer.input}"], widths[f"tensor:{layer.output}"]
        own = None if layer.moves else widths[layer.weight_source]
        layers.append(
            {
                "name": layer.name,
                "weight_bits": own,
                "weights_of": layer.weight_source if own is not None else None,
                "input": layer.input,
                "input_bits": read,
                "output": layer.output,
                "output_bits": written,
            }
        )
        activations[layer.name] = written
        if layer.uses_weights and own is not None:
            weights[layer.name] = own
            brevitas[layer.name] = {
                "weight_bit_width": own,
                "input_bit_width": read,
                "output_bit_width": written,
            }
    return {
        "format": FORMAT,
        "network": network.name,
        "layers": layers,
        "tensors": {name: widths[f"tensor:{name}"] for name in network.tensors},
        "brevitas": brevitas,
        "model_compression_toolkit": {"weights": weights, "activations": activations},
    }


def report_lines(report: Mapping[str, Any]) -> list[str]:
    """What was written, and how close the quantised model is, in lines."""
    lines = [f"wrote {', '.join(map(printable, report['files']))}"]
    if "results" not in report:
        return lines
    runs, told = report["runs"], f"{report['quantised']} weights and tensors quantised"
    inputs = counted(runs["count"], "random input" if runs["random"] else "given input")
    results = "" if runs["labelled"] is None else f", results on {runs['labelled']:,} with labels"
    lines.append(f"{told}, ranges{'' if results else ' and results'} on {inputs}{results}")
    for name, each in report["results"].items():
        sqnr = "no difference" if each["sqnr_db"] is None else f"SQNR {each['sqnr_db']:.2f} dB"
        same = each["same_largest"]
        largest = "" if same is None else f", the same entry is largest in {percent(same)}"
        lines.append(f"result {printable(name)}: {sqnr}{largest}")
        if (right := each["accuracy"]) is not None:
            shares = f"{percent(right['quantised'])}, {percent(right['float'])} before"
            lines.append(
                f"result {printable(name)}: accuracy {shares}, of {counted(right['rows'], 'label')}"
            )
    for name in report["not_in_the_file"]:
        lines.append(f"note: {printable(name)}: no value of the file stands for it, not quantised")
    for name, bits in report["read_back_otherwise"].items():
        read = "no width" if bits is None else f"{bits} bit"
        lines.append(f"note: {printable(name)}: read back with {read}")
    return lines
