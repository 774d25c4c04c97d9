"""From every start to the one best map, coarse to fine."""

from functools import partial
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from autoreg_jax.alignment._descent import Fit, descend
from autoreg_jax.alignment._levels import Scene
from autoreg_jax.alignment._similarity import losses_of
from autoreg_jax.alignment._starts import (
    directions,
    distinct,
    map_distance,
    starts,
)

# How many starts are followed on the coarse level, and how many of those on the next.
_CANDIDATES, _FINALISTS = 8, 3
# Starts and finalists closer to a better one are the same one, in radii.
_NEAR_START, _NEAR_FIT = 0.35, 0.1
# Descents end with a step of so many mm, for an object of 63 mm (a brain).
_TOLERANCES = (0.3 / 63, 0.1 / 63, 0.02 / 63)
# Ends farther apart than this, in radii, are different answers.
_APART = 0.3


class Found(NamedTuple):
    """The end of a search.

    Attributes:
        matrix: The best map, between the frames of the scene.
        loss: Its loss on the fine level.
        header_loss: That of the map that trusts the headers.
        rival_ratio: Information of the best different answer in units of that of the
            best one, both on the middle level; 0 if all starts led to one answer.
    """

    matrix: Float[np.ndarray, "d+1 d+1"]
    loss: float
    header_loss: float
    rival_ratio: float


def search_map(scene: Scene, metric: str, *, is_rigid: bool) -> Found:
    """Try all starts once, follow the best ones, and refine the best of them.

    Args:
        scene: The pair.
        metric: "ncc" or "mi".
        is_rigid: A rigid map is wanted; else the rigid one is the start of an affine.

    Returns:
        The best map.
    """
    ndim = scene.fixed.basis.shape[1]
    coarse, middle, fine = scene.levels
    rigid, wanted = directions(ndim, is_rigid=True), directions(ndim, is_rigid=is_rigid)
    follow = partial(_follow, metric=metric)
    tried = starts(ndim, scene.growth, scene.header, is_rigid=is_rigid)
    losses = np.asarray(losses_of(coarse, tried, metric))
    chosen = distinct(tried, losses, _CANDIDATES, _NEAR_START)
    fits = [follow(coarse, start, rigid, _TOLERANCES[0]) for start in chosen]
    if not is_rigid:
        # Most starts have met by now.
        chosen = distinct(*_stacked(fits), _CANDIDATES, _NEAR_FIT)
        fits = [follow(coarse, start, wanted, _TOLERANCES[0]) for start in chosen]
    finalists = distinct(*_stacked(fits), _FINALISTS, _NEAR_FIT)
    fits = [follow(middle, start, wanted, _TOLERANCES[1]) for start in finalists]
    matrices, losses = _stacked(fits)
    best = int(np.argmin(losses))
    rivals = [
        information(loss, metric)
        for matrix, loss in zip(matrices, losses, strict=True)
        if map_distance(matrix, matrices[best]) > _APART
    ]
    own = information(losses[best], metric)
    end = follow(fine, matrices[best], wanted, _TOLERANCES[2])
    # A descent without a direction is a plain evaluation.
    header = follow(fine, tried[0], np.zeros_like(wanted), _TOLERANCES[2])
    return Found(
        np.asarray(end.matrix, np.float64),
        float(end.loss),
        float(header.loss),
        max(rivals, default=0.0) / own if own > 0 else 1.0,
    )


def information(loss: float, metric: str) -> float:
    """Loss of either metric in nats; Gaussian intensities are meant for "ncc"."""
    if metric == "mi":
        return max(-float(loss), 0.0)
    correlation = min(max(1 - float(loss), 0.0), 1 - 1e-6)
    return float(-0.5 * np.log(1 - correlation**2))


def _follow(level, start, generators, tolerance, *, metric) -> Fit:
    fit = descend(level, start, generators, np.float32(tolerance), metric=metric)
    return jax.device_get(fit)


def _stacked(fits: list[Fit]) -> tuple[np.ndarray, np.ndarray]:
    return np.stack([f.matrix for f in fits]), np.stack([f.loss for f in fits])
