"""How Sphinx makes the pages that `build` has laid out; see there."""

from __future__ import annotations

from dataclasses import is_dataclass
from typing import Any

import codesign

project = "codesign"
author = "The codesign developers"
release = version = codesign.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = "codesign"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False
html_theme_options = {"navigation_with_keys": True}

highlight_language = "none"
smartquotes_action = "D"  # dashes alone
myst_heading_anchors = 3

default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_class_signature = "separated"
napoleon_use_ivar = True
napoleon_use_rtype = False

nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_in_temp = True
nb_execution_timeout = 600  # seconds, of a cell
nb_merge_streams = True
nb_kernel_rgx_aliases = {".*": "python3"}


def setup(app: Any) -> None:
    """Have docstrings read as they are meant, before napoleon reads them."""
    app.connect("autodoc-process-docstring", as_meant, priority=400)


def as_meant(app: Any, what: str, name: str, value: object, options: Any, lines: list[str]) -> None:
    """Fields of data are what it is made of; a property's first line has no type before a colon."""
    if what == "property":
        lines[:0] = ["..", ""]  # an empty comment
    if what == "class" and is_dataclass(value):
        lines[:] = ["Parameters" if line == "Attributes" else line for line in lines]
