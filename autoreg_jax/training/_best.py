"""The best of the weights that were validated."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jax import Array


@struct.dataclass
class Best:
    """The best weights so far.

    Attributes:
        params: The weights.
        score: What was measured of them, the less the better; infinite before the first
            finite number.
        step: Steps after which they were.
    """

    params: Any
    score: Any
    step: Any


def no_best(params: Any) -> Best:
    """Before the first validation."""
    copy = jax.tree.map(jnp.copy, params)
    return Best(copy, jnp.full((), jnp.inf, jnp.float32), jnp.zeros((), jnp.int32))


def better(best: Best, params: Any, score: Array | float, step: Array) -> Best:
    """The weights with the lower score; of equal ones the earlier.

    Args:
        best: The best so far.
        params: Other weights of the same structure.
        score: Their score. If it is NaN they are kept only while nothing else is.
        step: Steps after which they are.
    """
    score = jnp.asarray(score, best.score.dtype)
    is_better = (score < best.score) | jnp.isinf(best.score)
    other = Best(params, jnp.where(jnp.isnan(score), jnp.inf, score), step)
    return jax.tree.map(lambda new, old: jnp.where(is_better, new, old), other, best)
