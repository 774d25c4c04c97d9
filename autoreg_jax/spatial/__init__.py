"""Grids, warps, flows and their geometry, in voxels of the grid at hand.

A displacement u defines φ(x) = x + u(x) and pulls back: moved(x) = moving(x + u(x)) on
the fixed grid. Everything works on two or three space axes, batch first, channels last.
"""

from autoreg_jax.spatial._affine import (
    AffineKind,
    affine_exponential,
    affine_generators,
    affine_matrix,
    apply_affine,
)
from autoreg_jax.spatial._jacobian import jacobian_determinant
from autoreg_jax.spatial._logarithm import logarithm
from autoreg_jax.spatial._resize import (
    Pyramid,
    coarser_shape,
    downsample,
    gaussian_smooth,
    half_shape,
    image_pyramid,
    resize_displacement,
    resize_image,
)
from autoreg_jax.spatial._warp import compose, identity_grid, integrate, invert, warp

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
    "logarithm",
    "resize_displacement",
    "resize_image",
    "warp",
]
