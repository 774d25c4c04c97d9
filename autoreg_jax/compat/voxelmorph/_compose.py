"""One transform of several."""

from collections.abc import Sequence
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from autoreg_jax.compat.voxelmorph._affine import affine_to_disp, make_square_affine
from autoreg_jax.compat.voxelmorph._layout import check_field
from autoreg_jax.compat.voxelmorph._spatial_transform import spatial_transform


def compose(
    transforms: Sequence[Float[Array, "..."]],
    interpolation_mode: Literal["linear", "nearest"] = "linear",
    origin_at_center: bool = True,
    shape: Sequence[int] | None = None,
) -> Float[Array, "..."]:
    """Compose matrices and displacements: `compose([A, B, C])` is T(x) = A(B(C(x))).

    The **last** one is applied to a position first. Images are pulled back, so that to
    an image the **first** is applied first: moving it by T is moving it by A, what
    comes out by B, and then by C. Matrices are taken as they are and not inverted, see
    `affine_to_disp`. Outside of its grid a displacement is 0, where that of
    `spatial.compose` repeats its edge.

    Args:
        transforms: Displacements `(b, d, *space)` in voxels, and matrices, one or
            `(b, ...)`, each `(d, d+1)` or `(d+1, d+1)`.
        interpolation_mode: Of displacements, "linear" or "nearest".
        origin_at_center: Of matrices, see `affine_to_disp`.
        shape: Grid of the result if the last transform is a matrix and others are not;
            default: that of the displacement before it.

    Returns:
        A displacement; a matrix `(d, d+1)` if all transforms are matrices.

    Raises:
        ValueError: If the list is empty or the shapes do not fit.
    """
    if not transforms:
        raise ValueError("transforms: nothing to compose; give one transform or more.")
    *others, total = transforms
    for outer in reversed(others):
        if outer.ndim <= 3 and total.ndim <= 3:
            left, right = make_square_affine(outer), make_square_affine(total)
            total = jnp.matmul(left, right, precision=jax.lax.Precision.HIGHEST)
            total = total[..., :-1, :]
            continue
        if outer.ndim <= 3:
            total = affine_to_disp(
                outer,
                shape=total.shape[2:],
                origin_at_center=origin_at_center,
                warp_right=total,
            )
            continue
        check_field(outer, "a transform")
        if total.ndim <= 3:
            total = affine_to_disp(
                total,
                shape=outer.shape[2:] if shape is None else shape,
                origin_at_center=origin_at_center,
            )
            total = jnp.broadcast_to(
                total, (len(outer), *total.shape[-outer.ndim + 1 :])
            )
        total = total + spatial_transform(outer, total, interpolation_mode)
    return total
