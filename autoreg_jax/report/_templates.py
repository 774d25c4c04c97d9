"""Where the templates of the pages are, and how they are filled."""

from jinja2 import Environment, PackageLoader, StrictUndefined


def page_templates() -> Environment:
    """The templates of this package: what they show is escaped, and must be given."""
    return Environment(
        loader=PackageLoader("autoreg_jax.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
