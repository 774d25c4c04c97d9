"""Moves of the smoothness along its derivative, the mean over pairs."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from autoreg_jax.bilevel import normalised_steps
from autoreg_jax.config import RefineSearchConfig
from autoreg_jax.inference import AtMinimum

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Move:
    """What is known at one weight.

    Attributes:
        log_factor: Logarithm of the weight over that of the training.
        judged: Mean outer loss at the minima.
        derivative: Its mean derivative by `log_factor`.
        error: Standard error of the derivative over the pairs.
        pairs: Pairs that were at a minimum; the others are left out.
        gradient_left: Largest gradient of all pairs, relative to that of their start.
        residual: Largest residual of the linear systems.
    """

    log_factor: float
    judged: float
    derivative: float
    error: float
    pairs: int
    gradient_left: float
    residual: float


def follow(
    at: Callable[[float], Sequence[AtMinimum]], settings: RefineSearchConfig
) -> tuple[float | None, list[Move]]:
    """Move the logarithm of the weight down the derivative of the judge.

    The moves end where the derivative is within its standard error, that is, where
    these pairs do not say whether more or less is better.

    Args:
        at: What each pair says, by the logarithm of the factor on the weight.
        settings: Number and length of the moves.

    Returns:
        The logarithm that was found, and what is known at each weight on the way. It is
        None if at some weight fewer than two pairs, or fewer than half of them, have
        reached a minimum: the derivative is that of a minimum.
    """
    optimizer = normalised_steps(settings.step)
    state, place = optimizer.init(jnp.zeros(())), 0.0
    moves: list[Move] = []
    for _ in range(settings.moves):
        found = at(place)
        known = [one for one in found if one.is_minimum]
        if len(known) < max(2, len(found) / 2):
            logger.warning(
                "Only %d of %d pairs reached a minimum of the refinement, so the "
                "weight of its smoothness stays; raise evaluate.refine.search.steps.",
                len(known),
                len(found),
            )
            return None, moves
        slopes = np.array([one.derivative for one in known], float)
        move = Move(
            log_factor=place,
            judged=float(np.mean([one.judged for one in known])),
            derivative=float(slopes.mean()),
            error=float(slopes.std(ddof=1)) / len(slopes) ** 0.5,
            pairs=len(known),
            gradient_left=float(max(one.gradient_left for one in found)),
            residual=float(max(one.residual for one in known)),
        )
        logger.info(
            "Refinement with %.3g times the smoothness: judge %.4f, derivative %+.5f "
            "± %.5f.",
            np.exp(place),
            move.judged,
            move.derivative,
            move.error,
        )
        moves.append(move)
        if abs(move.derivative) <= move.error:
            break
        update, state = optimizer.update(jnp.float32(move.derivative), state)
        place += float(np.asarray(update))
    return place, moves
