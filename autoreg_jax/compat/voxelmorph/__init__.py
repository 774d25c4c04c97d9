"""The functions of `voxelmorph.functional`, for JAX arrays.

Names, arguments and conventions are those of the PyTorch version of VoxelMorph, in the
layout of `voxelmorph.nn.functional`: images are `(b, c, *space)` and displacements
`(b, d, *space)`, with a batch axis always and two or three space axes. Component i of a
displacement is along space axis i, in voxels, and moved(x) = image(x + u(x)). There is
no `meshgrid` and no `non_spatial_dims`: grids are constants of the compiled program,
and `jax.vmap` takes further axes. Everything can be differentiated and compiled.
"""

from autoreg_jax.compat.voxelmorph._affine import affine_to_disp, make_square_affine
from autoreg_jax.compat.voxelmorph._compose import compose
from autoreg_jax.compat.voxelmorph._fields import (
    coords_to_disp,
    disp_to_coords,
    disp_to_trf,
    integrate_disp,
    jacobian_determinant,
    resize_disp,
    trf_to_disp,
)
from autoreg_jax.compat.voxelmorph._spatial_transform import spatial_transform

__all__ = [
    "affine_to_disp",
    "compose",
    "coords_to_disp",
    "disp_to_coords",
    "disp_to_trf",
    "integrate_disp",
    "jacobian_determinant",
    "make_square_affine",
    "resize_disp",
    "spatial_transform",
    "trf_to_disp",
]
