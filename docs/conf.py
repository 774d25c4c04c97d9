"""Settings of Sphinx; `make docs` builds the site."""

import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
sys.path[:0] = [str(HERE), str(ROOT)]

import generator  # noqa: E402  (needs the path above)
from docutils import nodes  # noqa: E402
from latex2mathml.converter import convert  # noqa: E402
from sphinx.util import logging  # noqa: E402
from sphinx.util.nodes import make_refnode  # noqa: E402

source = (ROOT / "autoreg_jax" / "__init__.py").read_text(encoding="utf-8")
version = re.findall(r'__version__ = "(.+)"', source)[0]
release = version
project = "autoreg_jax"
author = "The autoreg_jax contributors"
copyright = author

extensions = ["myst_nb", "sphinx_design"]
exclude_patterns = ["_build", "generator", "results/_summary.md"]
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "fieldlist"]
myst_heading_anchors = 4
# The notebooks are committed with their outputs; the tests run them.
nb_execution_mode = "off"
nb_merge_streams = True
python_maximum_signature_line_length = 70
add_module_names = False
toc_object_entries = False
# `--model` must not become –model.
smartquotes = False
# Formulas are part of the page, nothing is fetched to show them.
html_math_renderer = "mathml"

html_theme = "sphinx_book_theme"
html_title = f"autoreg_jax {version}"
html_theme_options = {
    "navbar_persistent": [],
    "show_navbar_depth": 1,
    "use_download_button": False,
}
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_copyright = False
html_copy_source = False


def setup(app):
    """Make the pages that come from the code before Sphinx reads the sources."""
    app.connect("builder-inited", lambda app: generator.write(ROOT, HERE))
    app.connect("missing-reference", _link_public_name)
    app.add_html_math_renderer("mathml", (_show_formula, None), (_show_formula, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _show_formula(translator, node):
    """Write a formula as MathML, which browsers draw themselves."""
    is_block = isinstance(node, nodes.math_block)
    formula = convert(node.astext(), display="block" if is_block else "inline")
    if "\\" in formula:
        logging.getLogger(__name__).warning("cannot convert %s", node, location=node)
    # A long one is scrolled, also with the keys.
    start, end = '<div class="formula" tabindex="0">', "</div>"
    translator.body.append(f"{start}{formula}{end}" if is_block else formula)
    raise nodes.SkipNode


def _link_public_name(app, env, node, contnode):
    """Link a type that is public at another door than that of the page."""
    if node.get("refdomain") != "py":
        return None
    word = node["reftarget"].rpartition(".")[2]
    objects = env.domaindata["py"]["objects"]
    found = [
        name
        for name, entry in objects.items()
        if name.rpartition(".")[2] == word and entry.objtype in ("class", "data")
    ]
    if not found:
        return None
    name = min(found, key=lambda one: (one.count("."), one))
    entry = objects[name]
    where = app.builder, node["refdoc"], entry.docname, entry.node_id
    content = contnode if contnode.children else nodes.literal(text=word)
    return make_refnode(*where, content, name)
