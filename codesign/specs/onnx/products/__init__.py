"""What a node multiplies, as the loops of a layer.

Enters: nodes, shapes, and views of their operands.
Leaves: loops, of rows and columns also where a convolution has more axes; padding that windows
alone look at; and products that read a repeated operand once.
Must not import: a room of `codesign.specs.onnx` further on.
"""
