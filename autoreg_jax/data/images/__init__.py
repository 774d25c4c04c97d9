"""Image files, read strictly and written whole; grey values and what images show."""

from autoreg_jax.data.images._content import Content, content_of
from autoreg_jax.data.images._contrast import (
    STRAIGHT,
    Contrast,
    contrast_between,
    shared_contrast,
)
from autoreg_jax.data.images._given import Image, as_given, channels_of
from autoreg_jax.data.images._intensity import (
    check_contrast,
    masked,
    normalize_intensity,
)
from autoreg_jax.data.images._labels import read_labels, read_mask
from autoreg_jax.data.images._lesions import without_lesion
from autoreg_jax.data.images._names import ENDINGS, is_image_name, stem
from autoreg_jax.data.images._reading import (
    check_grid,
    read_grid,
    read_image,
    read_vectors,
)
from autoreg_jax.data.images._series import Series, read_series, write_series
from autoreg_jax.data.images._writing import write_displacement, write_volume

__all__ = [
    "ENDINGS",
    "STRAIGHT",
    "Content",
    "Contrast",
    "Image",
    "Series",
    "as_given",
    "channels_of",
    "check_contrast",
    "check_grid",
    "content_of",
    "contrast_between",
    "is_image_name",
    "masked",
    "normalize_intensity",
    "read_grid",
    "read_image",
    "read_labels",
    "read_mask",
    "read_series",
    "read_vectors",
    "shared_contrast",
    "stem",
    "without_lesion",
    "write_displacement",
    "write_series",
    "write_volume",
]
