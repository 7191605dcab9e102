"""Control flow and lists, decided: branches that run, turns one by one, elements by position.

Enters: nodes that hold bodies, or sequences of values; what is known of their operands.
Leaves: plain nodes in their place.
Must not import: a room of `codesign.specs.onnx` further on.
"""
