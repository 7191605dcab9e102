"""The problem: what is given, what is free to choose, what is minimised within which budgets.

Enters: descriptions of ``specs``, tables of ``quality``, words of the command line and of grids.
Leaves: a `Problem` that is checked as a whole, its section in files, `Goal`, the tolerances.
Must not import: a room further on; a problem does not know how it is solved or shown.
"""
