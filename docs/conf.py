"""Sphinx: MyST sources, furo theme, API from docstrings."""

from importlib.metadata import version as _version

from sphinx.application import Sphinx

from fflabels.errors import REPOSITORY

project = "fflabels"
copyright = "2026, the fflabels developers"
release = version = _version("fflabels")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
html_theme = "furo"
html_title = f"fflabels {version}"
html_static_path = ["_static"]
html_css_files = ["css/tables.css"]
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


def setup(app: Sphinx) -> None:
    """Keep figures of tables, such as 84.22 ± 0.20, on one line."""
    app.connect("source-read", _keep_figures_whole)


def _keep_figures_whole(_app: Sphinx, _name: str, source: list[str]) -> None:
    lines = source[0].split("\n")
    source[0] = "\n".join(
        line.replace(" ± ", "\u00a0±\u00a0").replace(" … ", "\u00a0…\u00a0") if line.startswith("|") else line
        for line in lines
    )
