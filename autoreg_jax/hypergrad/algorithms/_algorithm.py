"""What a bilevel algorithm is: a pair of pure functions on a problem and a sampler."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import optax
from jax import Array

from autoreg_jax.hypergrad._base import (
    Batch,
    BilevelProblem,
    Inner,
    Outer,
)
from autoreg_jax.hypergrad._checks import Number

Sampler = Callable[[Array], tuple[Batch, Batch]]
"""`key -> (train_batch, valid_batch)`, drawn independently for each key."""

Rate = Number | optax.Schedule | optax.GradientTransformation
"""A step size, a schedule of step sizes, or any Optax transformation."""

Varying = Number | optax.Schedule
"""A number, or a function of the count of steps that returns one."""


class AlgorithmState(NamedTuple):
    """State of an algorithm; a pytree.

    Attributes:
        inner: ω.
        outer: a.
        step: Number of steps so far, an int32 scalar.
        memory: What the algorithm carries besides, by name.
    """

    inner: Inner
    outer: Outer
    step: Array
    memory: dict[str, Any]


class StepFn(Protocol):
    """One iteration of an algorithm."""

    def __call__(
        self,
        problem: BilevelProblem,
        sampler: Sampler,
        state: AlgorithmState,
        key: Array,
    ) -> tuple[AlgorithmState, Mapping[str, Array]]:
        """Return the next state, with `step` one higher, and diagnostics."""
        ...


class Algorithm(NamedTuple):
    """A pair of pure functions that solves a bilevel problem, step by step.

    Attributes:
        init: `(problem, sampler, inner, outer) -> AlgorithmState`.
        step: See `StepFn`.
    """

    init: Callable[[BilevelProblem, Sampler, Inner, Outer], AlgorithmState]
    step: StepFn
