"""What can be asked of the package: solve, pareto, assign, evaluate, explain, compare,
certify, fit_area.

Enters: problems, networks on accelerators, designs to explain, measurements to fit.
Leaves: results, each recomputed layer by layer from what the search found, with its proof.
Must not import: studies or commands.
"""
