"""The loss of a training step that is more than that of a pair in one direction."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from autoreg_jax.losses import Objective, Terms, Weights
from autoreg_jax.programs._network import Network
from autoreg_jax.search import PairBatch

PairLoss = Callable[[Any, Weights, PairBatch], tuple[Array, Terms]]
"""`(omega, lam, batch) -> (loss, terms)`, ω as the network nests it."""


def both_directions(network: Network, objective: Objective) -> PairLoss:
    """The mean loss of (moving, fixed) and (fixed, moving), as one batch.

    Args:
        network: The discrete network.
        objective: L_reg; its terms are means over a batch.
    """

    def loss(omega: Any, lam: Weights, batch: PairBatch) -> tuple[Array, Terms]:
        both = with_swapped(batch)
        out: Any = network.apply({"params": omega}, both.moving, both.fixed)
        return objective(
            both.fixed,
            both.moving,
            out.displacements,
            lam,
            labels=both.labels,
            opposite=_swapped(out.displacements.full),
        )

    return loss


def with_swapped(batch: PairBatch) -> PairBatch:
    """Images and labels of each pair and, behind it, of the swapped pair."""
    moving, fixed, labels = batch.moving, batch.fixed, batch.labels
    batch = PairBatch(_by_turns(moving, fixed), _by_turns(fixed, moving))
    if labels is None:
        return batch
    fixed, moving = labels
    return batch._replace(
        moving_labels=_by_turns(moving, fixed), fixed_labels=_by_turns(fixed, moving)
    )


def _by_turns(first: Array, second: Array) -> Array:
    """Two batches as one, by turns: what devices share stays where it is."""
    return jnp.stack([first, second], 1).reshape(-1, *first.shape[1:])


def _swapped(array: Array) -> Array:
    """Exchange the neighbours of a batch by turns."""
    pairs = array.reshape(-1, 2, *array.shape[1:])
    return jax.lax.rev(pairs, (1,)).reshape(array.shape)
