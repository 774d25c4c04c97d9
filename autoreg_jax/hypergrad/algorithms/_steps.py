"""Steps that the algorithms have in common."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from autoreg_jax.hypergrad._base import (
    BilevelProblem,
    Inner,
    Outer,
    Point,
    outer_gradient,
)
from autoreg_jax.hypergrad._checks import check_positive
from autoreg_jax.hypergrad._given import described
from autoreg_jax.hypergrad._second_order import exact_products
from autoreg_jax.hypergrad.algorithms._algorithm import (
    AlgorithmState,
    Rate,
    Sampler,
    Varying,
)


def begin(inner: Inner, outer: Outer, **memory: Any) -> AlgorithmState:
    """The state before the first step."""
    inner, outer = jax.tree.map(jnp.asarray, (inner, outer))
    return AlgorithmState(inner, outer, jnp.zeros((), jnp.int32), memory)


class Directions(NamedTuple):
    """Directions of descent in ω, z and a at one point, on one pair of batches.

    Attributes:
        inner: ∇_ω L_t.
        linear: H z − ∇_ω L_v.
        outer: ∂_a L_v − M z.
        value: L_v.
    """

    inner: Inner
    linear: Inner
    outer: Outer
    value: Array


def directions(problem: BilevelProblem, point: Point, z: Inner) -> Directions:
    """All three directions; each is linear in the draw of the batches: unbiased."""
    slope, hessian, mixed = inner_products(problem, point, z)
    value, cotangent, direct = outer_gradient(problem, point)
    return Directions(
        slope,
        optax.tree.sub(hessian, cotangent),
        optax.tree.sub(direct, mixed),
        value,
    )


def inner_products(
    problem: BilevelProblem, point: Point, z: Inner
) -> tuple[Inner, Inner, Outer]:
    """∇_ω L_t, H z and M z from one forward derivative of the gradient."""

    def gradients(omega: Inner) -> tuple[Inner, Outer]:
        at = omega, point.outer, point.train_batch
        return jax.grad(problem.inner_loss, argnums=(0, 1))(*at)

    with exact_products():
        (slope, _), (hessian, mixed) = jax.jvp(gradients, (point.inner,), (z,))
    return slope, hessian, mixed


def as_optimizer(**named: Rate) -> optax.GradientTransformation:
    """Gradient descent with a step size or a schedule; an Optax transformation as is.

    Raises:
        ValueError: If a step size is known and not positive, or none of these.
    """
    name, rate = _only(named)
    if hasattr(rate, "init"):
        return rate
    if callable(rate):
        _check_schedule(name, rate)
    else:
        check_positive(**{name: rate})
    size: Any = rate
    return optax.sgd(size)


def _only(named: dict[str, Any]) -> tuple[str, Any]:
    ((name, value),) = named.items()
    return name, value


def as_schedule(**named: Varying) -> optax.Schedule:
    """A function of the count of steps; a number is constant.

    Raises:
        ValueError: If a number is known and not positive, or neither of both.
    """
    name, value = _only(named)
    if callable(value):
        schedule: Any = value
        _check_schedule(name, schedule)
        return schedule
    check_positive(**{name: value})
    return lambda count: value


def _check_schedule(name: str, schedule: Callable[..., Any]) -> None:
    """Refuse a function that is no schedule, such as `optax.adam` without its rate."""
    refusal = f"{name}: a function must be a schedule, count of steps -> number"
    try:
        value = jax.eval_shape(schedule, jnp.zeros((), jnp.int32))
    except TypeError as error:
        raise ValueError(f"{refusal}, found {schedule!r}: {error}") from error
    if not hasattr(value, "shape") or value.shape:
        raise ValueError(f"{refusal}, found one that returns {described(value)}.")


def move(
    optimizer: optax.GradientTransformation, direction: Any, state: Any, at: Any
) -> tuple[Any, Any]:
    """One step of the optimizer: what it moves, and its state."""
    updates, state = optimizer.update(direction, state, at)
    return optax.apply_updates(at, updates), state


def descent(
    problem: BilevelProblem,
    sampler: Sampler,
    optimizer: optax.GradientTransformation,
    start: tuple[Inner, Any],
    outer: Outer,
    keys: Array,
) -> tuple[Inner, Any]:
    """(ω, s) after one step on L_t for each key, every one on a batch of its own."""

    def body(carry: Any, key: Array) -> tuple[Any, None]:
        omega, state = carry
        gradient = jax.grad(problem.inner_loss)(omega, outer, sampler(key)[0])
        return move(optimizer, gradient, state, omega), None

    return jax.lax.scan(body, start, keys)[0]


Two = tuple[optax.GradientTransformation, optax.GradientTransformation]


def two_optimizers(inner_rate: Rate, outer_rate: Rate) -> Two:
    """Those of ω and a."""
    return as_optimizer(inner_rate=inner_rate), as_optimizer(outer_rate=outer_rate)


def begin_two(optimizers: Two, inner: Inner, outer: Outer) -> AlgorithmState:
    """The state before the first step of an algorithm without z."""
    state = begin(inner, outer)
    states = optimizers[0].init(state.inner), optimizers[1].init(state.outer)
    return state._replace(memory={"optimizers": states})


def descend(
    optimizers: Two,
    problem: BilevelProblem,
    sampler: Sampler,
    state: AlgorithmState,
    keys: Array,
) -> tuple[Inner, Outer, Any]:
    """ω and its optimizer after a step for each key, with a between them."""
    start = state.inner, state.memory["optimizers"][0]
    inner, moments = descent(problem, sampler, optimizers[0], start, state.outer, keys)
    return inner, state.outer, moments


def finish(
    optimizers: Two,
    problem: BilevelProblem,
    state: AlgorithmState,
    point: Point,
    z: Inner,
    moments: Any,
    value: Array,
    direct: Outer,
) -> tuple[AlgorithmState, dict[str, Array]]:
    """The step of a along ∂_a L_v − M z."""
    _, _, mixed = inner_products(problem, point, z)
    direction = optax.tree.sub(direct, mixed)
    outer, outer_moments = move(
        optimizers[1], direction, state.memory["optimizers"][1], state.outer
    )
    memory = state.memory | {"optimizers": (moments, outer_moments)}
    diagnostics = {
        "value": value,
        "linear_norm": optax.tree.norm(z),
        "outer_norm": optax.tree.norm(direction),
    }
    return AlgorithmState(point.inner, outer, state.step, memory), diagnostics
