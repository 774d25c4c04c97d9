"""The protocol of every hypergradient estimator and the problem that it is given."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from jax import Array

Inner = Any
Outer = Any
Batch = Any
State = Any
Loss = Callable[[Inner, Outer, Batch], Array]
UpdateFn = Callable[[Inner, Inner], Inner]
MixedProduct = Callable[[Inner, Outer, Batch, Inner], Outer]


class InnerUpdate(NamedTuple):
    """The update Φ of ω, with the state of its optimizer.

    Attributes:
        state: State before the first step; an empty tuple if there is none.
        step: `(inner, gradient, state) -> (inner, state)`, pure.
    """

    state: State
    step: Callable[[Inner, Inner, State], tuple[Inner, State]]

    def __call__(self, inner: Inner, gradient: Inner) -> Inner:
        """Return ω′ after one step from `state`, whose successor is dropped."""
        return self.step(inner, gradient, self.state)[0]


class BilevelProblem(NamedTuple):
    """`min_a L_v(ω*(a), a)` subject to `ω*(a) = argmin_ω L_t(ω, a)`.

    Attributes:
        inner_loss: L_t, `(inner, outer, batch) -> scalar`.
        outer_loss: L_v, `(inner, outer, batch) -> scalar`.
        mixed_product: ∂²_{aω} L_t · u, `(inner, outer, batch, u) -> tree like outer`;
            None for `mixed_product` of the inner loss. Whoever has compiled it, or
            knows it in closed form, gives it here.
    """

    inner_loss: Loss
    outer_loss: Loss
    mixed_product: MixedProduct | None = None


class Hypergradient(NamedTuple):
    """An estimate of dL_v/da, `grad == direct + indirect`.

    Attributes:
        grad: The estimate, a tree like the outer variable.
        direct: ∂_a L_v at the point where it was evaluated.
        indirect: The part that comes through ω, `∂²_{aω} L_t · u`.
        value: L_v there, a scalar.
        diagnostics: Named scalars and vectors that a person may want to see; the names
            depend on the estimator alone, never on values.
    """

    grad: Outer
    direct: Outer
    indirect: Outer
    value: Array
    diagnostics: Mapping[str, Array] = {}


class EstimateFn(Protocol):
    """Estimates the hypergradient at one pair of inner and outer variables."""

    def __call__(
        self,
        problem: BilevelProblem,
        state: State,
        inner: Inner,
        outer: Outer,
        train_batch: Batch,
        valid_batch: Batch,
        *,
        inner_update: InnerUpdate | UpdateFn,
    ) -> tuple[Hypergradient, State]:
        """Return the estimate and the state for the next call."""
        ...


class HypergradientEstimator(NamedTuple):
    """A pair of pure functions, as an Optax transformation is.

    Attributes:
        init: `(inner, outer) -> state`; an empty tuple if nothing is carried.
        estimate: See `EstimateFn`.
    """

    init: Callable[[Inner, Outer], State]
    estimate: EstimateFn


def no_state(inner: Inner, outer: Outer) -> State:
    """The `init` of an estimator that carries nothing from call to call."""
    del inner, outer
    return ()


def as_inner_update(update: InnerUpdate | UpdateFn) -> InnerUpdate:
    """The update with its state; a plain `(inner, gradient) -> inner` has none."""
    if isinstance(update, InnerUpdate):
        return update
    return InnerUpdate(
        (), lambda inner, gradient, state: (update(inner, gradient), state)
    )
