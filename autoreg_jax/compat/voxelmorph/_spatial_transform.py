"""An image moved by a matrix, a displacement or coordinates."""

from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Shaped

from autoreg_jax.compat.voxelmorph._affine import affine_to_disp, make_square_affine
from autoreg_jax.compat.voxelmorph._fields import coords_to_disp
from autoreg_jax.compat.voxelmorph._layout import (
    channels_last,
    check_field,
)
from autoreg_jax.spatial import warp

_BOUNDARIES = {"zeros": "zeros", "border": "edge"}


def spatial_transform(
    image: Shaped[Array, "b c *space"],
    trf: Float[Array, "..."] | None,
    method: Literal["linear", "nearest"] = "linear",
    isdisp: bool = True,
    origin_at_center: bool = True,
    padding_mode: Literal["zeros", "border"] = "zeros",
) -> Shaped[Array, "b c *space"]:
    """Move an image: moved(x) = image(x + u(x)).

    A displacement, or coordinates, is where the value at x comes from. **A matrix is
    inverted first**, as VoxelMorph does: the value at x comes from A⁻¹(x), so that an
    image is moved along A. `spatial_transform(image, affine_to_disp(A)[None])` moves it
    the other way.

    Args:
        image: Image or one-hot labels; with "nearest" of any type.
        trf: Displacement `(b, d, *space)` in voxels; one matrix or `(b, ...)`, each
            `(d, d+1)` or `(d+1, d+1)` in voxels; None changes nothing.
        method: "linear" or "nearest".
        isdisp: False: a field is coordinates in [-1, 1], see `disp_to_coords`.
        origin_at_center: Of a matrix, see `affine_to_disp`.
        padding_mode: What lies outside of the image: "zeros", or with "linear" also
            "border", the nearest voxel.

    Returns:
        The moved image.

    Raises:
        ValueError: If a name is unknown or the shapes do not fit.
    """
    if trf is None:
        return image
    if method not in ("linear", "nearest"):
        raise ValueError(f'method must be "linear" or "nearest", got {method!r}.')
    if padding_mode not in _BOUNDARIES:
        raise ValueError(
            f'padding_mode must be "zeros" or "border", got {padding_mode!r}.'
        )
    space = image.shape[2:]
    if trf.ndim <= 3:
        with jax.default_matmul_precision("highest"):
            inverse = jnp.linalg.inv(make_square_affine(trf))
        trf = affine_to_disp(inverse, shape=space, origin_at_center=origin_at_center)
        trf = jnp.broadcast_to(trf, (image.shape[0], *trf.shape[-1 - len(space) :]))
    else:
        check_field(trf, "trf")
        if trf.shape[2:] != space:
            raise ValueError(f"trf has the grid {trf.shape[2:]}, the image {space}.")
        trf = trf if isdisp else coords_to_disp(trf)
    moved = warp(
        channels_last(image),
        channels_last(trf),
        interpolation=method,
        boundary=_BOUNDARIES[padding_mode],
    )
    return jnp.moveaxis(moved, -1, 1)
