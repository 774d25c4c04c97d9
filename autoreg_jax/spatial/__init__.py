"""Grids, warps, flows and their geometry, in voxels of the grid at hand.

A displacement u defines φ(x) = x + u(x) and pulls back: moved(x) = moving(x + u(x)) on
the fixed grid. Everything works on two or three space axes, batch first, channels last.
"""

from autoreg_jax.spatial._affine import AffineKind as AffineKind
from autoreg_jax.spatial._affine import affine_exponential as affine_exponential
from autoreg_jax.spatial._affine import affine_generators as affine_generators
from autoreg_jax.spatial._affine import affine_matrix as affine_matrix
from autoreg_jax.spatial._affine import apply_affine as apply_affine
from autoreg_jax.spatial._integrate import integrate as integrate
from autoreg_jax.spatial._integrate import invert as invert
from autoreg_jax.spatial._jacobian import jacobian_determinant as jacobian_determinant
from autoreg_jax.spatial._resize import Pyramid as Pyramid
from autoreg_jax.spatial._resize import half_shape as half_shape
from autoreg_jax.spatial._resize import image_pyramid as image_pyramid
from autoreg_jax.spatial._resize import resize_displacement as resize_displacement
from autoreg_jax.spatial._resize import resize_image as resize_image
from autoreg_jax.spatial._smooth import coarser_shape as coarser_shape
from autoreg_jax.spatial._smooth import downsample as downsample
from autoreg_jax.spatial._smooth import gaussian_smooth as gaussian_smooth
from autoreg_jax.spatial._warp import compose as compose
from autoreg_jax.spatial._warp import identity_grid as identity_grid
from autoreg_jax.spatial._warp import warp as warp

__all__ = [
    "AffineKind",
    "Pyramid",
    "affine_exponential",
    "affine_generators",
    "affine_matrix",
    "apply_affine",
    "coarser_shape",
    "compose",
    "downsample",
    "gaussian_smooth",
    "half_shape",
    "identity_grid",
    "image_pyramid",
    "integrate",
    "invert",
    "jacobian_determinant",
    "resize_displacement",
    "resize_image",
    "warp",
]
