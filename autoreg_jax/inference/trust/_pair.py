"""The evidence of a registered pair, from what `register` has at hand."""

from collections.abc import Sequence

import numpy as np
from jax import Array
from jaxtyping import Float

from autoreg_jax.inference._quality import warped
from autoreg_jax.inference.trust._evidence import Evidence, collect


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
    of_fixed, of_moving = weights
    parts = [] if of_fixed is None else [np.asarray(of_fixed)[0, ..., 0]]
    if of_moving is not None:
        parts.append(warped(of_moving, displacement))
    return collect(
        fixed,
        placed,
        warped(moving, displacement),
        vectors,
        spacing=spacing,
        inside=np.prod(parts, 0) if parts else None,
    )
