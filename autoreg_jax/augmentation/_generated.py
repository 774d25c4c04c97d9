"""Images made from label maps, label maps of random shapes, and random deformations.

Trained on such images a network learns to align structures whatever their contrast is
(Hoffmann et al., SynthMorph, IEEE TMI 2022).
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from autoreg_jax.augmentation._fields import smooth_field
from autoreg_jax.spatial import half_shape, integrate, resize_displacement

# Half waves of the fields that decide between shapes.
_SHAPE_MODES = 6
# Half waves of the velocities of a deformation and the share of each in its variance:
# people differ smoothly, and in finer folds by less.
_VELOCITY_MODES = ((3, 0.7), (8, 0.3))
# Voxels of half resolution for half a wave: a shorter one could not be invertible.
_SHORTEST = 3
_SQUARINGS = 5


def random_shapes(
    key: Key[Array, ""], shape: tuple[int, ...], num_labels: int
) -> Float[Array, "*space k"]:
    """One-hot labels of smooth random shapes that fill the grid, background included.

    Each voxel belongs to the largest of `num_labels` + 1 smooth random fields.

    Args:
        key: Of the shapes.
        shape: Number of voxels of each axis.
        num_labels: k, the shapes beside the background, which has no channel.
    """

    def field(key: Array) -> Array:
        return smooth_field(key, shape, _SHAPE_MODES)

    fields = jax.vmap(field, out_axes=-1)(jax.random.split(key, num_labels + 1))
    largest = jnp.argmax(fields, axis=-1)[..., None]
    classes = jnp.arange(1, num_labels + 1, dtype=largest.dtype)
    classes = classes.reshape((1,) * len(shape) + (-1,))
    return (largest == classes).astype(jnp.float32)


def painted(
    key: Key[Array, ""], labels: Float[Array, "*space k"]
) -> Float[Array, "*space 1"]:
    """An image in which each label has a random intensity, on black.

    Args:
        key: Of the intensities, uniform in [0, 1].
        labels: Membership of each label, between 0 and 1, in total at most 1.

    Returns:
        An image in [0, 1].
    """
    intensities = jax.random.uniform(key, labels.shape[-1:], labels.dtype)
    weights = intensities.reshape((1,) * (labels.ndim - 1) + (-1,))
    return jnp.clip(jnp.sum(labels * weights, axis=-1, keepdims=True), 0, 1)


def random_deformation(
    key: Key[Array, ""], shape: tuple[int, ...], strength: float
) -> Float[Array, "*space d"]:
    """Displacement of a random diffeomorphism that ends at the border of the grid.

    It is the exponential of a smooth velocity of two scales, at half resolution.

    Args:
        key: Of the velocity.
        shape: Number of voxels of each axis.
        strength: Standard deviation of each component of the velocity, voxels.

    Returns:
        u in voxels, for `spatial.warp`.
    """
    half = half_shape(shape)
    most = max(1, min(half) // _SHORTEST)

    def component(key: Array) -> Array:
        keys = jax.random.split(key, len(_VELOCITY_MODES))
        fields = [
            share**0.5 * smooth_field(one, half, min(modes, most), is_zero_outside=True)
            for one, (modes, share) in zip(keys, _VELOCITY_MODES, strict=True)
        ]
        return jnp.sum(jnp.stack(fields), axis=0)

    velocity = jax.vmap(component, out_axes=-1)(jax.random.split(key, len(shape)))
    # A voxel of half resolution is about two of the image.
    displacement = integrate(0.5 * strength * velocity[None], _SQUARINGS)
    return resize_displacement(displacement, shape)[0]
