"""Edges and cells: mixtures of candidates while searching, one operation after."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import Array

from autoreg_jax.ops import joint_convolution
from autoreg_jax.search_space._architecture import OPERATIONS
from autoreg_jax.search_space._operations import Operation, activation, make_operation

# The mean of eight outputs that are only partly alike varies less than one of them: a
# mixed network starts with fields four times smaller than a discrete one with √2 here,
# and nearly of the same size with 1.6 (measured over 5 seeds in two dimensions).
MIXTURE_GAIN = 1.6

# Added to the mean square by which a candidate is divided.
_TINY = 1e-8

# Candidates whose first convolutions are computed as one, by the stride of the edge.
_TOGETHER = {
    1: (
        ("conv_1", "conv_3", "sep_conv_3"),
        ("conv_5", "sep_conv_5"),
        ("dil_conv_3", "dil_conv_5"),
        ("dil_conv_7",),
    ),
    2: (
        ("conv_1", "conv_3"),
        ("conv_5",),
        ("sep_conv_3", "sep_conv_5"),
        ("dil_conv_3", "dil_conv_5"),
        ("dil_conv_7",),
    ),
}


class MixedOperation(nn.Module):
    """Weighted sum of every candidate operation on one edge, Eq. (3).

    The weights are an argument, never a parameter: α belongs to the outer problem and
    must not be found among the parameters that the inner optimizer updates.

    Attributes:
        features: Output channels of every candidate.
        stride: 1 or 2.
        rematerialise: Whether the gradient computes the candidates' insides again
            instead of keeping them: their memory is then that of one group of
            candidates, for one more forward pass.
        is_normalised: Whether each candidate is divided by its root mean square over
            batch, space and channels. A candidate f is homogeneous in its last kernel
            W, so without that ∂L/∂a = ⟨∂L/∂f, f⟩ = ⟨∂L/∂W, W⟩ / a for its weight a:
            α learns how fast W grows, which tends to nothing as W settles. With it the
            scale of W means nothing, and a alone says how much the candidate counts
            (as normalisation without scales in DARTS, Liu et al., ICLR 2019).
    """

    features: int
    stride: int = 1
    rematerialise: bool = False
    is_normalised: bool = False

    @nn.compact
    def __call__(self, x: Array, weights: Array) -> Array:
        """Sum the candidates.

        Args:
            x: `(b, *space, c)`.
            weights: `(operation,)` in the order of `OPERATIONS`.

        Returns:
            `(b, *⌈space / stride⌉, features)`.
        """
        ndim, channels = x.ndim - 2, x.shape[-1]
        operations = {
            name: make_operation(
                name, channels, self.features, ndim, self.stride, MIXTURE_GAIN
            )
            for name in OPERATIONS
        }
        total: Array | float = 0.0
        for names in _TOGETHER[self.stride]:
            members = [operations[name] for name in names]
            kernels = [member.first_kernel() for member in members]
            shares = [weights[OPERATIONS.index(name)] for name in names]

            def share(x: Array, kernels: list[Array], shares: list[Array]) -> Array:
                return self._weighted_sum(members, x, kernels, shares)  # noqa: B023

            if self.rematerialise:
                share = jax.checkpoint(share)
            total = total + share(x, kernels, shares)
        return jnp.asarray(total)

    def _weighted_sum(
        self,
        members: Sequence[Operation],
        x: Array,
        kernels: Sequence[Array],
        shares: Sequence[Array],
    ) -> Array:
        """Candidates whose first convolutions are one, weighed; sums not rounded."""
        responses = joint_convolution(
            x, kernels, stride=members[0].first_stride, dilation=members[0].dilation
        )
        terms = []
        for share, member, response in zip(shares, members, responses, strict=True):
            output = activation(member.finish(response))
            size = _root_mean_square(output) if self.is_normalised else 1.0
            terms.append(share / size * output)
        return sum(terms[1:], terms[0])


def _root_mean_square(x: Array) -> Array:
    """Over everything, and a little more, so that zeros have a gradient."""
    return jnp.sqrt(jnp.mean(jnp.square(x.astype(jnp.float32))) + _TINY)


class Cell(nn.Module):
    """A chain of three edges, x(0) → x(1) → x(2) → x(3).

    Feature cells begin with stride 2, deformation cells keep the resolution; otherwise
    the two kinds are alike (paper Sec. III-B, Fig. 2).

    Attributes:
        features: Output channels of each edge.
        stride: Stride of the first edge: 2 for a feature cell, 1 for a deformation
            cell.
        operations: Chosen operation of each edge, or None for the mixture of all.
        precision: Type in which the convolutions are computed, "float32" or "bfloat16";
            weights, sums of candidates and the result stay float32.
        rematerialise: See `MixedOperation`.
        is_normalised: See `MixedOperation`.
    """

    features: tuple[int, ...]
    stride: int
    operations: tuple[str, ...] | None = None
    precision: str = "float32"
    rematerialise: bool = False
    is_normalised: bool = False

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
            stride, result = (self.stride if edge == 0 else 1), x.dtype
            if self.precision != "float32":
                x = x.astype(self.precision)
            if self.operations is not None:
                x = _Edge(self.operations[edge], features, stride, name=f"edge_{edge}")(
                    x
                )
            elif weights is not None:
                mixture = MixedOperation(
                    features,
                    stride,
                    self.rematerialise,
                    self.is_normalised,
                    name=f"edge_{edge}",
                )
                x = mixture(x, weights[edge])
            else:
                raise ValueError("a cell without chosen operations needs weights.")
            x = x.astype(result)
        return x


class _Edge(nn.Module):
    """One chosen operation under the same parameter path as in the mixture."""

    operation: str
    features: int
    stride: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        ndim, channels = x.ndim - 2, x.shape[-1]
        return make_operation(
            self.operation, channels, self.features, ndim, self.stride
        )(x)
