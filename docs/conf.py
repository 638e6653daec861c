"""Sphinx: the pages of this folder, and an API reference made from the docstrings. ``make docs`` builds both."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # no notices about absent GPUs between Sphinx's own

import hrs_keras

project = "hrs_keras"
author = "the hrs_keras authors"
version = release = hrs_keras.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build", "results/runs"]
templates_path = ["_templates"]
html_theme = "furo"
html_title = f"hrs_keras {version}"
html_show_copyright = False  # the licence is in LICENSE

# Links such as serving.md#rest lead to headings.
myst_heading_anchors = 3

# A page for each module. Names that a package passes on stand on the page of the module that defines them.
autosummary_generate = True
autosummary_ignore_module_all = True
autosummary_imported_members = False
autodoc_default_options = {"members": True, "ignore-module-all": True, "show-inheritance": True}
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
# Attributes stand in their class's docstring; entries of their own beside it would be second ones.
napoleon_use_ivar = True
napoleon_numpy_docstring = False
