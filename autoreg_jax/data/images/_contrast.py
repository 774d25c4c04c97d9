"""Whether two images show things in the same grey values."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from autoreg_jax.data.images._content import Content, content_of, thumbnail
from autoreg_jax.geometry import Volume, resample

__all__ = ["STRAIGHT", "Contrast", "contrast_between", "shared_contrast"]

# Grey value, from 0 to 1, above which an image shows something, or its distance from
# the background; a background below the second number is dark.
_SHOWN, _DARK = 0.1, 0.03
# Fewer places say nothing; classes of grey values, as many places in each.
_FEWEST_PLACES, _CLASSES = 30, 12
# Least part of the variance that counts as a relation: noise explains less.
_LEAST_EXPLAINED = 0.02
# Least part of a relation that is a straight line in images of one contrast. Measured
# in 3-D: 0.81 to 1 for T1 to T1, T2 to T2 and CT to CT, at most 0.39 for T1 to T2 and
# for two sequences of a knee; slices scatter more.
STRAIGHT = 0.7
# Of the larger extent of the content, so that no side of it is cut; extents of the same
# anatomy differ by less than the second factor, those of a part and its whole by less
# than the third.
_MARGIN, _UNLIKE, _OTHER_UNIT = 1.2, 4.0, 16.0


class Contrast(NamedTuple):
    """What the grey values of two images have in common.

    Attributes:
        explained: Part of the variance of one that the other explains by any function
            (the larger correlation ratio of the two directions, adjusted), at most 1.
        straight: Which part of that a rising straight line explains, in [-1, 1];
            negative if the line falls.
    """

    explained: float
    straight: float

    @property
    def is_one(self) -> bool:
        """Whether both images have one contrast: brighter in one, brighter in both."""
        return self.straight >= STRAIGHT


def shared_contrast(one: Content, other: Content) -> Contrast | None:
    """Compare the contrasts of two images of the same anatomy.

    Grey values of one contrast follow each other along a straight line, up to noise and
    anatomy; those of two contrasts by another function, or none. The part of the
    relation that a line explains hardly depends on how well the images lie on each
    other. They are compared where their headers place them and, unless one is four
    times as large as the other, with their centres of mass on each other; the closer
    relation counts. A background, of any grey value, is no part of it.

    Args:
        one: From `content_of`.
        other: On any grid.

    Returns:
        The relation; None if too few places show something in both, one is sixteen
        times as large as the other, or one is a plane and the other a volume.
    """
    if one.small.ndim != other.small.ndim:
        return None
    one, other = _without_background(one), _without_background(other)
    small, large = sorted((float(one.size.max()), float(other.size.max())))
    if large > _OTHER_UNIT * small:
        return None
    placed = resample(other.small, one.small.grid)
    found = [contrast_between(one.small.array, placed)]
    if large <= _UNLIKE * small:
        size = _MARGIN * large
        found.append(contrast_between(thumbnail(one, size), thumbnail(other, size)))
    known = [relation for relation in found if relation is not None]
    return max(known, default=None)


def _without_background(content: Content) -> Content:
    """The content with 0 where it has the grey value of its border, if that is uniform.

    Two images with a bright background, such as a white one or noise, would otherwise
    agree because of it.
    """
    array = content.small.array
    faces = [np.take(array, (0, -1), axis).ravel() for axis in range(array.ndim)]
    low, level, high = np.quantile(np.concatenate(faces), (0.25, 0.5, 0.75))
    is_shown = np.abs(array - level) > _SHOWN
    bare = np.where(is_shown, array, 0).astype(np.float32)
    if high - low > _SHOWN or level <= _DARK or not np.ptp(bare):
        return content
    return content_of(Volume(bare, content.small.affine, content.small.path))


def contrast_between(
    one: Float[np.ndarray, "*space"], other: Float[np.ndarray, "*space"]
) -> Contrast | None:
    """As `shared_contrast`, of two images of one grid.

    Args:
        one: Grey values from 0 to 1, of few voxels (means over blocks): anatomy that
            lies differently in the two then matters less.
        other: The same shape.

    Returns:
        The relation; None if too few places show something in both.

    Examples:
        >>> grey = np.linspace(0.2, 1, 500)
        >>> contrast_between(grey, 0.9 * grey).is_one
        True
        >>> contrast_between(grey, 1.2 - grey).is_one
        False
    """
    both = (one > _SHOWN) & (other > _SHOWN)
    first, second = one[both].astype(float), other[both].astype(float)
    if first.size < _FEWEST_PLACES or not (np.ptp(first) and np.ptp(second)):
        return None
    correlation = float(np.corrcoef(first, second)[0, 1])
    explained = max(
        correlation**2, _explained(first, second), _explained(second, first)
    )
    straight = np.sign(correlation) * correlation**2 / max(explained, _LEAST_EXPLAINED)
    return Contrast(explained, float(straight))


def _explained(by: Float[np.ndarray, " n"], values: Float[np.ndarray, " n"]) -> float:
    """Part of the variance of `values` between classes of `by`, adjusted for chance."""
    limits = np.quantile(by, np.linspace(0, 1, _CLASSES + 1)[1:-1])
    of_class = np.digitize(by, limits)
    count = np.bincount(of_class)
    used = count > 0
    means = np.bincount(of_class, values)[used] / count[used]
    between = float((count[used] * (means - values.mean()) ** 2).sum())
    within = float(((values - values.mean()) ** 2).sum()) - between
    freedom = values.size - int(used.sum())
    return 1 - (within / freedom) / values.var(ddof=1)
