"""Random changes of images in training, and images that are made for it.

Each is a pure function of a key, an image `(*space, 1)` in [0, 1] and a strength.
Images stay in [0, 1], and a strength of 0 changes nothing. `jax.vmap` makes batches.
"""

from autoreg_jax.augmentation._artefacts import blurred, noisy, thick_sliced
from autoreg_jax.augmentation._curves import (
    gamma_changed,
    monotonically_mapped,
    remapped,
)
from autoreg_jax.augmentation._fields import bias_multiplied, smooth_field
from autoreg_jax.augmentation._generated import (
    painted,
    random_deformation,
    random_shapes,
)
from autoreg_jax.augmentation._positions import flips, mirrored, random_affine
from autoreg_jax.augmentation._regions import with_hole

__all__ = [
    "bias_multiplied",
    "blurred",
    "flips",
    "gamma_changed",
    "mirrored",
    "monotonically_mapped",
    "noisy",
    "painted",
    "random_affine",
    "random_deformation",
    "random_shapes",
    "remapped",
    "smooth_field",
    "thick_sliced",
    "with_hole",
]
