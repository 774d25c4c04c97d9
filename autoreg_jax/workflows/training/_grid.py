"""Augmentation on the grid of the images: directions of the body, sizes of a voxel."""

from dataclasses import replace

import nibabel

from autoreg_jax.config import AugmentConfig
from autoreg_jax.data import Cohort
from autoreg_jax.errors import ConfigError

_DIRECTIONS = {
    "left_right": "LR",
    "anterior_posterior": "AP",
    "inferior_superior": "IS",
}


def on_grid(settings: AugmentConfig, cohort: Cohort) -> AugmentConfig:
    """Settings that name axes of the grid and know the sizes of its voxels.

    Raises:
        ConfigError: If images are to be mirrored in a direction that no axis of the
            grid has, or if sizes of voxels are given for another number of axes.
    """
    sizes = settings.spacing
    if sizes is not None and len(sizes) != len(cohort.spacing):
        raise ConfigError(
            f"train.augment.spacing: has {len(sizes)} numbers, {list(sizes)}, for "
            f"images of {len(cohort.spacing)} axes."
        )
    if settings.flip is not None:
        flip = tuple(dict.fromkeys(_axis(name, cohort) for name in settings.flip))
        settings = replace(settings, flip=flip)
    if settings.affine.probability and settings.spacing is None:
        settings = replace(settings, spacing=tuple(map(float, cohort.spacing)))
    return settings


def _axis(name: str, cohort: Cohort) -> str:
    """`x`, `y` or `z` for a direction of the body; these names stay."""
    if name not in _DIRECTIONS:
        return name
    letters = nibabel.aff2axcodes(cohort.affine)[: len(cohort.spacing)]
    for axis, letter in zip("xyz", letters, strict=False):
        if letter in _DIRECTIONS[name]:
            return axis
    raise ConfigError(
        f"train.augment.flip: {name} is no direction of the images, whose axes run "
        f"towards {', '.join(map(str, letters))}; leave it out."
    )
