"""A bilevel problem with its solution."""

from collections.abc import Callable
from typing import NamedTuple

from jax import Array

from autoreg_jax.hypergrad._base import BilevelProblem, Inner, Outer, Point


class Example(NamedTuple):
    """A bilevel problem with its solution and its true hypergradient.

    Attributes:
        problem: Inner and outer loss.
        point: Initial ω, far from the solution, initial a and both batches.
        solution: `outer -> inner`, ω*(a).
        reference: `outer -> tree like outer`, the hypergradient dL_v(ω*(a), a)/da.
        smoothness: `outer -> scalar`, the largest eigenvalue L of ∇²_ω L_t at ω*(a):
            steps of 1/L descend.
    """

    problem: BilevelProblem
    point: Point
    solution: Callable[[Outer], Inner]
    reference: Callable[[Outer], Outer]
    smoothness: Callable[[Outer], Array]
