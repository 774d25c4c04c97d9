"""Random weights to start from, drawn on the host."""

import math
from collections.abc import Sequence
from functools import reduce
from operator import getitem
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from autoreg_jax.baselines import NETWORKS
from autoreg_jax.networks import INITIAL_SHARPNESS, RegistrationNetwork
from autoreg_jax.programs._layout import Layout, example_inputs, layout_of
from autoreg_jax.search_space import (
    CANDIDATES,
    MIXTURE_GAIN,
    ArchitectureLogits,
    Candidate,
)

# As the initialisers of the network's modules say.
_SLOPE = 0.2
_HEAD_SCALE = 0.03


def initial_alpha(
    spread: float,
    seed: tuple[int, ...],
    candidates: Sequence[Candidate] = CANDIDATES,
) -> ArchitectureLogits:
    """Logits to start from: normal numbers of this standard deviation, or zeros."""
    rng = np.random.default_rng(seed)
    zeros = ArchitectureLogits.zeros(candidates)
    draws = (rng.normal(0.0, spread, logits.shape) for logits in zeros)
    return ArchitectureLogits(*(draw.astype(np.float32) for draw in draws))


def initial_weights(
    network: Any,
    ndim: int,
    seed: tuple[int, ...],
    *,
    is_torch: bool = False,
) -> Any:
    """Random ω, distributed as `network.init` would draw it.

    The mixed network has some 150 kernels, and a compiled program that draws each of
    them takes XLA 20 s on a CPU, in any implementation of random numbers. NumPy needs
    none of that. A Flax module of your own is initialised by its own `init`.

    Args:
        network: Mixed or discrete, or a module of your own.
        ndim: Number of spatial axes.
        seed: Non-negative numbers; different ones give independent weights.
        is_torch: Distributed as PyTorch would draw them: uniform between ±1/sqrt(f) for
            f numbers that make one of the output, biases too.

    Returns:
        Nested dictionary of float32 device arrays.
    """
    layout = layout_of(network, ndim)
    vector = initial_vector(network, ndim, layout, seed, is_torch=is_torch)
    return jax.tree.map(jnp.array, layout.to_tree(np.asarray(vector)))


def initial_vector(
    network: Any,
    ndim: int,
    layout: Layout,
    seed: tuple[int, ...],
    *,
    is_torch: bool = False,
) -> jax.Array:
    """The same weights as one vector, in the layout of the network."""
    ours = (RegistrationNetwork, *NETWORKS.values())
    if isinstance(network, nn.Module) and not isinstance(network, ours):
        key = reduce(jax.random.fold_in, seed[1:], jax.random.key(seed[0]))
        inputs = example_inputs(network, ndim)
        return layout.to_vector(jax.jit(network.init)(key, *inputs)["params"])
    leaves = jax.tree.leaves(_draw(network, layout, seed, is_torch=is_torch))
    return jnp.array(np.concatenate([leaf.ravel() for leaf in leaves]))


def _draw(
    network: Any,
    layout: Layout,
    seed: tuple[int, ...],
    *,
    is_torch: bool,
) -> Any:
    rng = np.random.default_rng(seed)
    shapes = layout.shapes

    def is_mixed(cell: str) -> bool:
        if getattr(network, "genotype", "none") is not None:
            return False
        extractor = getattr(network, "extractor", None)
        return extractor is None or not cell.startswith("feature")

    def draw(path: Any, leaf: jax.ShapeDtypeStruct) -> np.ndarray:
        names = [key.key for key in path]
        if is_torch and names[-1] != "sharpness":
            # A bias is drawn like the kernel beside it.
            place = reduce(getitem, names[:-1], shapes)
            kernel = place["kernel"] if names[-1] == "bias" else leaf
            bound = 1 / math.sqrt(math.prod(kernel.shape[:-1]))
            return rng.uniform(-bound, bound, leaf.shape).astype(leaf.dtype)
        if names[-1] == "bias":
            return np.zeros(leaf.shape, leaf.dtype)
        if names[-1] == "sharpness":
            return np.full(leaf.shape, INITIAL_SHARPNESS, leaf.dtype)
        scale = math.sqrt(2 / (1 + _SLOPE**2) / math.prod(leaf.shape[:-1]))
        if names[0].startswith("velocity"):
            scale = _HEAD_SCALE
        elif names[-1] in ("kernel", "pointwise") and is_mixed(names[0]):
            scale *= MIXTURE_GAIN
        normal = rng.standard_normal(leaf.shape, np.float32)
        return np.float32(scale) * normal

    return jax.tree_util.tree_map_with_path(draw, shapes)
