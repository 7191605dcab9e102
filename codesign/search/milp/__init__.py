"""One hardware option, or the whole space, as an MILP: formulation, solvers, and what they find.

Enters: `Candidates` of an option and a `Goal`.
Leaves: the least-cost choice found, a lower bound that holds, and the solver's record.
Must not import: the search that asks; only ``highs`` knows highspy.
"""
