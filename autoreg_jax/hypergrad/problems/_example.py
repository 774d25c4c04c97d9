"""A bilevel problem together with its answer."""

from collections.abc import Callable
from typing import NamedTuple

from jax import Array

from autoreg_jax.hypergrad._base import Batch, BilevelProblem, Inner, Outer


class Example(NamedTuple):
    """A problem, where to start, and what is true of it.

    Attributes:
        problem: Inner and outer loss.
        inner: A start of ω that solves nothing.
        outer: A start of a.
        train_batch: What the inner loss is computed on.
        valid_batch: What the outer loss is computed on.
        solution: `outer -> inner`, ω*(a).
        reference: `outer -> tree like outer`, the hypergradient dL_v(ω*(a), a)/da.
        smoothness: `outer -> scalar`, the largest eigenvalue L of ∇²_ω L_t at ω*(a):
            steps of 1/L descend.
    """

    problem: BilevelProblem
    inner: Inner
    outer: Outer
    train_batch: Batch
    valid_batch: Batch
    solution: Callable[[Outer], Inner]
    reference: Callable[[Outer], Outer]
    smoothness: Callable[[Outer], Array]
