"""Where the templates of the pages are, and how they are filled."""

import re

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape


def page_templates() -> Environment:
    """The templates of this package: what they show is escaped, and must be given."""
    pages = Environment(
        loader=PackageLoader("autoreg_jax.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters["code"] = _code
    return pages


def _code(text: str) -> Markup:
    """Escape a sentence and set what stands between backticks as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))
