"""Lower bounds on many hardware options at once: relaxations and Lagrangian duals.

Enters: tables of cost by layer and bitwidths (`Batch`), limits.
Leaves: bounds that hold for every design of an option, multipliers, and reduced costs.
Must not import: an MILP, or the search that uses the bounds.
"""
