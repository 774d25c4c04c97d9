"""A trained network as a method of the bench, in its own process like all others."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from autoreg_jax.inference import load_model
from autoreg_jax.runtime import enable_compilation_cache


def open_method(settings: Mapping[str, Any]) -> Callable[..., np.ndarray]:
    """Make the function that registers a pair.

    Args:
        settings: `model`, its folder; `refine`, steps of optimisation on the pair, and
            their `learning_rate`.

    Returns:
        `register(fixed, moving, spacing)`.

    Raises:
        ArtifactError: If there is no usable model.
    """
    enable_compilation_cache()
    model = load_model(settings["model"])

    def register(
        fixed: np.ndarray, moving: np.ndarray, spacing: Sequence[float]
    ) -> np.ndarray:
        del spacing  # the network was trained with that of its dataset
        pair = [jnp.asarray(x)[None, ..., None] for x in (moving, fixed)]
        if settings["refine"]:
            displacement = model.refine(
                *pair,
                steps=settings["refine"],
                learning_rate=settings["learning_rate"],
            ).displacement
        else:
            displacement = model(*pair).displacements.full
        return np.asarray(displacement[0])

    return register
