"""Images without their lesions."""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool
from scipy import ndimage

from autoreg_jax.geometry import Volume, resample

__all__ = ["without_lesion"]


def without_lesion(
    image: Volume, lesion: Volume
) -> tuple[Volume, Bool[np.ndarray, "*space"]]:
    """Give what lies under a lesion the value of the nearest voxel outside.

    So what the lesion shows does not count, not even for windows and intensities around
    it.

    Args:
        image: The image.
        lesion: Not 0 where the lesion is, on any grid in the world of the image.

    Returns:
        The image, as it is if the lesion covers all of it, and where the lesion is.
    """
    inside = resample(lesion, image.grid) > 0
    if inside.all():  # no voxel to take a value from
        return image, inside
    nearest = np.empty((image.ndim, *image.shape), np.int32)
    ndimage.distance_transform_edt(
        inside,
        image.spacing,
        return_distances=False,
        return_indices=True,
        indices=nearest,
    )
    return replace(image, array=image.array[tuple(nearest)]), inside
