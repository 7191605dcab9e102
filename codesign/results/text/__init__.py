"""Results, specs and reports of checks as text: rich tables and lines; nothing prints.

Enters: results and specs, or the outlines that files keep.
Leaves: parts that `layout.to_text` fits to a terminal or a file, and `to_html` to a notebook.
Must not import: pictures, tasks, studies, commands.
"""
