"""Sphinx: MyST sources, furo theme, API from docstrings."""

from importlib.metadata import version as _version

from fflabels.errors import REPOSITORY

project = "fflabels"
copyright = "2026, the fflabels developers"
release = version = _version("fflabels")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
html_theme = "furo"
html_title = f"fflabels {version}"
html_static_path = ["_static"]
html_theme_options = {"source_repository": REPOSITORY, "source_branch": "main", "source_directory": "docs/"}
exclude_patterns = ["_build"]
myst_heading_anchors = 3
myst_enable_extensions = ["dollarmath"]
autodoc_member_order = "bysource"
autodoc_typehints = "both"
autodoc_typehints_description_target = "documented"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
napoleon_google_docstring = False

# Of a console block only the commands are copied, without their $.
copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True
copybutton_remove_prompts = True
