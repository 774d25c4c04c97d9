"""What speaks for and against a registered pair, measured on a coarse grid."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from autoreg_jax.inference.trust._agreement import SHOWN, agreement, coarse, steps_for
from autoreg_jax.inference.trust._mirror import mirror_gain

__all__ = ["LONGEST", "Evidence", "collect", "determinant"]

# Voxels along the longest axis of the coarse grid, at most.
LONGEST = 64
# Shifts along the axes, parts of their lengths, that bring unrelated places together.
_SHIFTS = ((1 / 3, 1 / 3, 1 / 3), (2 / 3, 1 / 3, 1 / 2), (1 / 2, 2 / 3, 1 / 3))
# Part of the unrelated places that agree less than places which count as agreeing.
_UNRELATED = 0.75
# Factor on a volume from which its change counts as extreme.
_EXTREME = 3.0
# Brightest grey value inside masks, at least: below it there is nothing but noise.
_DARKEST = 0.01
# Bins of grey values, and how many voxels a bin is given at the mean of all.
_BINS, _PRIOR = 24, 10


@dataclass(frozen=True)
class Evidence:
    """Measures of a registered pair; each is 0 for a perfect one and larger for worse.

    They are about what either image shows: what is above a tenth of its grey values, or
    with masks inside of them and above a tenth of the mean there, since a lung is
    nearly as dark as air. They use a grid of at most 64 voxels along an axis. Agreement
    is the squared local correlation in windows of five of these voxels, after each grey
    value of the moved image has become the mean of the fixed one where it lies, so that
    contrasts may differ. Chance is the same for the two images shifted against each
    other by large parts of their lengths, so that unrelated places meet.

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
        mirrored: What the mean agreement before the displacement would gain, on a grid
            half as fine, if the moving image were mirrored along its best axis.
        folding: Share of the voxels of the fixed image where the map folds, 0 to 1.
        axis: The axis of the grid that is meant by `mirrored`.
    """

    disagreement: float
    distance: float
    independence: float
    uncovered: float
    distortion: float
    displacement: float
    mirrored: float
    folding: float
    axis: int = 0


def collect(
    fixed: Float[np.ndarray, "*space"],
    placed: Float[np.ndarray, "*space"],
    moved: Float[np.ndarray, "*space"],
    displacement: Float[np.ndarray, "*space d"],
    *,
    spacing: tuple[float, ...],
    folding: float = 0.0,
    inside: Float[np.ndarray, "*space"] | None = None,
) -> Evidence:
    """Measure a registered pair.

    Args:
        fixed: Grey values from 0 to 1.
        placed: The moving image before the displacement, on the same grid.
        moved: The moving image after it.
        displacement: In voxels, without an alignment that came before.
        spacing: Voxel size, mm.
        folding: Share of the voxels where the whole map folds, if it is known.
        inside: Weight of each voxel in the comparison, 0 to 1; default: all 1.
    """
    steps = steps_for(fixed.shape, LONGEST)
    one, other = coarse(fixed, steps), coarse(moved, steps)
    vectors = coarse(displacement, steps)
    counts, least = np.ones(one.shape, bool), (SHOWN, SHOWN)
    if inside is not None:
        counts = coarse(inside, steps) > 0.5
        # Where an organ is dark, its grey values are told apart as those of others.
        tops = [max(float(x[counts].max(initial=0)), _DARKEST) for x in (one, other)]
        one, other = np.clip(one / tops[0], 0, 1), np.clip(other / tops[1], 0, 1)
        least = tuple(SHOWN * float(x[counts].mean()) for x in (one, other))
    shows, covered = (one > least[0]) & counts, (other > least[1]) & counts
    either = shows | covered
    if not shows.any():
        shows = either = counts
    agreed = agreement(one, _in_contrast_of(one, other, shows & covered, least[1]))
    chance = _chance(one, other, counts, least)
    unrelated, usual = np.quantile(chance, _UNRELATED), chance.mean()
    change = determinant(vectors, steps)
    is_extreme = (change > _EXTREME) | (change < 1 / _EXTREME)
    voxel = np.asarray(spacing) * steps
    extent = (shows.sum() * voxel.prod()) ** (1 / fixed.ndim)
    length = np.linalg.norm(vectors * np.asarray(spacing), axis=-1)
    weight = 1.0 if inside is None else inside
    gain, axis = mirror_gain(weight * fixed, weight * placed)
    return Evidence(
        disagreement=float(np.mean(agreed[either] < unrelated)),
        distance=float((1 - agreed[either].mean()) / (1 - usual)),
        independence=1 - _information(one[shows & covered], other[shows & covered]),
        uncovered=float(1 - np.mean(covered[shows])),
        distortion=float(is_extreme[either].mean()),
        displacement=float(np.quantile(length[either], 0.95) / extent),
        mirrored=gain,
        folding=folding,
        axis=axis,
    )


def _in_contrast_of(
    one: Float[np.ndarray, "*space"],
    other: Float[np.ndarray, "*space"],
    both: Bool[np.ndarray, "*space"],
    least: float,
) -> Float[np.ndarray, "*space"]:
    """The other image with the mean grey value of one for each of its own."""
    places = np.clip((other[both] * _BINS).astype(int), 0, _BINS - 1)
    sums = np.bincount(places, one[both], _BINS)
    counts = np.bincount(places, minlength=_BINS)
    # Rare grey values keep near the mean of all: they would fit any image.
    prior = _PRIOR * (sums.sum() / max(1, counts.sum()))
    means = (sums + prior) / (counts + _PRIOR)
    centres = (np.arange(_BINS) + 0.5) / _BINS
    return np.where(other > least, np.interp(other, centres, means), 0)


def _chance(
    one: Float[np.ndarray, "*space"],
    other: Float[np.ndarray, "*space"],
    counts: Bool[np.ndarray, "*space"],
    least: tuple[float, ...],
) -> Float[np.ndarray, " n"]:
    """Agreement where unrelated places of both images lie on each other; 0 if none."""
    found = [np.zeros(1)]
    for parts in _SHIFTS:
        shift = [round(a * n) for a, n in zip(parts, one.shape, strict=False)]
        shifted = np.roll(other, shift, range(one.ndim))
        both = (one > least[0]) & (shifted > least[1]) & counts
        placed = _in_contrast_of(one, shifted, both, least[1])
        found.append(agreement(one, placed)[both])
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


def determinant(
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
