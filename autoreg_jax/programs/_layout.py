"""Network weights as one vector.

An optimizer, a look-ahead or a norm over some 150 kernels is a thousand small programs
to compile; over one vector it is a few.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from autoreg_jax.hypergrad import BilevelProblem
from autoreg_jax.search import SearchProblem
from autoreg_jax.search_space import CANDIDATES, ArchitectureLogits


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


def example_inputs(network: Any, ndim: int) -> tuple[Any, Any, Any]:
    """Moving image, fixed image and α (or None) with which a network is initialised.

    Args:
        network: A Flax module; it is mixed, and given α, if it has a field `genotype`
            that is None. α weighs the operations of its field `candidates`, if it has
            one, else those of the paper.
        ndim: Number of spatial axes.
    """
    is_mixed = getattr(network, "genotype", "none") is None
    candidates = getattr(network, "candidates", CANDIDATES)
    alpha = ArchitectureLogits.zeros(candidates) if is_mixed else None
    image = jnp.zeros((1, *(16,) * ndim, 1))
    return image, image, alpha


def layout_of(network: Any, ndim: int) -> Layout:
    """The layout of a network's weights on images of `ndim` axes."""
    inputs = example_inputs(network, ndim)
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


def on_vector(problem: SearchProblem, layout: Layout) -> SearchProblem:
    """The same problem whose ω is a vector."""

    def of_vector(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda omega, *rest: function(layout.to_tree(omega), *rest)

    inner, outer, _ = problem.bilevel
    inner_loss = outer_loss = of_vector(inner)
    if outer is not inner:
        outer_loss = of_vector(outer)
    return problem._replace(
        bilevel=BilevelProblem(inner_loss, outer_loss),
        inner_terms=of_vector(problem.inner_terms),
    )
