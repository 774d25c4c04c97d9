"""Where the descent starts: rotations all around, centres of mass and the headers."""

import numpy as np
from jaxtyping import Float

from autoreg_jax.spatial import affine_generators

_NUM_ROTATIONS = {2: 36, 3: 480}
_NEAR_ANGLES = (15.0, 30.0, 45.0)
_LARGEST_GROWTH = 1.4


def starts(
    ndim: int, growth: float, header: Float[np.ndarray, " d"], *, is_rigid: bool
) -> Float[np.ndarray, "s d+1 d+1"]:
    """Maps to be tried, each once, before any descent.

    Args:
        ndim: 2 or 3.
        growth: Size of the moving object in units of the fixed one.
        header: Where the headers put the fixed centre, in the moving frame.
        is_rigid: Leave the size alone.

    Returns:
        Homogeneous matrices between the frames; the first is the identity of the world.
    """
    near, rotations = _near(ndim), np.concatenate([_near(ndim), _all_around(ndim)])
    middle = np.zeros(ndim)
    growth = np.clip(growth, 1 / _LARGEST_GROWTH, _LARGEST_GROWTH)
    last = (rotations, 1.0, header) if is_rigid else (rotations, growth, middle)
    groups = [(near, 1.0, header), (rotations, 1.0, middle), last]
    maps = []
    for turns, scale, place in groups:
        group = np.zeros((len(turns), ndim + 1, ndim + 1))
        group[:, :ndim, :ndim] = scale * turns
        group[:, :ndim, ndim] = place
        group[:, ndim, ndim] = 1
        maps.append(group)
    return np.concatenate(maps).astype(np.float32)


def directions(ndim: int, *, is_rigid: bool) -> Float[np.ndarray, "k d+1 d+1"]:
    """Generators of a rigid or an affine map, in arrays of one shape."""
    full = affine_generators(ndim, "affine")
    if is_rigid:
        kept = len(affine_generators(ndim, "rigid"))
        full = np.concatenate([full[:kept], np.zeros_like(full[kept:])])
    return full


def distinct(
    matrices: Float[np.ndarray, "s d+1 d+1"],
    losses: Float[np.ndarray, " s"],
    number: int,
    distance: float,
) -> Float[np.ndarray, "k d+1 d+1"]:
    """The best maps that are not near to a better one.

    Args:
        matrices: Maps.
        losses: Their losses; those that are not finite come last.
        number: How many are wanted at most.
        distance: What is near, see `map_distance`.

    Returns:
        At least one map, best first.
    """
    order = np.argsort(np.where(np.isfinite(losses), losses, np.inf), kind="stable")
    kept: list[np.ndarray] = []
    for index in order:
        if all(map_distance(matrices[index], other) > distance for other in kept):
            kept.append(matrices[index])
        if len(kept) == number:
            break
    return np.stack(kept)


def map_distance(
    one: Float[np.ndarray, "d+1 d+1"], other: Float[np.ndarray, "d+1 d+1"]
) -> float:
    """Root mean square distance of the images of the object's points, in radii."""
    difference = one - other
    size = len(one) - 1
    turn, shift = difference[:size, :size], difference[:size, size]
    return float(np.sqrt(np.sum(turn**2) / size + np.sum(shift**2)))


def _all_around(ndim: int) -> Float[np.ndarray, "n d d"]:
    """Rotations that fill the whole group evenly.

    In space the super-Fibonacci spiral, Alexa, CVPR 2022.
    """
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
    return _rotations(quaternions)


def _near(ndim: int) -> Float[np.ndarray, "n d d"]:
    """The identity and rotations around it."""
    angles = np.deg2rad(_NEAR_ANGLES)
    if ndim == 2:
        return _turns(np.concatenate([[0.0], angles, -angles]))
    golden = (1 + np.sqrt(5)) / 2
    corners = [(0, a, b * golden) for a in (-1, 1) for b in (-1, 1)]
    axes = np.array([np.roll(c, k) for c in corners for k in range(3)])
    axes = axes / np.linalg.norm(axes, axis=1, keepdims=True)
    quaternions = [np.array([[0.0, 0, 0, 1]])]
    for angle in angles:
        real = np.full((len(axes), 1), np.cos(angle / 2))
        quaternions.append(np.concatenate([np.sin(angle / 2) * axes, real], 1))
    return _rotations(np.concatenate(quaternions))


def _turns(angles: np.ndarray) -> np.ndarray:
    cos, sin = np.cos(angles), np.sin(angles)
    return np.stack([np.stack([cos, -sin], 1), np.stack([sin, cos], 1)], 1)


def _rotations(quaternions: np.ndarray) -> np.ndarray:
    x, y, z, w = quaternions.T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return np.moveaxis(np.array(rows), -1, 0)
