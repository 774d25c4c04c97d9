"""NIfTI, as images and displacement fields share it: bytes, place, writing."""

from autoreg_jax.nifti._bytes import (
    LONGEST_HEADER,
    header_of,
    image_of,
    unpacked,
)
from autoreg_jax.nifti._place import Place, place_of
from autoreg_jax.nifti._write import put_on

__all__ = [
    "LONGEST_HEADER",
    "Place",
    "header_of",
    "image_of",
    "place_of",
    "put_on",
    "unpacked",
]
