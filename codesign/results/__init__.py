"""What was found, as plain data: designs, evaluations, assignments, fronts, explanations, fits.

Enters: recomputed costs and proofs; files written earlier.
Leaves: frozen objects, their files and tables; as ``text``, ``plots``, ``html``.
Must not import: tasks, studies, commands. Data import no table, text or picture: ``specs/seam.py``.
"""
