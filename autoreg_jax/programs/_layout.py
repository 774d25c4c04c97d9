"""Network weights ω as one vector, and the random ones to start from.

An optimizer, a look-ahead or a norm over some 150 kernels is a thousand small programs
to compile; over one vector it is a few.
"""

import math
from collections.abc import Callable, Sequence
from functools import reduce
from operator import getitem
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from jax import Array

from autoreg_jax.baselines import NETWORKS
from autoreg_jax.bilevel import SearchProblem
from autoreg_jax.errors import ArtifactError
from autoreg_jax.hypergrad import BilevelProblem
from autoreg_jax.networks import (
    CONDITION_SCALE,
    INITIAL_SHARPNESS,
    RegistrationNetwork,
)
from autoreg_jax.search_space import (
    CANDIDATES,
    MIXTURE_GAIN,
    PAPER_CELLS,
    ArchitectureLogits,
    Candidate,
    CellShapes,
)


class Layout:
    """Where each array of a tree lies in the vector: the order of `jax.tree.leaves`.

    Args:
        shapes: Tree of arrays, or of their shapes, all float32.
    """

    def __init__(self, shapes: Any) -> None:
        self.shapes = shapes
        leaves, self._structure = jax.tree.flatten(shapes)
        self._shapes = [leaf.shape for leaf in leaves]
        self._ends = np.cumsum([math.prod(shape) for shape in self._shapes])

    @property
    def size(self) -> int:
        """Number of weights."""
        return int(self._ends[-1])

    def to_vector(self, tree: Any) -> Array:
        """Put the arrays of a tree behind one another."""
        return jnp.concatenate([jnp.ravel(leaf) for leaf in jax.tree.leaves(tree)])

    def to_tree(self, vector: Any) -> Any:
        """Undo `to_vector`; a NumPy vector gives NumPy arrays."""
        split = np.split if isinstance(vector, np.ndarray) else jnp.split
        parts = split(vector, self._ends[:-1])
        leaves = (
            p.reshape(shape) for p, shape in zip(parts, self._shapes, strict=True)
        )
        return jax.tree.unflatten(self._structure, leaves)


def example_inputs(network: Any, ndim: int, channels: int = 1) -> tuple[Any, Any, Any]:
    """Moving image, fixed image and α (or None) with which a network is initialised.

    A Flax module is mixed, and given α, if it has a field `genotype` that is None. α
    weighs the operations of its field `candidates` in the cells of its field
    `structure`, if it has them, else those of the paper.
    """
    alpha = None
    if getattr(network, "genotype", "none") is None:
        candidates = getattr(network, "candidates", CANDIDATES)
        alpha = ArchitectureLogits.zeros(candidates, cells_of(network))
    image = jnp.zeros((1, *(16,) * ndim, channels))
    return image, image, alpha


def cells_of(network: Any) -> CellShapes:
    """Cells that α weighs: those of the network's `structure`, or of the paper."""
    return getattr(getattr(network, "structure", None), "cells", PAPER_CELLS)


def layout_of(network: Any, ndim: int, channels: int = 1) -> Layout:
    """The layout of a network's weights on images of `ndim` axes."""
    inputs = example_inputs(network, ndim, channels)
    return Layout(jax.eval_shape(network.init, jax.random.key(0), *inputs)["params"])


def on_tree(
    transformation: optax.GradientTransformation, layout: Layout
) -> optax.GradientTransformation:
    """An Optax transformation that sees the arrays behind the vector.

    Its state may depend on their shapes, not on their values.
    """

    def init(params: Any) -> Any:
        del params  # Cutting it up would compile a program for every shape.
        return transformation.init(layout.shapes)

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        trees = layout.to_tree(updates), layout.to_tree(params)
        moved, state = transformation.update(trees[0], state, trees[1])
        return layout.to_vector(moved), state

    return optax.GradientTransformation(init, update)


def of_vector(function: Callable[..., Any], layout: Layout) -> Callable[..., Any]:
    """The same function, whose first argument is the vector ω."""
    return lambda omega, *rest: function(layout.to_tree(omega), *rest)


def on_vector(problem: SearchProblem, layout: Layout) -> SearchProblem:
    """The same problem whose ω is a vector."""
    inner, outer, _ = problem.bilevel
    inner_loss = outer_loss = of_vector(inner, layout)
    if outer is not inner:
        outer_loss = of_vector(outer, layout)
    return problem._replace(
        bilevel=BilevelProblem(inner_loss, outer_loss),
        inner_terms=of_vector(problem.inner_terms, layout),
    )


def trained_vector(params: Any, layout: Layout, name: object) -> jax.Array:
    """The weights of a model in the layout of a network.

    Args:
        params: The weights, as Flax nests them.
        layout: Of the network.
        name: Of the model, for a message.

    Raises:
        ArtifactError: If the network has other weights.
    """
    wanted, found = (
        {
            jax.tree_util.keystr(path, simple=True, separator="/"): tuple(leaf.shape)
            for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
        }
        for tree in (layout.shapes, params)
    )
    for part in sorted({*wanted, *found}):
        if wanted.get(part) != found.get(part):
            raise ArtifactError(
                f"{name}: does not fit the images and the network of this training: "
                f"{part} is {found.get(part, 'absent')} there and "
                f"{wanted.get(part, 'absent')} here; choose a model of images with as "
                "many axes and of the same network."
            )
    leaves = [np.ravel(np.asarray(leaf)) for leaf in jax.tree.leaves(params)]
    return jnp.asarray(np.concatenate(leaves), jnp.float32)


# As the initialisers of the network's modules say.
_SLOPE = 0.2
_HEAD_SCALE = 0.03


def initial_alpha(
    spread: float,
    seed: tuple[int, ...],
    candidates: Sequence[Candidate] = CANDIDATES,
    cells: CellShapes = PAPER_CELLS,
) -> ArchitectureLogits:
    """Logits to start from: normal numbers of this standard deviation, or zeros."""
    rng = np.random.default_rng(seed)
    zeros = ArchitectureLogits.zeros(candidates, cells)
    draws = (rng.normal(0.0, spread, logits.shape) for logits in zeros)
    return ArchitectureLogits(*(draw.astype(np.float32) for draw in draws))


def initial_vector(
    network: Any,
    ndim: int,
    layout: Layout,
    seed: tuple[int, ...],
    *,
    is_torch: bool = False,
    channels: int = 1,
) -> jax.Array:
    """Random ω in the layout of a network, distributed as its `init` would draw it.

    The mixed network has some 150 kernels, and a compiled program that draws each of
    them takes XLA 20 s on a CPU, in any implementation of random numbers. NumPy needs
    none of that. A Flax module of your own is initialised by its own `init`. Different
    seeds, non-negative numbers, give independent weights; with `is_torch` they are
    drawn as PyTorch does: uniform between ±1/sqrt(f) for f numbers that make one of the
    output, biases too.
    """
    ours = (RegistrationNetwork, *NETWORKS.values())
    if isinstance(network, nn.Module) and not isinstance(network, ours):
        key = reduce(jax.random.fold_in, seed[1:], jax.random.key(seed[0]))
        inputs = example_inputs(network, ndim, channels)
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
        elif names[0].startswith("condition"):
            scale = 1 / math.sqrt(leaf.shape[0])
            scale *= CONDITION_SCALE if names[1] == "out" else 1.0
        elif names[-1] in ("kernel", "pointwise") and is_mixed(names[0]):
            scale *= MIXTURE_GAIN
        normal = rng.standard_normal(leaf.shape, np.float32)
        return np.float32(scale) * normal

    return jax.tree_util.tree_map_with_path(draw, shapes)
