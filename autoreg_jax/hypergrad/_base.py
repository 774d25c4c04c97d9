"""The bilevel problem, the estimate, and the protocol of every estimator."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, NamedTuple, Protocol, Self

import jax
import jax.numpy as jnp
import optax
from jax import Array

from autoreg_jax.hypergrad._given import (
    Uses,
    check_floats,
    check_kind,
    check_pair,
    check_problem,
    check_same,
    check_state,
    checked_loss,
    is_traced,
)
from autoreg_jax.hypergrad._meshes import on_mesh, started_on_mesh
from autoreg_jax.hypergrad._trees import inner_product

Inner = Any
Outer = Any
Batch = Any
State = Any
Loss = Callable[[Inner, Outer, Batch], Array]
UpdateFn = Callable[[Inner, Inner], Inner]
MixedProduct = Callable[[Inner, Outer, Batch, Inner], Outer]


class InnerUpdate(NamedTuple):
    """The inner update Φ of ω and the state of its optimizer.

    The learning rate and other settings of the update, and the initial weights, may be
    outer variables: `step` takes the outer variable if `takes_outer`, and `start`
    computes ω_0 from it (MAML). Estimators that differentiate the steps differentiate
    these, too; those by the implicit function theorem refuse them, for ω* does not
    depend on how it was reached.

    Attributes:
        state: State before the first step; an empty tuple if there is none.
        step: `(inner, gradient, state) -> (inner, state)`, pure; with `takes_outer`
            `(inner, gradient, state, outer) -> (inner, state)`.
        takes_outer: Whether `step` has the outer variable as its fourth argument.
        start: `outer -> inner`, the weights before the first step; None: those of
            the `Point`.
    """

    state: State
    step: Callable[..., tuple[Inner, State]]
    takes_outer: bool = False
    start: Callable[[Outer], Inner] | None = None

    def __call__(self, inner: Inner, gradient: Inner, outer: Outer = None) -> Inner:
        """Return ω′ after one step from `state`; the new state is dropped."""
        return self.advance(inner, gradient, self.state, outer)[0]

    def advance(
        self, inner: Inner, gradient: Inner, state: State, outer: Outer
    ) -> tuple[Inner, State]:
        """`step`, whether it takes the outer variable or not.

        Raises:
            ValueError: If it returns no pair, or other weights than it was given.
        """
        more = (outer,) if self.takes_outer else ()
        found = self.step(inner, gradient, state, *more)
        check_pair("The step of an inner update", found, object, "state")
        remedy = "An inner update returns weights like those that it is given."
        check_same("ω after an inner step", found[0], inner, remedy)
        return found

    def begin(self, inner: Inner, outer: Outer) -> tuple[Inner, State]:
        """(ω, s) before the first step, where ω is `inner` unless there is a start."""
        return inner if self.start is None else self.start(outer), self.state


AnyUpdate = InnerUpdate | UpdateFn


class _Losses(NamedTuple):
    inner_loss: Loss
    outer_loss: Loss
    mixed_product: MixedProduct | None


class BilevelProblem(_Losses):
    """`min_a L_v(ω*(a), a)` subject to `ω*(a) = argmin_ω L_t(ω, a)`.

    A loss returns one number, its value alone; another value raises `ValueError` where
    the loss is first traced, and what a loss raises gets a note with its arguments.

    Attributes:
        inner_loss: L_t, `(inner, outer, batch) -> scalar`.
        outer_loss: L_v, `(inner, outer, batch) -> scalar`.
        mixed_product: ∂²_{aω} L_t · u, `(inner, outer, batch, u) -> tree like outer`,
            compiled or in closed form; default: `mixed_product` of the inner loss.
    """

    __slots__ = ()

    def __new__(
        cls,
        inner_loss: Loss,
        outer_loss: Loss,
        mixed_product: MixedProduct | None = None,
    ) -> Self:
        """Both losses are looked at when they are called; one loss stays one."""
        inner = checked_loss("inner_loss", inner_loss)
        is_one = outer_loss is inner_loss
        outer = inner if is_one else checked_loss("outer_loss", outer_loss)
        return super().__new__(cls, inner, outer, mixed_product)


class Point(NamedTuple):
    """Where a hypergradient is estimated; a pytree.

    Attributes:
        inner: ω, any tree of arrays.
        outer: a, any tree of arrays.
        train_batch: Data of the inner loss, any tree.
        valid_batch: Data of the outer loss, any tree.
    """

    inner: Inner
    outer: Outer
    train_batch: Batch = None
    valid_batch: Batch = None


class Iterate(NamedTuple):
    """Where inner steps have led.

    Attributes:
        inner: ω.
        state: State of the inner optimizer, for `InnerUpdate.state`.
    """

    inner: Inner
    state: State


class Hypergradient(NamedTuple):
    """An estimate of dL_v/da, `grad == direct + indirect`.

    Attributes:
        grad: The estimate, a tree like the outer variable.
        direct: ∂_a L_v, with ω held fixed.
        indirect: The part that acts through ω, `∂²_{aω} L_t · u`.
        value: L_v, a scalar.
        diagnostics: Named scalars and vectors for inspection; the names depend on the
            estimator only, never on values.
        end: ω and the state of its optimizer after the inner steps that the estimate
            took, for a caller who would take the same ones; None if it took none, or
            none of the outer variable itself.
    """

    grad: Outer
    direct: Outer
    indirect: Outer
    value: Array
    diagnostics: Mapping[str, Array] = {}
    end: Iterate | None = None


Estimated = tuple[Hypergradient, State]


class EstimateFn(Protocol):
    """Estimates the hypergradient at one point."""

    def __call__(
        self,
        problem: BilevelProblem,
        state: State,
        point: Point,
        *,
        inner_update: AnyUpdate,
    ) -> Estimated:
        """Return the estimate and the state for the next call."""
        ...


class _Pair(NamedTuple):
    init: Callable[[Inner, Outer], State]
    estimate: EstimateFn


class HypergradientEstimator(_Pair):
    """A pair of pure functions, like an Optax gradient transformation.

    Call them inside of `jax.jit`: most estimates are loops, which JAX compiles anew in
    each call outside of it.

    Whatever the estimator, `estimate` raises `ValueError` for a leaf of ω or a that is
    not floating-point, for a state that is not like that of `init` and for an estimate
    that is not like a; and, where it is traced, if neither loss nor the update uses a.

    Attributes:
        init: `(inner, outer) -> state`; an empty tuple for a stateless estimator.
        estimate: See `EstimateFn`.
    """

    __slots__ = ()

    def __new__(
        cls, init: Callable[[Inner, Outer], State], estimate: EstimateFn
    ) -> Self:
        """Arguments of `estimate` are looked at."""
        return super().__new__(cls, started_on_mesh(init), _checked(init, estimate))


def _checked(init: Callable[[Inner, Outer], State], estimate: EstimateFn) -> EstimateFn:
    @wraps(estimate)
    def checked(
        problem: BilevelProblem, state: State, point: Point, *, inner_update: AnyUpdate
    ) -> Estimated:
        # One whose losses are compiled may be an estimator that is given no problem.
        if problem is not None:
            check_problem(problem, BilevelProblem)
        check_kind("point", point, Point)
        check_floats(inner=point.inner, outer=point.outer)
        check_state(init, state, point.inner, point.outer)
        inner, outer = on_mesh((point.inner, point.outer))
        point = point._replace(inner=inner, outer=outer)
        uses = Uses(point.outer)
        if problem is not None and is_traced((state, point)):
            problem = uses.watched_by(problem, inner_update)
        found = estimate(problem, state, point, inner_update=inner_update)
        check_pair("`estimate`", found, Hypergradient, "state")
        remedy = "It must be a tree like the outer variable."
        check_same("The estimate", found[0].grad, point.outer, remedy)
        uses.check()
        return found

    return checked


def no_state(inner: Inner, outer: Outer) -> State:
    """The `init` of a stateless estimator."""
    del inner, outer
    return ()


def outer_gradient(problem: BilevelProblem, point: Point) -> tuple[Array, Inner, Outer]:
    """L_v and its gradients from one reverse pass, with which every estimate begins.

    Args:
        problem: The bilevel problem.
        point: ω, a and the batch of the outer loss.

    Returns:
        L_v, v = ∇_ω L_v, a tree like ω, and ∂_a L_v, a tree like a.
    """
    value, (cotangent, direct) = jax.value_and_grad(problem.outer_loss, argnums=(0, 1))(
        point.inner, point.outer, point.valid_batch
    )
    return value, cotangent, direct


def make_hypergradient(
    direct: Outer,
    indirect: Outer,
    value: Array,
    *,
    end: Iterate | None = None,
    **diagnostics: Array,
) -> Hypergradient:
    """Make an estimate of its parts; its norms are diagnostics of every estimator.

    Args:
        direct: ∂_a L_v, a tree like a.
        indirect: What acts through ω, a tree like a.
        value: L_v, a scalar.
        end: Where the inner steps of the estimate have led, if it took any.
        diagnostics: Those of this estimator, by name.

    Returns:
        The estimate, with `direct_norm`, `indirect_norm` and `direct_indirect_cosine`.
    """
    norms = optax.tree.norm(direct), optax.tree.norm(indirect)
    product = norms[0] * norms[1]
    aligned = inner_product(direct, indirect)
    is_zero = product == 0  # NaN is not, and shows.
    cosine = jnp.where(is_zero, 0.0, aligned / jnp.where(is_zero, 1.0, product))
    common = {
        "direct_norm": norms[0],
        "indirect_norm": norms[1],
        "direct_indirect_cosine": cosine,
    }
    grad = optax.tree.add(direct, indirect)
    return Hypergradient(grad, direct, indirect, value, common | diagnostics, end)
