"""Pictures of results, told apart by shape or grey level too, as a black-and-white print needs.

Enters: results, or the outlines that files keep.
Leaves: matplotlib figures, and their files (png, pdf, svg).
Must not import: tasks, studies, commands. Only here and in ``study/plot.py`` is matplotlib.
"""
