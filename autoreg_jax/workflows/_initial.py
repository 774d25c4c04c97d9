"""Random weights to start from, drawn on the host."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from autoreg_jax.networks import INITIAL_SHARPNESS, RegistrationNetwork
from autoreg_jax.search_space import MIXTURE_GAIN
from autoreg_jax.workflows._flat import layout_of

# As the initialisers of the network's modules say.
_SLOPE = 0.2
_HEAD_SCALE = 0.03


def initial_weights(
    network: RegistrationNetwork, ndim: int, seed: tuple[int, ...]
) -> Any:
    """Random ω, distributed as `network.init` would draw it.

    The mixed network has some 150 kernels, and a compiled program that draws each of
    them takes XLA 20 s on a CPU, in any implementation of random numbers. NumPy needs
    none of that.

    Args:
        network: Mixed or discrete.
        ndim: Number of spatial axes.
        seed: Non-negative numbers; different ones give independent weights.

    Returns:
        Nested dictionary of float32 device arrays.
    """
    return jax.tree.map(jnp.array, _draw(network, ndim, seed))


def initial_vector(
    network: RegistrationNetwork, ndim: int, seed: tuple[int, ...]
) -> jax.Array:
    """The same weights as one vector, in the layout of `layout_of`."""
    leaves = jax.tree.leaves(_draw(network, ndim, seed))
    return jnp.array(np.concatenate([leaf.ravel() for leaf in leaves]))


def _draw(network: RegistrationNetwork, ndim: int, seed: tuple[int, ...]) -> Any:
    rng = np.random.default_rng(seed)

    def draw(path: Any, leaf: jax.ShapeDtypeStruct) -> np.ndarray:
        names = [key.key for key in path]
        if names[-1] == "bias":
            return np.zeros(leaf.shape, leaf.dtype)
        if names[-1] == "sharpness":
            return np.full(leaf.shape, INITIAL_SHARPNESS, leaf.dtype)
        scale = math.sqrt(2 / (1 + _SLOPE**2) / math.prod(leaf.shape[:-1]))
        if names[0].startswith("velocity"):
            scale = _HEAD_SCALE
        elif network.genotype is None and names[-1] in ("kernel", "pointwise"):
            scale *= MIXTURE_GAIN
        normal = rng.standard_normal(leaf.shape, np.float32)
        return np.float32(scale) * normal

    return jax.tree_util.tree_map_with_path(draw, layout_of(network, ndim).shapes)
