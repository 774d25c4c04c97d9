"""What is measured of a registered pair, from what `register` has at hand."""

from collections.abc import Sequence

import numpy as np
from jax import Array
from jaxtyping import Float

from autoreg_jax.inference._quality import warped
from autoreg_jax.inference.trust._evidence import Evidence, collect
from autoreg_jax.inference.trust._repeated import Repetition, repeat
from autoreg_jax.inference.trust._usual import Usual


def evidence_of(
    pair: Sequence[Float[np.ndarray, "*space"]],
    moving: Array,
    displacement: Array,
    weights: Sequence[Array | None],
    spacing: tuple[float, ...],
) -> Evidence | None:
    """Warp what has to be warped and measure the pair.

    None if the displacement is not finite: there is nothing to measure.

    Args:
        pair: The fixed and the aligned moving image.
        moving: The latter once more, `(1, *space, 1)`.
        displacement: `(1, *space, d)`, voxels.
        weights: Weights of the voxels of both, shaped as `moving`; None without.
        spacing: Voxel size, mm.
    """
    vectors = np.asarray(displacement)[0]
    if not np.isfinite(vectors).all():
        return None
    fixed, placed = pair
    return collect(
        fixed,
        placed,
        warped(moving, displacement),
        vectors,
        spacing=spacing,
        inside=_inside(weights, displacement),
    )


def repetition_of(
    fixed: Float[np.ndarray, "*space"],
    fields: Sequence[Array | None],
    weights: Sequence[Array | None],
    spacing: tuple[float, ...],
    usual: Usual | None,
) -> Repetition:
    """Compare a registered pair with other registrations of it.

    There is nothing to say if there is no other, or one is not finite.

    Args:
        fixed: The fixed image.
        fields: As for `repeat`.
        weights: As for `evidence_of`.
        spacing: Voxel size, mm.
        usual: What the network did to validation pairs, if that is known.
    """
    known = [field for field in fields if field is not None]
    if len(known) < 2 or not all(np.isfinite(np.asarray(f)).all() for f in known):
        return Repetition()
    return repeat(fields, spacing, fixed, _inside(weights, known[0]), usual)


def _inside(
    weights: Sequence[Array | None], displacement: Array
) -> Float[np.ndarray, "*space"] | None:
    """Weight of each voxel of the fixed image in the comparison; None without masks."""
    of_fixed, of_moving = weights
    parts = [] if of_fixed is None else [np.asarray(of_fixed)[0, ..., 0]]
    if of_moving is not None:
        parts.append(warped(of_moving, displacement))
    return np.prod(parts, 0) if parts else None
