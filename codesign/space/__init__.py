"""The declared space of a problem as arrays: hardware options, bitwidths, tilings, and costs.

Enters: a `Problem` (with a table of latencies, where no hardware is chosen).
Leaves: options, staircases of SRAM against traffic, candidates of an MILP, the best tensors to keep
on chip and layers to fuse where all else is given, priced solutions.
Must not import: a room further on; nothing here decides which hardware or widths are better.
"""
