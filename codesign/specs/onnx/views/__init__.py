"""Values that hold elements of another: repetitions, slices, parts. Nothing is stored for them.

Enters: nodes and the shapes of their operands.
Leaves: which element of an operand each element of a result is, where that is the same for all
inputs.
Must not import: a room of `codesign.specs.onnx` further on.
"""
