"""Configuration of Sphinx."""

import os
import sys
from importlib.metadata import version as installed
from pathlib import Path

HERE = Path(__file__).parent
sys.path += [str(HERE), str(HERE.parent / "tests")]
os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # nothing is looked up while examples run

import conftest  # noqa: E402, F401  lets torchvision be imported beside a CPU build of torch

project = "augmoments"
author = "The augmoments developers"
copyright = "2026, The augmoments developers"
release = version = installed("augmoments")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx_gallery.gen_gallery",
]
myst_enable_extensions = ["dollarmath"]
autodoc_typehints = "none"
autodoc_member_order = "bysource"
exclude_patterns = ["_build", "examples"]

html_theme = "furo"
html_title = "augmoments"
html_static_path = ["_static"]
html_css_files = ["gallery.css"]

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "gallery",
    "abort_on_example_error": True,
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "min_reported_time": 60,
    "reset_modules": ("gallery_style.reset",),
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
}
