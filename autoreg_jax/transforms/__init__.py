"""Transforms in world space, and their files: ITK, ANTs, Slicer, Learn2Reg.

NumPy, SciPy, nibabel and h5py only; no accelerator is needed.
"""

from autoreg_jax.geometry import Grid
from autoreg_jax.transforms._ants_order import read_chain, split_word
from autoreg_jax.transforms._points import Points, read_points, write_points
from autoreg_jax.transforms._transform import Transform
from autoreg_jax.transforms.formats import FORMATS, Format
from autoreg_jax.transforms.links import (
    Affine,
    Displacement,
    InverseDisplacement,
    Link,
    Velocity,
)

__all__ = [
    "FORMATS",
    "Affine",
    "Displacement",
    "Format",
    "Grid",
    "InverseDisplacement",
    "Link",
    "Points",
    "Transform",
    "Velocity",
    "read_chain",
    "read_points",
    "split_word",
    "write_points",
]
