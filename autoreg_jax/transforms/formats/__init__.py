"""The files of transforms: one `Format` each, all of them in `FORMATS`."""

from autoreg_jax.transforms.formats._format import Format, Layout, damaged
from autoreg_jax.transforms.formats._table import FORMATS, read_links, write_links

__all__ = ["FORMATS", "Format", "Layout", "damaged", "read_links", "write_links"]
