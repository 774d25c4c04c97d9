"""Transforms in world space, and their files: ITK, ANTs, Slicer, Learn2Reg.

NumPy, SciPy, nibabel and h5py only; no accelerator is needed.
"""

from autoreg_jax.geometry import Grid as Grid
from autoreg_jax.transforms._affine import Affine as Affine
from autoreg_jax.transforms._chain import read_chain as read_chain
from autoreg_jax.transforms._chain import split_word as split_word
from autoreg_jax.transforms._field import Field as Field
from autoreg_jax.transforms._field import InverseField as InverseField
from autoreg_jax.transforms._formats import ENDINGS as ENDINGS
from autoreg_jax.transforms._points import Points as Points
from autoreg_jax.transforms._points import read_points as read_points
from autoreg_jax.transforms._points import write_points as write_points
from autoreg_jax.transforms._transform import Transform as Transform
from autoreg_jax.transforms._velocity import Velocity as Velocity

__all__ = [
    "ENDINGS",
    "Affine",
    "Field",
    "Grid",
    "InverseField",
    "Points",
    "Transform",
    "Velocity",
    "read_chain",
    "read_points",
    "split_word",
    "write_points",
]
