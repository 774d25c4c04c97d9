"""Edges and cells: mixtures of candidates while searching, one operation after."""

import jax.numpy as jnp
from flax import linen as nn
from jax import Array

from autoreg_jax.search_space._architecture import OPERATIONS
from autoreg_jax.search_space._operations import make_operation


class MixedOperation(nn.Module):
    """Weighted sum of every candidate operation on one edge, Eq. (3).

    The weights are an argument, never a parameter: α belongs to the outer problem and
    must not be found among the parameters that the inner optimizer updates.

    Attributes:
        features: Output channels of every candidate.
        stride: 1 or 2.
    """

    features: int
    stride: int = 1

    @nn.compact
    def __call__(self, x: Array, weights: Array) -> Array:
        """Sum the candidates.

        Args:
            x: `(b, *space, c)`.
            weights: `(operation,)` in the order of `OPERATIONS`.

        Returns:
            `(b, *⌈space / stride⌉, features)`.
        """
        total: Array | None = None
        for index, name in enumerate(OPERATIONS):
            out = make_operation(name, self.features, self.stride)(x)
            total = weights[index] * out if total is None else total + weights[index] * out
        return jnp.asarray(total)


class Cell(nn.Module):
    """A chain of three edges, x(0) → x(1) → x(2) → x(3).

    Feature cells begin with stride 2, deformation cells keep the resolution; otherwise
    the two kinds are alike (paper Sec. III-B, Fig. 2).

    Attributes:
        features: Output channels of each edge.
        stride: Stride of the first edge: 2 for a feature cell, 1 for a deformation cell.
        operations: Chosen operation of each edge, or None for the mixture of all.
    """

    features: tuple[int, ...]
    stride: int
    operations: tuple[str, ...] | None = None

    @nn.compact
    def __call__(self, x: Array, weights: Array | None = None) -> Array:
        """Run the chain.

        Args:
            x: `(b, *space, c)`.
            weights: `(edge, operation)`, used by the mixture only.

        Returns:
            `(b, *⌈space / stride⌉, features[-1])`.
        """
        for edge, features in enumerate(self.features):
            stride = self.stride if edge == 0 else 1
            if self.operations is not None:
                x = _Edge(self.operations[edge], features, stride, name=f"edge_{edge}")(x)
            elif weights is not None:
                mixture = MixedOperation(features, stride, name=f"edge_{edge}")
                x = mixture(x, weights[edge])
            else:
                raise ValueError("a cell without chosen operations needs weights.")
        return x


class _Edge(nn.Module):
    """One chosen operation under the same parameter path as in the mixture."""

    operation: str
    features: int
    stride: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        return make_operation(self.operation, self.features, self.stride)(x)
