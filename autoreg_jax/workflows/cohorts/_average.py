"""Mean and variance of images on a grid, and which label most of them have."""

import numpy as np
from jaxtyping import Float, Int
from scipy import ndimage

from autoreg_jax.geometry import Grid

__all__ = ["Average", "sharpened"]

# Width of the blur that sharpening takes away, voxels.
_BLUR = 1.0


class Average:
    """Sums over the images of a cohort, which are added one after another.

    Args:
        grid: On which all of them are.
    """

    def __init__(self, grid: Grid) -> None:
        self._count = np.zeros(grid.shape, np.int32)
        self._total = np.zeros(grid.shape)
        self._squares = np.zeros(grid.shape)
        self._votes: dict[int, np.ndarray] = {}
        self._voters = 0

    def add(self, image: Float[np.ndarray, "*space"]) -> None:
        """Add an image; NaN where it shows nothing."""
        is_seen = np.isfinite(image)
        values = np.where(is_seen, image, 0).astype(np.float64)
        self._count += is_seen
        self._total += values
        self._squares += values**2

    def add_labels(self, labels: Int[np.ndarray, "*space"]) -> None:
        """Add a label map."""
        self._voters += 1
        for value in np.unique(labels).tolist():
            votes = self._votes.setdefault(value, np.zeros(labels.shape, np.uint16))
            votes += labels == value

    @property
    def mean(self) -> Float[np.ndarray, "*space"]:
        """Mean over the images that show a voxel, float32; 0 where none does."""
        return (self._total / np.maximum(self._count, 1)).astype(np.float32)

    @property
    def variance(self) -> Float[np.ndarray, "*space"]:
        """Variance over the images that show a voxel (divided by n), float32."""
        count = np.maximum(self._count, 1)
        found = self._squares / count - (self._total / count) ** 2
        return np.maximum(found, 0).astype(np.float32)

    @property
    def has_labels(self) -> bool:
        """Whether any label map was added."""
        return self._voters > 0

    def majority(self) -> Int[np.ndarray, "*space"]:
        """The label that most label maps have, the smallest one of equal shares."""
        best = np.zeros(self._count.shape, np.int32)
        most = np.zeros(self._count.shape, np.uint16)
        for value, votes in sorted(self._votes.items()):
            best = np.where(votes > most, value, best)
            most = np.maximum(most, votes)
        return best

    def probabilities(self) -> dict[int, Float[np.ndarray, "*space"]]:
        """The share of the label maps that have each label but 0, in [0, 1]."""
        shares = sorted(self._votes.items())
        return {
            value: (votes / self._voters).astype(np.float32)
            for value, votes in shares
            if value != 0
        }


def sharpened(
    image: Float[np.ndarray, "*space"], amount: float
) -> Float[np.ndarray, "*space"]:
    """Unsharp masking: T + a (T - G T), with G a Gaussian of one voxel; in [0, 1].

    Args:
        image: T, in [0, 1].
        amount: a, ≥ 0; 0 returns the image.
    """
    if amount == 0:
        return image
    detail = image - ndimage.gaussian_filter(image, _BLUR, mode="nearest")
    return np.clip(image + amount * detail, 0, 1).astype(np.float32)
