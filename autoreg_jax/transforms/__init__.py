"""Transforms and points in world space, and their files, see CONVENTIONS.md.

NumPy, SciPy, nibabel and h5py only; no accelerator is needed.
"""

from autoreg_jax.geometry import Grid
from autoreg_jax.transforms._ants_order import read_chain, split_word
from autoreg_jax.transforms._doubts import check_whole, doubts
from autoreg_jax.transforms._plane import check_plane
from autoreg_jax.transforms._transform import Transform
from autoreg_jax.transforms.formats import FORMATS, Format, ImagePair
from autoreg_jax.transforms.links import (
    Affine,
    Displacement,
    InverseDisplacement,
    Link,
    Spline,
    Velocity,
)
from autoreg_jax.transforms.points import (
    POINT_ENDINGS,
    Points,
    PointSpace,
    read_points,
    write_points,
)

__all__ = [
    "FORMATS",
    "POINT_ENDINGS",
    "Affine",
    "Displacement",
    "Format",
    "Grid",
    "ImagePair",
    "InverseDisplacement",
    "Link",
    "PointSpace",
    "Points",
    "Spline",
    "Transform",
    "Velocity",
    "check_plane",
    "check_whole",
    "doubts",
    "read_chain",
    "read_points",
    "split_word",
    "write_points",
]
