"""Registration without a model as a method of the bench, in its own process."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from autoreg_jax.inference import register_pair
from autoreg_jax.runtime import enable_compilation_cache


def open_method(settings: Mapping[str, Any]) -> Callable[..., np.ndarray]:
    """Make the function that registers a pair.

    Args:
        settings: `steps` at most at each of three resolutions, their `learning_rate`,
            and `similarity`, "ncc" or "mind".

    Returns:
        `register(fixed, moving, spacing)`.
    """
    enable_compilation_cache()

    def register(
        fixed: np.ndarray, moving: np.ndarray, spacing: Sequence[float]
    ) -> np.ndarray:
        found = register_pair(
            jnp.asarray(moving)[None, ..., None],
            jnp.asarray(fixed)[None, ..., None],
            jnp.asarray(spacing),
            num_iterations=settings["steps"],
            learning_rate=settings["learning_rate"],
            similarity=settings["similarity"],
        )
        return np.asarray(found.displacement[0])

    return register
