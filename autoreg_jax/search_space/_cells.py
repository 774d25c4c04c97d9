"""Edges and cells: mixtures of candidates while searching, one operation after."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import Array

from autoreg_jax.ops import joint_convolution
from autoreg_jax.search_space._candidates import (
    CANDIDATES,
    Candidate,
    make_operation,
    searched_names,
)
from autoreg_jax.search_space._operations import LeadingConvolution, activation

# The mean of eight outputs that are only partly alike varies less than one of them: a
# mixed network starts with fields four times smaller than a discrete one with √2 here,
# and nearly of the same size with 1.6 (measured over 5 seeds in two dimensions).
MIXTURE_GAIN = 1.6

# Added to the mean square by which a candidate is divided.
_TINY = 1e-8


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
        candidates: Table of operations; α weighs those that are searched.
    """

    features: int
    stride: int = 1
    rematerialise: bool = False
    is_normalised: bool = False
    candidates: tuple[Candidate, ...] = CANDIDATES

    @nn.compact
    def __call__(self, x: Array, weights: Array) -> Array:
        """Sum the candidates.

        Args:
            x: `(b, *space, c)`.
            weights: `(operation,)` in the order of `candidates`.

        Returns:
            `(b, *⌈space / stride⌉, features)`.
        """
        names = searched_names(self.candidates)
        groups: dict[str, list[str]] = {}
        for row in self.candidates:
            if row.is_searched:
                is_leading = issubclass(row.module, LeadingConvolution)
                label = row.joint[self.stride - 1] if is_leading else ""
                groups.setdefault(label or row.name, []).append(row.name)
        size = x.shape[-1], self.features, x.ndim - 2, self.stride, MIXTURE_GAIN
        operations = {
            name: make_operation(name, *size, self.candidates) for name in names
        }
        total: Array | float = 0.0
        for group in groups.values():
            members = [operations[name] for name in group]
            shares = [weights[names.index(name)] for name in group]
            if not isinstance(members[0], LeadingConvolution):
                alone = nn.remat(_call) if self.rematerialise else _call
                total = total + self._weighted(shares[0], alone(members[0], x))
                continue
            kernels = [member.first_kernel() for member in members]

            def share(x: Array, kernels: list[Array], shares: list[Array]) -> Array:
                return self._joint_sum(members, x, kernels, shares)  # noqa: B023

            if self.rematerialise:
                share = jax.checkpoint(share)
            total = total + share(x, kernels, shares)
        return jnp.asarray(total)

    def _joint_sum(
        self,
        members: Sequence[Any],
        x: Array,
        kernels: Sequence[Array],
        shares: Sequence[Array],
    ) -> Array:
        """Weighted sum of candidates whose first convolutions are computed as one."""
        responses = joint_convolution(
            x, kernels, stride=members[0].first_stride, dilation=members[0].dilation
        )
        terms = [
            self._weighted(share, activation(member.finish(response)))
            for share, member, response in zip(shares, members, responses, strict=True)
        ]
        return sum(terms[1:], terms[0])

    def _weighted(self, share: Array, output: Array) -> Array:
        """A candidate's part of the sum; float32 even where the output is not."""
        size = _root_mean_square(output) if self.is_normalised else 1.0
        return share / size * output


def _call(module: nn.Module, x: Array) -> Array:
    return module(x)


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
        candidates: Table of operations.
    """

    features: tuple[int, ...]
    stride: int
    operations: tuple[str, ...] | None = None
    precision: str = "float32"
    rematerialise: bool = False
    is_normalised: bool = False
    candidates: tuple[Candidate, ...] = CANDIDATES

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
            name = f"edge_{edge}"
            if self.operations is not None:
                chosen = self.operations[edge]
                x = _Edge(chosen, features, stride, self.candidates, name=name)(x)
            elif weights is not None:
                mixture = MixedOperation(
                    features,
                    stride,
                    self.rematerialise,
                    self.is_normalised,
                    self.candidates,
                    name=name,
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
    candidates: tuple[Candidate, ...]

    @nn.compact
    def __call__(self, x: Array) -> Array:
        size = x.shape[-1], self.features, x.ndim - 2, self.stride, 1.0
        return make_operation(self.operation, *size, self.candidates)(x)
