"""The loss of a training step that is more than that of a pair in one direction."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from autoreg_jax.bilevel import PairBatch
from autoreg_jax.config import TrainConfig
from autoreg_jax.errors import ConfigError
from autoreg_jax.losses import Objective, Terms, Weights
from autoreg_jax.networks import Registration, Wiring, inverse_displacements
from autoreg_jax.programs._augment import augmented
from autoreg_jax.programs._network import Network
from autoreg_jax.spatial import Pyramid

PairLoss = Callable[[Any, Weights, PairBatch], tuple[Array, Terms]]
"""`(omega, lam, batch) -> (loss, terms)`, ω as the network nests it."""


def pair_loss(
    network: Network, objective: Objective, settings: TrainConfig
) -> PairLoss:
    """L_reg of pairs that are augmented, in the directions that the settings name.

    In both directions it is the mean of (moving, fixed) and (fixed, moving), computed
    as one batch. With `inverse` the swapped pair is compared by φ⁻¹, the exponential of
    the velocities of φ with the other sign, instead of by a prediction of its own.

    Args:
        network: The discrete network.
        objective: L_reg; its terms are means over a batch.
        settings: The directions and the augmentation; with one, batches have a key.

    Raises:
        ConfigError: If the inverse is asked for and the network predicts no velocity.
    """
    if settings.directions == "inverse" and not has_inverse(network):
        raise ConfigError(
            f"train.directions: {type(network).__name__} predicts a displacement, of "
            "which no exact inverse is known; set train.directions=both."
        )
    is_both = settings.directions == "both"

    def loss(omega: Any, lam: Weights, batch: PairBatch) -> tuple[Array, Terms]:
        seen = compared = batch
        if settings.augment.is_used:
            seen, compared = augmented(batch, settings.augment)
        if is_both:
            seen, compared = with_swapped(seen), with_swapped(compared)
        told = {} if batch.condition is None else {"condition": batch.condition}
        out: Any = network.apply({"params": omega}, seen.moving, seen.fixed, **told)
        found = objective(
            compared.fixed,
            compared.moving,
            out.levels,
            lam,
            labels=compared.labels,
            landmarks=compared.landmarks,
            opposite=_swapped(out.displacements.full) if is_both else None,
        )
        if settings.directions != "inverse":
            return found
        back = objective(
            compared.moving,
            compared.fixed,
            _inverse(network, out, batch.fixed.shape[1:-1]),
            lam,
            labels=None if compared.labels is None else compared.labels[::-1],
            landmarks=compared.landmarks and compared.landmarks[::-1],
        )
        return jax.tree.map(lambda *values: sum(values) / 2, found, back)

    return loss


def has_inverse(network: Any) -> bool:
    """Whether a network, or its class, predicts the velocity of its displacement.

    It does unless it says otherwise by `has_velocity`.
    """
    return getattr(network, "has_velocity", True)


def _inverse(network: Network, out: Registration, space: tuple[int, ...]) -> Pyramid:
    wiring = getattr(network, "wiring", Wiring())  # rivals have the usual one
    return inverse_displacements(out, space, network.num_steps, wiring)


def with_swapped(batch: PairBatch) -> PairBatch:
    """Each pair with what belongs to it and, behind it, the swapped pair."""

    def sides(moving: Any, fixed: Any) -> tuple[Any, Any]:
        if moving is None:
            return None, None
        return _by_turns(moving, fixed), _by_turns(fixed, moving)

    images = sides(batch.moving, batch.fixed)
    labels = sides(batch.moving_labels, batch.fixed_labels)
    points = sides(batch.moving_landmarks, batch.fixed_landmarks)
    swapped = PairBatch(*images, *labels)
    return swapped._replace(moving_landmarks=points[0], fixed_landmarks=points[1])


def _by_turns(first: Array, second: Array) -> Array:
    """Two batches as one, by turns: what devices share stays where it is."""
    return jnp.stack([first, second], 1).reshape(-1, *first.shape[1:])


def _swapped(array: Array) -> Array:
    """Exchange the neighbours of a batch by turns."""
    pairs = array.reshape(-1, 2, *array.shape[1:])
    return jax.lax.rev(pairs, (1,)).reshape(array.shape)
