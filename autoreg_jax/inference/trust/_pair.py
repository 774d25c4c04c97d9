"""The evidence of a registered pair, from what `register` has at hand."""

from collections.abc import Sequence

import numpy as np
from jax import Array

from autoreg_jax.inference._quality import warped
from autoreg_jax.inference.trust._evidence import Evidence, collect
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
    of_fixed, of_moving = weights
    parts = [] if of_fixed is None else [np.asarray(of_fixed)[0, ..., 0]]
    if of_moving is not None:
        parts.append(warped(of_moving, displacement))
    inside = np.prod(parts, 0) if parts else None
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
