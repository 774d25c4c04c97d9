"""What the images of a training were like, to notice a pair that is not."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from autoreg_jax.data import StoredArray
from autoreg_jax.geometry import Volume

__all__ = ["Seen"]

# Grey value, from 0 to 1, above which a voxel belongs to what the image shows; share of
# these voxels beyond either end of its extent, so that specks do not count.
_SHOWN, _TAIL = 0.1, 0.005
# Factor by which an extent may leave the range of the training.
_MARGIN = 1.25
# Voxels may be so many times as coarse as those of the training.
_COARSE = 2.0
# Images that are measured, at most, evenly spread.
_MEASURED = 30


@dataclass(frozen=True)
class Seen:
    """How large the things are that the training images show.

    Attributes:
        extent: The least and the greatest extent along each axis of the model's
            orientation, mm, of what is brighter than a tenth of the grey values.

    Examples:
        >>> images = np.zeros((1, 20, 20, 1))
        >>> images[0, 5:15, 2:18] = 1
        >>> Seen.of(images, (2.0, 1.0)).extent
        ((20.0, 20.0), (16.0, 16.0))
    """

    extent: tuple[tuple[float, float], ...]

    @classmethod
    def of(
        cls,
        images: Float[np.ndarray, "n *space 1"] | StoredArray,
        spacing: tuple[float, ...],
    ) -> "Seen":
        """Measure images in [0, 1] with voxels of `spacing` mm; of many, some."""
        places = np.linspace(0, len(images) - 1, _MEASURED).round().astype(int)
        found = np.array(
            [_extent(images[place][..., 0], spacing) for place in np.unique(places)]
        )
        ends = zip(found.min(0).tolist(), found.max(0).tolist(), strict=True)
        return cls(tuple((round(a, 1), round(b, 1)) for a, b in ends))

    def doubts(
        self,
        volume: Volume,
        array: Float[np.ndarray, "*space"],
        spacing: tuple[float, ...],
        axes: str,
    ) -> Iterator[str]:
        """Sentences on what makes an image unlike those of the training.

        Args:
            volume: The image as it was read.
            array: It on the working grid, in [0, 1].
            spacing: Voxel size of the working grid, mm.
            axes: Letters of its axes, e.g. "RAS".
        """
        name = volume.path or "an image"
        found = list(zip(axes, _extent(array, spacing), self.extent, strict=False))
        if not all(a / _MARGIN <= size <= b * _MARGIN for _, size, (a, b) in found):
            parts = (
                f"{size:.0f} mm along {axis} ({a:.0f} to {b:.0f})"
                for axis, size, (a, b) in found
            )
            yield (
                f"{name}: what it shows is {', '.join(parts)} long; in brackets the "
                "images that the model was trained on. It may not fit; look at the "
                "result, and strip or crop the image as those of the training were."
            )
        if max(volume.spacing) > _COARSE * max(spacing):
            yield (
                f"{name}: its voxels are up to {max(volume.spacing):.3g} mm, those of "
                f"the training {max(spacing):.3g} mm; what is smaller than a voxel is "
                "not aligned."
            )


def _extent(
    image: Float[np.ndarray, "*space"], spacing: tuple[float, ...]
) -> list[float]:
    """Length along each axis of what an image shows, mm."""
    shown = image > _SHOWN
    total = max(1, int(shown.sum()))
    lengths = []
    for axis, size in enumerate(spacing):
        others = tuple(other for other in range(image.ndim) if other != axis)
        share = np.cumsum(shown.sum(others)) / total
        inside = (share > _TAIL) & (share - shown.sum(others) / total < 1 - _TAIL)
        lengths.append(float(size) * int(inside.sum()))
    return lengths
