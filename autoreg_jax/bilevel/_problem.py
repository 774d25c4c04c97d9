"""Batches of pairs, criteria of λ, and the bilevel problems: Eq. (6) and Eq. (7)."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from autoreg_jax.hypergrad import BilevelProblem
from autoreg_jax.losses import (
    Objective,
    Terms,
    Weights,
    agreement_loss,
    landmark_loss,
    segmentation_loss,
)
from autoreg_jax.networks import Registration, RegistrationNetwork


class PairBatch(NamedTuple):
    """A batch of image pairs.

    Attributes:
        moving: Images `(b, *space, c)`.
        fixed: Images `(b, *space, c)`.
        moving_labels: One-hot labels `(b, *space, k)`, or None where not needed.
        fixed_labels: Label maps of the fixed images, in the same form.
        lam: Weights of L_reg for this batch, or None for those of the problem: an
            argument of a program that serves every λ, where a constant needs one each.
        moving_landmarks: Points `(b, k, d)`, voxels, or None where not needed.
        fixed_landmarks: The corresponding points of the fixed images.
        key: Random key of the augmentation of this batch, or None where there is none.
        condition: What a network with `conditions` is told, `(conditions,)`, or None
            for zeros.
    """

    moving: Any
    fixed: Any
    moving_labels: Any = None
    fixed_labels: Any = None
    lam: Any = None
    moving_landmarks: Any = None
    fixed_landmarks: Any = None
    key: Any = None
    condition: Any = None

    @property
    def labels(self) -> tuple[Any, Any] | None:
        """Labels of fixed and moving images, if there are any."""
        if self.moving_labels is None:
            return None
        return self.fixed_labels, self.moving_labels

    @property
    def landmarks(self) -> tuple[Any, Any] | None:
        """Landmarks of fixed and moving images, if there are any."""
        if self.moving_landmarks is None:
            return None
        return self.fixed_landmarks, self.moving_landmarks


Judge = Callable[[PairBatch, Array], Array]
"""`(batch, displacement) -> scalar`, the displacement at full resolution, in voxels."""


def overlap_judge(
    smoothness_weight: float = 0.0, smoothness_target: float = 0.01
) -> Judge:
    """L_seg of Eq. (5), the overlap of label maps; batches need one-hot labels.

    The arguments are those of `losses.segmentation_loss`.
    """

    def judge(batch: PairBatch, displacement: Array) -> Array:
        return segmentation_loss(
            batch.fixed_labels,
            batch.moving_labels,
            displacement,
            smoothness_weight=smoothness_weight,
            smoothness_target=smoothness_target,
        )

    return judge


def landmark_judge() -> Judge:
    """The distance of corresponding landmarks, in voxels; batches need them."""

    def judge(batch: PairBatch, displacement: Array) -> Array:
        return landmark_loss(
            batch.fixed_landmarks, batch.moving_landmarks, displacement
        )

    return judge


def agreement_judge(folding_budget: float = 0.005) -> Judge:
    """MIND and folds above a budget, see `losses.agreement_loss`; needs images alone.

    Args:
        folding_budget: Fraction of folded voxels that is free of charge.
    """

    def judge(batch: PairBatch, displacement: Array) -> Array:
        return agreement_loss(batch.fixed, batch.moving, displacement, folding_budget)

    return judge


class SearchProblem(NamedTuple):
    """A bilevel problem and the terms of its inner loss.

    Attributes:
        bilevel: Inner and outer loss as the hypergradient estimators take them.
        inner_terms: `(omega, outer, batch) -> (loss, terms)`, L_reg with its named
        parts.
        is_inner_apart: Whether the inner loss that the hypergradient differentiates is
            another function than the loss of `inner_terms`, by which ω learns.
    """

    bilevel: BilevelProblem
    inner_terms: Callable[..., tuple[Array, Terms]]
    is_inner_apart: bool = False


def architecture_problem(
    network: RegistrationNetwork,
    objective: Objective,
    lam: Weights,
    *,
    has_summed_terms: bool = False,
) -> SearchProblem:
    """Outer variable α, L_reg in both levels, on different subjects (Eq. 6).

    Args:
        network: The mixed network.
        objective: L_reg.
        lam: Weights of L_reg, fixed in this problem, unless the batch has its own.
        has_summed_terms: The hypergradient differentiates L_reg + ℓ_sim(full) +
            ℓ_smooth on the training batch, as the published code does: it hands the
            tuple of loss and terms to a function that sums it.

    Returns:
        The problem; batches need no labels.
    """

    def inner_terms(omega: Any, alpha: Any, batch: PairBatch) -> tuple[Array, Terms]:
        out = _predict(network, omega, batch, alpha)
        weights = lam if batch.lam is None else batch.lam
        return objective(batch.fixed, batch.moving, out.levels, weights)

    def loss(omega: Any, alpha: Any, batch: PairBatch) -> Array:
        return inner_terms(omega, alpha, batch)[0]

    def summed(omega: Any, alpha: Any, batch: PairBatch) -> Array:
        value, terms = inner_terms(omega, alpha, batch)
        return value + sum(terms[name] for name in ("full", "smooth") if name in terms)

    if has_summed_terms:
        return SearchProblem(BilevelProblem(summed, loss), inner_terms, True)
    return SearchProblem(BilevelProblem(loss, loss), inner_terms)


def objective_problem(
    network: RegistrationNetwork,
    objective: Objective,
    *,
    judge: Judge | None = None,
) -> SearchProblem:
    """Outer variable λ, L_reg inside and L_seg outside (Eq. 7).

    Without labels another judge takes the place of L_seg. None of them contains λ: its
    whole hypergradient is indirect,
    `−ξ ⟨∇ℓ_i(ω), ∇L_seg(ω′)⟩` for each term, an alignment of gradients.

    Args:
        network: The discrete network.
        objective: L_reg.
        judge: The outer loss; default: L_seg.

    Returns:
        The problem; validation batches need what the judge looks at, training batches
        images alone, labels if λ has the term `dice`, and landmarks if it has the term
        `landmarks`.
    """
    judge = overlap_judge() if judge is None else judge

    def inner_terms(omega: Any, lam: Weights, batch: PairBatch) -> tuple[Array, Terms]:
        out = _predict(network, omega, batch)
        return objective(
            batch.fixed,
            batch.moving,
            out.levels,
            lam,
            labels=batch.labels,
            landmarks=batch.landmarks,
        )

    def inner_loss(omega: Any, lam: Weights, batch: PairBatch) -> Array:
        return inner_terms(omega, lam, batch)[0]

    def outer_loss(omega: Any, lam: Weights, batch: PairBatch) -> Array:
        del lam
        out = _predict(network, omega, batch)
        return judge(batch, out.displacements.full)

    return SearchProblem(BilevelProblem(inner_loss, outer_loss), inner_terms)


def over_pairs(problem: SearchProblem, *, is_scanned: bool) -> SearchProblem:
    """The same problem, whose outer loss is the mean over a tuple of batches.

    The hypergradient is linear in ∇L_v, so this is the one of a batch of m pairs. It
    asks for ∇_ω L_t and the mixed product once, where the mean of m estimates asks m
    times; and for the gradient of one pair m times, where a batch of m pairs is a
    program and a memory of its own.

    Args:
        problem: The problem of single batches.
        is_scanned: Go through the batches in a `lax.scan`, for an estimator that is
            compiled as a whole: the program holds the loss once, and its gradient the
            activations of one batch. Otherwise call the loss, which is compiled
            already, batch by batch.

    Returns:
        The problem; training batches are single as before.
    """
    bilevel = problem.bilevel
    outer_loss = bilevel.outer_loss

    def called(omega: Any, outer: Any, batches: tuple[PairBatch, ...]) -> Array:
        losses = [outer_loss(omega, outer, batch) for batch in batches]
        return jnp.mean(jnp.stack(losses))

    def scanned(omega: Any, outer: Any, batches: tuple[PairBatch, ...]) -> Array:
        @jax.checkpoint
        def one(_: None, batch: PairBatch) -> tuple[None, Array]:
            return None, outer_loss(omega, outer, batch)

        stacked = jax.tree.map(lambda *arrays: jnp.stack(arrays), *batches)
        return jnp.mean(jax.lax.scan(one, None, stacked)[1])

    mean = scanned if is_scanned else called
    return problem._replace(bilevel=bilevel._replace(outer_loss=mean))


def _predict(
    network: RegistrationNetwork, omega: Any, batch: PairBatch, alpha: Any = None
) -> Registration:
    """The network's answer to a batch."""
    more = {} if batch.condition is None else {"condition": batch.condition}
    images = batch.moving, batch.fixed
    out: Any = network.apply({"params": omega}, *images, alpha, **more)
    return out
