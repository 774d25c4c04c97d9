"""The files of transforms: one `Format` each, all of them in `FORMATS`."""

from autoreg_jax.transforms.formats._format import Format, ImagePair, Layout, damaged
from autoreg_jax.transforms.formats._matrices import is_of_fsl
from autoreg_jax.transforms.formats._table import FORMATS, read_links, write_links

__all__ = [
    "FORMATS",
    "Format",
    "ImagePair",
    "Layout",
    "damaged",
    "is_of_fsl",
    "read_links",
    "write_links",
]
