"""How well two images agree, and whether a displacement can be one of theirs."""

from collections.abc import Iterator
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Float

from autoreg_jax.errors import NonFiniteError
from autoreg_jax.geometry import Volume
from autoreg_jax.losses import local_ncc
from autoreg_jax.spatial import jacobian_determinant, warp

__all__ = ["check_length", "correlations", "folding", "lengths", "warped"]

# Voxels that are looked at together. What they take, some 70 bytes each, would be the
# peak of the memory of a large pair.
_TOGETHER = 1_000_000


def correlations(
    fixed: Array,
    unaligned: Array,
    moving: Array,
    displacement: Array,
    *,
    window: int,
    together: int = _TOGETHER,
) -> tuple[float, float]:
    """Mean local correlation before and after, on the grid of the comparison.

    Args:
        fixed: `(1, *space, 1)`.
        unaligned: The moving image before the alignment, the same shape.
        moving: After it.
        displacement: `(1, *space, d)`, voxels.
        window: Edge of the windows.
        together: Voxels of a slab, about.
    """
    planes = []
    for begin, depth, counted in _slabs(fixed.shape[1:-1], window // 2, together):
        given = fixed, unaligned, moving, displacement, np.int32(begin)
        found = _correlations(*given, depth=depth, window=window)
        planes.append(np.asarray(found)[:, counted])
    before, after = np.concatenate(planes, 1).mean(1, dtype=np.float64).tolist()
    return before, after


@partial(jax.jit, static_argnames=("depth", "window"))
def _correlations(
    fixed: Array,
    unaligned: Array,
    moving: Array,
    displacement: Array,
    begin: Array,
    *,
    depth: int,
    window: int,
) -> Float[Array, "2 depth"]:
    """Mean of each plane of a slab, before and after."""

    def slab(array: Array) -> Array:
        return lax.dynamic_slice_in_dim(array, begin, depth, axis=1)

    moved = _moved(moving, displacement, begin, depth=depth)
    others = tuple(axis for axis in range(fixed.ndim) if axis != 1)
    return jnp.stack(
        [
            jnp.mean(local_ncc(slab(fixed), other, window), others)
            for other in (slab(unaligned), moved)
        ]
    )


def warped(
    moving: Array, displacement: Array, *, together: int = _TOGETHER
) -> Float[np.ndarray, "*space"]:
    """The moving image after the displacement, `(1, *space, 1)` and voxels."""
    planes = []
    for begin, depth, counted in _slabs(moving.shape[1:-1], 0, together):
        slab = _warped(moving, displacement, np.int32(begin), depth=depth)
        planes.append(np.asarray(slab)[0, counted, ..., 0])
    return np.concatenate(planes)


def _moved(moving: Array, displacement: Array, begin: Array, *, depth: int) -> Array:
    """A slab of the moved image."""
    slab = lax.dynamic_slice_in_dim(displacement, begin, depth, axis=1)
    # A slab counts its planes from its own first one, the moving image from its.
    return warp(moving, slab.at[..., 0].add(begin.astype(displacement.dtype)))


_warped = jax.jit(_moved, static_argnames="depth")


def folding(
    displacement_mm: Float[np.ndarray, "*space 3"],
    fixed: Volume,
    *,
    together: int = _TOGETHER,
) -> float:
    """Fraction of the voxels of the fixed grid where the returned field folds."""
    to_voxels = np.linalg.inv(fixed.affine)[: fixed.ndim, :3].astype(np.float32)
    planes = []
    for begin, depth, counted in _slabs(fixed.shape, 1, together):
        slab = displacement_mm[begin : begin + depth] @ to_voxels.T
        planes.append(np.asarray(_folding(jnp.asarray(slab)))[counted])
    return float(np.concatenate(planes).mean(dtype=np.float64))


@jax.jit
def _folding(displacement: Float[Array, "depth *plane d"]) -> Float[Array, " depth"]:
    """Fraction of each plane."""
    folded = jacobian_determinant(displacement[None])[0] <= 0
    return jnp.mean(folded.astype(jnp.float32), tuple(range(1, folded.ndim)))


def _slabs(
    space: tuple[int, ...], halo: int, together: int
) -> Iterator[tuple[int, int, slice]]:
    """Slabs of one depth along the first axis, and the planes of each that count.

    Near a side that is not the border of the image `halo` planes do not count: what is
    beyond has a part in their values.

    Yields:
        First plane, number of planes, and those that count, from the first one.
    """
    length = space[0]
    depth = min(length, max(4 * halo + 1, together // int(np.prod(space[1:]))))
    done = 0
    while done < length:
        begin = min(max(done - halo, 0), length - depth)
        end = length if begin + depth == length else begin + depth - halo
        yield begin, depth, slice(done - begin, end - begin)
        done = end


def check_length(
    displacement_mm: Float[np.ndarray, "*space 3"], fixed: Volume, moving: Volume
) -> None:
    """Refuse a displacement that is not finite, or longer than the images.

    Raises:
        NonFiniteError: If it is, or if a vector is longer than the diagonals of both
            images together: from one end of one to the other end of the other.
    """
    longest = float(lengths(displacement_mm).max())
    possible = sum(_diagonal(image) for image in (fixed, moving))
    if longest <= possible:
        return
    what = f"is up to {longest:.3g} mm long, the images are {possible:.3g} mm"
    if not np.isfinite(longest):
        what = "is not finite"
    raise NonFiniteError(
        f"{fixed.path or 'fixed'} and {moving.path or 'moving'}: the displacement "
        f"{what}; use a smaller learning rate, or train the model again."
    )


def lengths(vectors: Float[np.ndarray, "*space 3"]) -> Float[np.ndarray, "*space"]:
    """Length of each vector; no array of squares, as `np.linalg.norm` makes one."""
    squares = np.einsum("...i,...i->...", vectors, vectors)
    return np.sqrt(squares, out=squares)


def _diagonal(image: Volume) -> float:
    return float(np.linalg.norm(np.multiply(image.array.shape, image.spacing)))
