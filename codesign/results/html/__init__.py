"""Results as pages for a browser: one self-contained file each, which asks nobody for anything.

Enters: results, and the tables and lines that ``text`` makes of them.
Leaves: HTML. Names from files are escaped in markup, in scripts' data and in charts alike.
Must not import: pictures, tasks, studies, commands. Charts are Plotly's, whose program is inlined.
"""
