"""What speaks for and against a registered pair, measured on a coarse grid."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

__all__ = ["Evidence", "collect"]

# Voxels along the longest axis of the coarse grid, at most.
_LONGEST = 64
# Grey value, from 0 to 1, above which an image shows something; window of the local
# correlation; least contrast that counts, standard deviation of the grey values.
_SHOWN, _WINDOW, _CONTRAST = 0.1, 5, 0.01
# Shifts along the axes, parts of their lengths, that bring unrelated places together.
_SHIFTS = ((1 / 3, 1 / 3, 1 / 3), (2 / 3, 1 / 3, 1 / 2), (1 / 2, 2 / 3, 1 / 3))
# Part of the unrelated places that agree less than places which count as agreeing.
_UNRELATED = 0.75
# Factor on a volume from which its change counts as extreme.
_EXTREME = 3.0
# Bins of grey values, and how many voxels a bin is given at the mean of all.
_BINS, _PRIOR = 24, 10


@dataclass(frozen=True)
class Evidence:
    """Measures of a registered pair; each is 0 for a perfect one and larger for worse.

    They are about what either image shows (above a tenth of its grey values, inside the
    masks), on a grid of at most 64 voxels along an axis. Agreement is the squared local
    correlation in windows of five of these voxels, after each grey value of the moved
    image has become the mean of the fixed one where it lies, so that contrasts may
    differ. Chance is the same for the two images shifted against each other by large
    parts of their lengths, so that unrelated places meet.

    Attributes:
        disagreement: Share of the places that agree less than three quarters of the
            unrelated ones do, 0 to 1.
        distance: How far the mean agreement is from 1, where that of unrelated places
            is at 1 and that of equal images at 0; above 1 it is worse than chance.
        independence: 1 - the information that grey values of one image have about
            those of the other, as the correlation of Gaussian grey values with the
            same mutual information, beyond chance; 0 to 1.
        uncovered: Share of what the fixed image shows where the moved one shows
            nothing, 0 to 1.
        distortion: Share of the places whose volume the displacement changes more than
            threefold, 0 to 1.
        displacement: 95th percentile of the length of the displacement, without the
            alignment, in units of the size of what the fixed image shows: the cube root
            of its volume, or the square root of its area.
        folding: Share of the voxels of the fixed image where the map folds, 0 to 1.
    """

    disagreement: float
    distance: float
    independence: float
    uncovered: float
    distortion: float
    displacement: float
    folding: float


def collect(
    fixed: Float[np.ndarray, "*space"],
    moved: Float[np.ndarray, "*space"],
    displacement: Float[np.ndarray, "*space d"],
    *,
    spacing: tuple[float, ...],
    folding: float,
    inside: Float[np.ndarray, "*space"] | None = None,
) -> Evidence:
    """Measure a registered pair.

    Args:
        fixed: Grey values from 0 to 1.
        moved: The moved image on the same grid.
        displacement: In voxels, without an alignment that came before.
        spacing: Voxel size, mm.
        folding: Share of the voxels where the whole map folds.
        inside: Weight of each voxel in the comparison, 0 to 1; default: all 1.
    """
    size = max(1, -(-max(fixed.shape) // _LONGEST))
    steps = tuple(min(size, n) for n in fixed.shape)
    one, other = coarse(fixed, steps), coarse(moved, steps)
    vectors = coarse(displacement, steps)
    counts = np.ones(one.shape, bool)
    if inside is not None:
        counts = coarse(inside, steps) > 0.5
    shows, covered = (one > _SHOWN) & counts, (other > _SHOWN) & counts
    either = shows | covered
    if not shows.any():
        shows = either = counts
    agreement = _agreement(one, _in_contrast_of(one, other, shows & covered))
    chance = _chance(one, other, counts)
    least, usual = np.quantile(chance, _UNRELATED), chance.mean()
    change = _determinant(vectors, steps)
    is_extreme = (change > _EXTREME) | (change < 1 / _EXTREME)
    voxel = np.asarray(spacing) * steps
    extent = (shows.sum() * voxel.prod()) ** (1 / fixed.ndim)
    length = np.linalg.norm(vectors * np.asarray(spacing), axis=-1)
    return Evidence(
        disagreement=float(np.mean(agreement[either] < least)),
        distance=float((1 - agreement[either].mean()) / (1 - usual)),
        independence=1 - _information(one[shows & covered], other[shows & covered]),
        uncovered=float(1 - np.mean(covered[shows])),
        distortion=float(is_extreme[either].mean()),
        displacement=float(np.quantile(length[either], 0.95) / extent),
        folding=folding,
    )


def coarse(
    array: Float[np.ndarray, "*any"], steps: tuple[int, ...]
) -> Float[np.ndarray, "*any"]:
    """Means of blocks of so many voxels along each axis; what is left over is cut."""
    array = array.astype(np.float32, copy=False)
    for axis, step in enumerate(steps):
        if step > 1:
            count = array.shape[axis] // step
            array = np.take(array, np.arange(count * step), axis)
            shape = (*array.shape[:axis], count, step, *array.shape[axis + 1 :])
            array = array.reshape(shape).mean(axis + 1)
    return array


def _agreement(
    one: Float[np.ndarray, "*space"], other: Float[np.ndarray, "*space"]
) -> Float[np.ndarray, "*space"]:
    """Squared correlation in the window around each voxel; 0 without contrast."""

    def mean(array: np.ndarray) -> np.ndarray:
        return ndimage.uniform_filter(array, _WINDOW, mode="constant")

    first, second = mean(one), mean(other)
    spread = np.maximum(mean(one * one) - first**2, 0)
    spread *= np.maximum(mean(other * other) - second**2, 0)
    covariance = mean(one * other) - first * second
    return covariance**2 / (spread + _CONTRAST**4)


def _in_contrast_of(
    one: Float[np.ndarray, "*space"],
    other: Float[np.ndarray, "*space"],
    both: Bool[np.ndarray, "*space"],
) -> Float[np.ndarray, "*space"]:
    """The other image with the mean grey value of one for each of its own."""
    places = np.clip((other[both] * _BINS).astype(int), 0, _BINS - 1)
    sums = np.bincount(places, one[both], _BINS)
    counts = np.bincount(places, minlength=_BINS)
    # Rare grey values keep near the mean of all: they would fit any image.
    prior = _PRIOR * (sums.sum() / max(1, counts.sum()))
    means = (sums + prior) / (counts + _PRIOR)
    centres = (np.arange(_BINS) + 0.5) / _BINS
    return np.where(other > _SHOWN, np.interp(other, centres, means), 0)


def _chance(
    one: Float[np.ndarray, "*space"],
    other: Float[np.ndarray, "*space"],
    counts: Bool[np.ndarray, "*space"],
) -> Float[np.ndarray, " n"]:
    """Agreement where unrelated places of both images lie on each other; 0 if none."""
    found = [np.zeros(1)]
    for parts in _SHIFTS:
        shift = [round(a * n) for a, n in zip(parts, one.shape, strict=False)]
        shifted = np.roll(other, shift, range(one.ndim))
        both = (one > _SHOWN) & (shifted > _SHOWN) & counts
        found.append(_agreement(one, _in_contrast_of(one, shifted, both))[both])
    return np.concatenate(found)


def _information(one: Float[np.ndarray, " n"], other: Float[np.ndarray, " n"]) -> float:
    """Mutual information beyond chance as a correlation, 0 to 1."""

    def nats(values: np.ndarray) -> float:
        joint, _, _ = np.histogram2d(one, values, _BINS, [[0, 1], [0, 1]])
        joint /= max(1, len(one))
        apart = joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True)
        some = joint > 0
        return float(np.sum(joint[some] * np.log(joint[some] / apart[some])))

    # Half of the places farther on is another place.
    excess = nats(other) - nats(np.roll(other, len(other) // 2))
    return float(np.sqrt(1 - np.exp(-2 * max(excess, 0.0))))


def _determinant(
    vectors: Float[np.ndarray, "*space d"], steps: tuple[int, ...]
) -> Float[np.ndarray, "*space"]:
    """Jacobian determinant of a displacement in voxels, so many of them a place."""
    columns = [
        np.gradient(vectors, axis=axis) / step
        if vectors.shape[axis] > 1
        else np.zeros_like(vectors)
        for axis, step in enumerate(steps)
    ]
    return np.linalg.det(np.stack(columns, -1) + np.eye(len(steps)))
