"""What is measured of a registered pair, from what `register` has at hand."""

from collections.abc import Sequence

import numpy as np
from jax import Array
from jaxtyping import Float

from autoreg_jax.inference._quality import warped
from autoreg_jax.inference.trust._evidence import Evidence, collect
from autoreg_jax.inference.trust._repeated import Repetition, repeat
from autoreg_jax.inference.trust._usual import Usual
from autoreg_jax.inference.trust._verdict import Trust


def evidence_of(
    fixed: Array,
    moving: Array,
    displacement: Array,
    weights: Sequence[Array | None],
    spacing: tuple[float, ...],
) -> Evidence | None:
    """Warp what has to be warped and measure the pair.

    None if the displacement is not finite: there is nothing to measure.

    Args:
        fixed: `(1, *space, c)`; of several channels the one that is trusted least
            decides.
        moving: The aligned moving image, the same shape.
        displacement: `(1, *space, d)`, voxels.
        weights: Weights of the voxels of both, `(1, *space, 1)`; None without.
        spacing: Voxel size, mm.
    """
    vectors = np.asarray(displacement)[0]
    if not np.isfinite(vectors).all():
        return None
    inside = _inside(weights, displacement)
    channels = [slice(c, c + 1) for c in range(fixed.shape[-1])]
    found = [
        collect(
            np.asarray(fixed)[0, ..., channel.start],
            np.asarray(moving)[0, ..., channel.start],
            warped(moving[..., channel] if channels[1:] else moving, displacement),
            vectors,
            spacing=spacing,
            inside=inside,
        )
        for channel in channels
    ]
    return min(found, key=lambda evidence: Trust(evidence).value)


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
