"""Certificates checked: a proof of optimality recomputed with exact numbers, without a solver.

Enters: a certificate's content as JSON gives it.
Leaves: findings: what does not hold, or none.
Must not import: anything outside ``checking`` but errors; it shares no code with what it checks.
"""

FORMAT = "codesign-certificate/1"
