"""Configuration of Sphinx."""

from importlib.metadata import version as installed

project = "augmoments"
author = "The augmoments developers"
copyright = "2026, The augmoments developers"
release = version = installed("augmoments")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
]
myst_enable_extensions = ["dollarmath"]
autodoc_typehints = "none"
autodoc_member_order = "bysource"
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = "augmoments"
html_static_path = ["_static"]
