"""Proves the optimum of the whole declared space, one goal after the other.

Enters: a space (`space`), and for each goal a metric to minimise within limits.
Leaves: an incumbent with a lower bound for every hardware option, or which limits clash.
Holds: lower bounds by Lagrangian relaxation (`bounds`), the MILP and its solvers (`milp`).
Must not import: results, tasks, study, cli, checking.
"""
