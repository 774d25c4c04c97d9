"""Search for the best linear map: many initial maps, followed from coarse to fine."""

from functools import partial
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from autoreg_jax.alignment._optimise import optimise
from autoreg_jax.alignment._pyramid import PairPyramid
from autoreg_jax.alignment._similarity import information, initial_losses
from autoreg_jax.spatial import affine_generators

# Initial maps that are optimised on the coarse level, and of these on the next one.
_CANDIDATES, _FINALISTS = 8, 3
# Maps closer than this to a better one are dropped, in radii.
_NEAR_START, _NEAR_END = 0.35, 0.1
# Length of the last step at each level: mm for an object of 63 mm (a brain).
_TOLERANCES = np.array([0.3 / 63, 0.1 / 63, 0.02 / 63], np.float32)
# Results farther apart than this, in radii, are different answers.
_APART = 0.3
# The initial maps: rotations everywhere, rotations near the identity, largest scale.
_NUM_ROTATIONS = {2: 36, 3: 480}
_NEAR_ANGLES = (15.0, 30.0, 45.0)
_LARGEST_SCALE = 1.4


class Estimate(NamedTuple):
    """The result of a search.

    Attributes:
        matrix: The best map between the frames of the pyramid.
        loss: Its loss on the finest level.
        header_loss: Loss of the map that trusts the headers, on the finest level.
        rival_ratio: Information of the best different answer in units of that of the
            best one, both on the middle level; 0 if there is one answer only.
    """

    matrix: Float[np.ndarray, "d+1 d+1"]
    loss: float
    header_loss: float
    rival_ratio: float


def search(
    pyramid: PairPyramid, metric: str, *, is_rigid: bool, is_near: bool = False
) -> Estimate:
    """Evaluate all initial maps once and optimise the best ones, coarse to fine.

    An affine search optimises rigidly first. One that is near begins with the headers
    alone, at the middle level.
    """
    coarse, middle, fine = pyramid.levels
    affine = affine_generators(pyramid.ndim, "affine")
    rigid = np.zeros_like(affine)
    number = len(affine_generators(pyramid.ndim, "rigid"))
    rigid[:number] = affine[:number]
    wanted = rigid if is_rigid else affine

    def optimised(level, starts, generators, tolerance):
        run = partial(optimise, level, metric=metric)
        ends = [run(s, generators=generators, tolerance=tolerance) for s in starts]
        return map(np.stack, zip(*jax.device_get(ends), strict=True))

    initial = _initial_maps(pyramid, is_rigid=is_rigid)
    starts = initial[:1]
    if not is_near:
        losses = np.asarray(initial_losses(coarse, initial, metric))
        starts = _distinct(initial, losses, _CANDIDATES, _NEAR_START)
        maps, losses = optimised(coarse, starts, rigid, _TOLERANCES[0])
        if not is_rigid:
            # Most starts have met by now.
            starts = _distinct(maps, losses, _CANDIDATES, _NEAR_END)
            maps, losses = optimised(coarse, starts, affine, _TOLERANCES[0])
        starts = _distinct(maps, losses, _FINALISTS, _NEAR_END)
    maps, losses = optimised(middle, starts, wanted, _TOLERANCES[1])
    best = int(np.argmin(losses))
    rivals = [
        information(loss, metric)
        for matrix, loss in zip(maps, losses, strict=True)
        if _map_distance(matrix, maps[best]) > _APART
    ]
    own = information(losses[best], metric)
    (matrix,), (loss,) = optimised(fine, maps[best : best + 1], wanted, _TOLERANCES[2])
    # Without directions the optimisation only evaluates the map of the headers.
    nowhere = np.zeros_like(wanted)
    _, (header_loss,) = optimised(fine, initial[:1], nowhere, _TOLERANCES[2])
    return Estimate(
        np.asarray(matrix, np.float64),
        float(loss),
        float(header_loss),
        max(rivals, default=0.0) / own if own > 0 else 1.0,
    )


def _initial_maps(
    pyramid: PairPyramid, *, is_rigid: bool
) -> Float[np.ndarray, "s d+1 d+1"]:
    """Rotations about the headers' positions (the identity first) and the centres."""
    ndim, header_shift = pyramid.ndim, pyramid.header_shift
    near = _near_rotations(ndim)
    rotations = np.concatenate([near, _all_rotations(ndim)])
    scale = np.clip(pyramid.size_ratio, 1 / _LARGEST_SCALE, _LARGEST_SCALE)
    centre = np.zeros(ndim)
    groups = [(near, 1.0, header_shift), (rotations, 1.0, centre)]
    groups += [(rotations, *((1.0, header_shift) if is_rigid else (scale, centre)))]
    maps = []
    for turns, factor, shift in groups:
        group = np.zeros((len(turns), ndim + 1, ndim + 1))
        group[:, :ndim, :ndim] = factor * turns
        group[:, :ndim, ndim] = shift
        group[:, ndim, ndim] = 1
        maps.append(group)
    return np.concatenate(maps).astype(np.float32)


def _distinct(
    matrices: Float[np.ndarray, "s d+1 d+1"],
    losses: Float[np.ndarray, " s"],
    number: int,
    distance: float,
) -> Float[np.ndarray, "k d+1 d+1"]:
    """At most `number` maps, best first, without those close to a better one."""
    order = np.argsort(np.where(np.isfinite(losses), losses, np.inf), kind="stable")
    kept: list[np.ndarray] = []
    for index in order:
        if all(_map_distance(matrices[index], other) > distance for other in kept):
            kept.append(matrices[index])
        if len(kept) == number:
            break
    return np.stack(kept)


def _map_distance(
    one: Float[np.ndarray, "d+1 d+1"], other: Float[np.ndarray, "d+1 d+1"]
) -> float:
    """Root mean square distance between the images of the object's points, in radii."""
    difference = one - other
    size = len(one) - 1
    turn, shift = difference[:size, :size], difference[:size, size]
    return float(np.sqrt(np.sum(turn**2) / size + np.sum(shift**2)))


def _all_rotations(ndim: int) -> Float[np.ndarray, "n d d"]:
    """Rotations spread evenly; in 3-D the super-Fibonacci spiral, Alexa, CVPR 2022."""
    number = _NUM_ROTATIONS[ndim]
    if ndim == 2:
        return _turns(2 * np.pi * np.arange(number) / number)
    index = np.arange(number) + 0.5
    part = index / number
    first = 2 * np.pi * index / np.sqrt(2)
    second = 2 * np.pi * index / 1.533751168755204288118041
    r, s = np.sqrt(part), np.sqrt(1 - part)
    quaternions = np.stack(
        [r * np.sin(first), r * np.cos(first), s * np.sin(second), s * np.cos(second)],
        1,
    )
    return Rotation.from_quat(quaternions).as_matrix()


def _near_rotations(ndim: int) -> Float[np.ndarray, "n d d"]:
    """The identity and rotations by a few angles about evenly spread axes."""
    angles = np.deg2rad(_NEAR_ANGLES)
    if ndim == 2:
        return _turns(np.concatenate([[0.0], angles, -angles]))
    golden = (1 + np.sqrt(5)) / 2
    corners = [(0, a, b * golden) for a in (-1, 1) for b in (-1, 1)]
    axes = np.array([np.roll(c, k) for c in corners for k in range(3)])
    axes = axes / np.linalg.norm(axes, axis=1, keepdims=True)
    vectors = np.concatenate([np.zeros((1, 3)), *(angle * axes for angle in angles)])
    return Rotation.from_rotvec(vectors).as_matrix()


def _turns(angles: np.ndarray) -> Float[np.ndarray, "n 2 2"]:
    cos, sin = np.cos(angles), np.sin(angles)
    return np.stack([np.stack([cos, -sin], 1), np.stack([sin, cos], 1)], 1)
