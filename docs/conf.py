"""Sphinx: MyST sources, furo theme, API from docstrings."""

from importlib.metadata import version as _version

project = "fflabels"
copyright = "2026, the fflabels developers"
release = version = _version("fflabels")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_static_path = ["_static"]
exclude_patterns = ["_build"]
myst_heading_anchors = 3
myst_enable_extensions = ["dollarmath"]
autodoc_member_order = "bysource"
autodoc_typehints = "none"
napoleon_google_docstring = False
