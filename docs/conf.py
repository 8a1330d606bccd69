"""How Sphinx builds the documentation: ``make docs``."""

import os
import warnings
from pathlib import Path

import sklearn_taskneurons

os.environ["MPLBACKEND"] = "Agg"
# Some of Sphinx's extensions are behind Sphinx; their notices are not ours to act on.
warnings.filterwarnings("ignore", category=DeprecationWarning)

project = "sklearn_taskneurons"
author = "sklearn_taskneurons developers"
project_copyright = f"2026, {author}"
version = release = sklearn_taskneurons.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.extlinks",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "sphinx_gallery.gen_gallery",
]
myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
templates_path = ["_templates"]
exclude_patterns = ["_build", "_templates", "gallery/GALLERY_HEADER.rst"]
default_role = "literal"

autosummary_generate = True
autodoc_typehints = "none"  # the docstrings say more than the annotations
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

extlinks = {"arxiv": ("https://arxiv.org/abs/%s", "arXiv:%s"), "doi": ("https://doi.org/%s", "doi:%s")}

sphinx_gallery_conf = {
    "examples_dirs": ["../examples"],
    "gallery_dirs": ["gallery"],
    "ignore_pattern": r"^demo\.py$",  # a program with a command line, which draws a file
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "abort_on_example_error": True,
}

html_theme = "pydata_sphinx_theme"
html_title = f"sklearn_taskneurons {release}"
PAGES = (
    "quickstart",
    "in_practice",
    "layers",
    "images",
    "formulas",
    "how_it_works",
    "changelog",
    "contributing",
)
html_sidebars = {page: [] for page in PAGES}
html_show_sourcelink = False
html_theme_options = {
    "header_links_before_dropdown": 8,
    "logo": {"text": project},
    "navbar_persistent": ["search-button"],
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": False,
}
html_static_path = [path for path in ["_static"] if Path(__file__).with_name(path).is_dir()]


def skip_inherited(app, what, name, obj, skip, options):
    """Leave out what the estimators inherit: its documentation is scikit-learn's, and so are the labels it refers to."""
    return skip or (getattr(obj, "__module__", None) or "").startswith("sklearn.")


def setup(app):
    app.connect("autodoc-skip-member", skip_inherited)
