"""Random weights to start from, drawn on the host."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from autoreg_jax.networks import INITIAL_SHARPNESS, RegistrationNetwork
from autoreg_jax.search_space import MIXTURE_GAIN

# As the initialisers of the network's modules say.
_SLOPE = 0.2
_HEAD_SCALE = 0.03


def initial_weights(
    network: RegistrationNetwork,
    image_shape: tuple[int, ...],
    seed: tuple[int, ...],
    alpha: Any = None,
) -> Any:
    """Random ω, distributed as `network.init` would draw it.

    The mixed network has some 150 kernels, and a compiled program that draws each of
    them takes XLA 20 s on a CPU, in any implementation of random numbers. NumPy needs
    none of that.

    Args:
        network: Mixed or discrete.
        image_shape: `(*space, 1)` of the images; decides the number of axes.
        seed: Non-negative numbers; different ones give independent weights.
        alpha: α of a mixed network.

    Returns:
        Nested dictionary of float32 device arrays.
    """
    image = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
    shapes = jax.eval_shape(network.init, jax.random.key(0), image, image, alpha)
    rng = np.random.default_rng(seed)

    def draw(path: Any, leaf: jax.ShapeDtypeStruct) -> jax.Array:
        names = [key.key for key in path]
        if names[-1] == "bias":
            return jnp.zeros(leaf.shape, leaf.dtype)
        if names[-1] == "sharpness":
            return jnp.full(leaf.shape, INITIAL_SHARPNESS, leaf.dtype)
        scale = math.sqrt(2 / (1 + _SLOPE**2) / math.prod(leaf.shape[:-1]))
        if names[0].startswith("velocity"):
            scale = _HEAD_SCALE
        elif alpha is not None and names[-1] in ("kernel", "pointwise"):
            scale *= MIXTURE_GAIN
        normal = rng.standard_normal(leaf.shape, np.float32)
        return jnp.array(np.float32(scale) * normal)

    return jax.tree_util.tree_map_with_path(draw, shapes["params"])
