"""Which tensors are stored, which layer writes them, and the network that this makes.

Enters: a graph, views, loops.
Leaves: groups of values that one tensor serves, drafts of layers and the parts that they touch,
and the `Network`.
Must not import: a room of `codesign.specs.onnx` further on.
"""
