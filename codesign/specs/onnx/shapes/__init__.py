"""The shape of every value, and what is said where one cannot be found.

Enters: a model whose inputs have sizes.
Leaves: a `codesign.specs.onnx.graph.graph.Graph`, every shape of which is whole numbers; or one
line on what is not decided or not known, and what would help.
Must not import: a room of `codesign.specs.onnx` further on.
"""
