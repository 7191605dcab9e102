"""What a file declares beside its network: widths, weights, and notes on what was decided.

Enters: a graph, its layout, and the network.
Leaves: pins of widths, weights that are read when asked for, sentences.
Must not import: `codesign.specs.onnx.read`.
"""
