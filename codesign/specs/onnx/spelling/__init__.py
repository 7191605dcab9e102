"""Operators that are several plain ones, spelt out: a rule for each, and the table of `rules`.

Enters: nodes, shapes, types and constants, as far as they are known.
Leaves: plain nodes of the same results and the same multiplications.
Must not import: a room of `codesign.specs.onnx` further on.
"""
