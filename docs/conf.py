"""The site of the documentation: `make docs` builds it from the pages of this folder, the examples and the docstrings.

Formulas become MathML, which browsers draw themselves: no page asks for anything elsewhere.
"""

import os
import re
import sys
import warnings
from pathlib import Path

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS.parent), str(DOCS)]
# The gallery runs examples in processes of their own, which find the packages here, too.
os.environ["PYTHONPATH"] = os.pathsep.join([str(DOCS.parent), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)

project = "dmimo-isac"
author = "The dmimo-isac developers"
copyright = f"2026, {author}"
release = re.search(r"^version = (.+)$", (DOCS.parent / "setup.cfg").read_text(encoding="utf-8"), re.MULTILINE)[1]
version = release

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build"]
templates_path = ["_templates"]
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme = "pydata_sphinx_theme"
html_title = "dmimo-isac"
html_show_sourcelink = False
html_sidebars = {page: [] for page in ("index", "five-minutes", "pictures", "faq", "comparison")}
html_math_renderer = "mathml"
html_theme_options = {
    "navigation_with_keys": False,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "header_links_before_dropdown": 6,
    "navbar_align": "left",
    "footer_start": ["copyright"],
    "footer_end": [],
}
highlight_language = "text"  # what stands indented in docstrings is equations
default_role = "code"  # docstrings name things `like_this`

myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 4

autosummary_generate = True
autosummary_ignore_module_all = False
autosummary_imported_members = True
autodoc_member_order = "bysource"
autodoc_typehints = "none"
numpydoc_show_class_members = False

sphinx_gallery_conf = {
    "examples_dirs": "../scenarios/examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"\.py$",
    "ignore_pattern": r"__init__\.py|shown\.py",
    "image_scrapers": ("pictures_of_examples.take",),
    "remove_config_comments": True,
    "download_all_examples": False,
    "show_signature": False,
    "write_computation_times": False,
    "plot_gallery": True,
}


def _inline(self, node):
    self.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def _displayed(self, node):
    number = f'<span class="equation-number">({node["number"]})</span>' if node["number"] else ""
    self.body.append(f'<div class="equation" id="{"".join(node["ids"])}">')
    self.body.append(tex2mathml(node.astext(), as_block=True) + number + "</div>")
    raise nodes.SkipNode


def _as_rst(app, what, name, obj, options, lines):
    """Make RST of a docstring: equations stand indented below the text, and stars and bars are meant as such."""
    made, is_equation, before = [], False, ""
    for at, line in enumerate(lines):
        if line == "Examples":
            made += lines[at:]
            break
        indented = line.startswith("    ")
        if indented and not lines[at - 1] and before and not before.startswith(" "):
            made += ["::", ""]
            is_equation = True
        is_equation = is_equation and (indented or not line)
        made.append(line if is_equation else _escaped(line))
        before = line or before
    lines[:] = made


def _escaped(line):
    """Put backslashes before what RST would take for markup, outside of code."""
    parts = re.split(r"(`+[^`]*`+)", line)
    parts[::2] = [re.sub(r"([*|]|(?<=\w)_(?!\w))", r"\\\1", part) for part in parts[::2]]
    return "".join(parts)


def setup(app):
    """Draw formulas as MathML, and read docstrings as they are written."""
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    app.connect("autodoc-process-docstring", _as_rst, priority=400)  # before numpydoc
    app.add_html_math_renderer("mathml", (_inline, None), (_displayed, None))
