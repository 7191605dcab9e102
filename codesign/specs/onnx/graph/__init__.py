"""A file's graph: operator nodes over named values, read, put in order, and written.

Enters: a file, sizes of symbolic dimensions, values of inputs.
Leaves: a model of checked, sorted nodes; what is known of each operator; constants that are
computed; and a writer of plain nodes, for rooms that put some in place of others.
Must not import: a room of `codesign.specs.onnx` further on.
"""
