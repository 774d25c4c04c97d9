"""The bilevel problem, the estimate, and the protocol of every estimator."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import optax
from jax import Array

Inner = Any
Outer = Any
Batch = Any
State = Any
Loss = Callable[[Inner, Outer, Batch], Array]
UpdateFn = Callable[[Inner, Inner], Inner]
MixedProduct = Callable[[Inner, Outer, Batch, Inner], Outer]


class InnerUpdate(NamedTuple):
    """The inner update Φ of ω and the state of its optimizer.

    Attributes:
        state: State before the first step; an empty tuple if there is none.
        step: `(inner, gradient, state) -> (inner, state)`, pure.
    """

    state: State
    step: Callable[[Inner, Inner, State], tuple[Inner, State]]

    def __call__(self, inner: Inner, gradient: Inner) -> Inner:
        """Return ω′ after one step from `state`; the new state is dropped."""
        return self.step(inner, gradient, self.state)[0]


AnyUpdate = InnerUpdate | UpdateFn


class BilevelProblem(NamedTuple):
    """`min_a L_v(ω*(a), a)` subject to `ω*(a) = argmin_ω L_t(ω, a)`.

    Attributes:
        inner_loss: L_t, `(inner, outer, batch) -> scalar`.
        outer_loss: L_v, `(inner, outer, batch) -> scalar`.
        mixed_product: ∂²_{aω} L_t · u, `(inner, outer, batch, u) -> tree like outer`,
            compiled or in closed form; default: `mixed_product` of the inner loss.
    """

    inner_loss: Loss
    outer_loss: Loss
    mixed_product: MixedProduct | None = None


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


class Hypergradient(NamedTuple):
    """An estimate of dL_v/da, `grad == direct + indirect`.

    Attributes:
        grad: The estimate, a tree like the outer variable.
        direct: ∂_a L_v, with ω held fixed.
        indirect: The part that acts through ω, `∂²_{aω} L_t · u`.
        value: L_v, a scalar.
        diagnostics: Named scalars and vectors for inspection; the names depend on the
            estimator only, never on values.
    """

    grad: Outer
    direct: Outer
    indirect: Outer
    value: Array
    diagnostics: Mapping[str, Array] = {}


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


class HypergradientEstimator(NamedTuple):
    """A pair of pure functions, like an Optax gradient transformation.

    Attributes:
        init: `(inner, outer) -> state`; an empty tuple for a stateless estimator.
        estimate: See `EstimateFn`.
    """

    init: Callable[[Inner, Outer], State]
    estimate: EstimateFn


def no_state(inner: Inner, outer: Outer) -> State:
    """The `init` of a stateless estimator."""
    del inner, outer
    return ()


def outer_gradient(problem: BilevelProblem, point: Point) -> tuple[Array, Inner, Outer]:
    """L_v, v = ∇_ω L_v and ∂_a L_v from one reverse pass."""
    value, (cotangent, direct) = jax.value_and_grad(problem.outer_loss, argnums=(0, 1))(
        point.inner, point.outer, point.valid_batch
    )
    return value, cotangent, direct


def inner_product(left: Any, right: Any) -> Array:
    """⟨left, right⟩ of two trees of one structure.

    A sum of products: exact on every platform, where a dot product is rounded to the
    fast type of the device, and defined for arrays that are divided over a mesh.
    """
    products = jax.tree.map(lambda a, b: jnp.sum(a * b), left, right)
    return jnp.asarray(optax.tree.sum(products))


def make_hypergradient(
    direct: Outer, indirect: Outer, value: Array, **diagnostics: Array
) -> Hypergradient:
    """The estimate, with the norms of both parts and their cosine as diagnostics."""
    norms = optax.tree.norm(direct), optax.tree.norm(indirect)
    product = norms[0] * norms[1]
    aligned = inner_product(direct, indirect)
    cosine = jnp.where(product > 0, aligned / jnp.where(product > 0, product, 1.0), 0.0)
    common = {
        "direct_norm": norms[0],
        "indirect_norm": norms[1],
        "direct_indirect_cosine": cosine,
    }
    grad = optax.tree.add(direct, indirect)
    return Hypergradient(grad, direct, indirect, value, common | diagnostics)
