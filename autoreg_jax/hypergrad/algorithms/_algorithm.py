"""What a bilevel algorithm is: a pair of pure functions on a problem and a sampler."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, NamedTuple, Protocol, Self

import jax
import jax.numpy as jnp
import optax
from jax import Array

from autoreg_jax.hypergrad._base import (
    Batch,
    BilevelProblem,
    Inner,
    Outer,
)
from autoreg_jax.hypergrad._checks import Number
from autoreg_jax.hypergrad._given import (
    Uses,
    check_floats,
    check_kind,
    check_pair,
    check_problem,
    check_same,
    described,
)
from autoreg_jax.hypergrad._meshes import on_mesh

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
        """Return the next state, whose `step` is counted for you, and diagnostics."""
        ...


InitFn = Callable[[BilevelProblem, Sampler, Inner, Outer], AlgorithmState]


class _Pair(NamedTuple):
    init: InitFn
    step: StepFn


class Algorithm(_Pair):
    """A pair of pure functions that solves a bilevel problem, step by step.

    Whatever the algorithm, both raise `ValueError` for a leaf of ω or a that is not
    floating-point and for a sampler that draws no pair; `step` for a state that is not
    like that of `init`, before it or behind it, or if neither loss uses a.

    Attributes:
        init: `(problem, sampler, inner, outer) -> AlgorithmState`.
        step: See `StepFn`.
    """

    __slots__ = ()

    def __new__(cls, init: InitFn, step: StepFn) -> Self:
        """Arguments of both functions are looked at."""
        return super().__new__(cls, _checked_init(init), _checked_step(init, step))


def _checked_init(init: InitFn) -> InitFn:
    @wraps(init)
    def checked(
        problem: BilevelProblem, sampler: Sampler, inner: Inner, outer: Outer
    ) -> AlgorithmState:
        check_problem(problem, BilevelProblem)
        check_floats(inner=inner, outer=outer)
        _check_sampler(sampler)
        state = init(problem, sampler, *on_mesh((inner, outer)))
        check_kind("What `init` returns", state, AlgorithmState)
        return _unshared(state)

    return checked


def _unshared(state: AlgorithmState) -> AlgorithmState:
    """The state with an array of its own in each place: none is donated twice."""
    seen = set[int]()

    def own(leaf: Any) -> Any:
        is_new = id(leaf) not in seen
        seen.add(id(leaf))
        return leaf if is_new else jnp.copy(leaf)

    return jax.tree.map(own, state)


def _checked_step(init: InitFn, step: StepFn) -> StepFn:
    @wraps(step)
    def checked(
        problem: BilevelProblem, sampler: Sampler, state: AlgorithmState, key: Array
    ) -> tuple[AlgorithmState, Mapping[str, Array]]:
        check_problem(problem, BilevelProblem)
        check_kind("state", state, AlgorithmState)
        check_floats(inner=state.inner, outer=state.outer)
        _check_sampler(sampler)
        expected = jax.eval_shape(
            lambda inner, outer: init(problem, sampler, inner, outer),
            state.inner,
            state.outer,
        )
        check_same("The state of the algorithm", state, expected, _REMEDY)
        uses = Uses(state.outer)
        found = step(uses.watched_by(problem), sampler, state, key)
        check_pair("`step`", found, AlgorithmState, "diagnostics")
        check_same("The state behind a step", found[0], state, _UNCHANGED)
        uses.check()
        after, diagnostics = found
        return after._replace(step=state.step + 1), diagnostics

    return checked


_REMEDY = (
    "Begin with `algorithm.init(problem, sampler, inner, outer)` and go on from a "
    "state of the same algorithm."
)

_UNCHANGED = "A step returns a state like the one that it is given."


def _check_sampler(sampler: Sampler) -> None:
    if not callable(sampler):
        raise ValueError(
            "The sampler must be a function key -> (train_batch, valid_batch), found "
            f"{described(sampler)}. `whole_batches` and `minibatches` make one."
        )
    drawn = jax.eval_shape(sampler, jax.random.key(0))
    if not isinstance(drawn, tuple | list) or len(drawn) != 2:
        raise ValueError(
            "The sampler must return a pair (train_batch, valid_batch) for a key, "
            f"found {described(drawn)}."
        )
