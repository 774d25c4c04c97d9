"""What a scanner adds to an image: blur and noise."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from autoreg_jax.spatial import gaussian_smooth


def blurred(
    key: Key[Array, ""], image: Float[Array, "*space 1"], strength: float
) -> Float[Array, "*space 1"]:
    """A random blend of the image and the image behind a Gaussian.

    Args:
        key: Of the share of the smoothed image, uniform in [0, 1].
        image: In [0, 1].
        strength: Standard deviation of the Gaussian, voxels; a constant.

    Returns:
        An image in [0, 1].
    """
    if strength == 0:
        return image
    share = jax.random.uniform(key)
    smooth = gaussian_smooth(image[None], strength)[0]
    return (1 - share) * image + share * smooth


def noisy(
    key: Key[Array, ""], image: Float[Array, "*space 1"], strength: float
) -> Float[Array, "*space 1"]:
    """The image with normal noise, cut to [0, 1].

    Args:
        key: Of the noise and of its standard deviation, uniform in [0, strength].
        image: In [0, 1].
        strength: Largest standard deviation.

    Returns:
        An image in [0, 1].
    """
    size_key, noise_key = jax.random.split(key)
    deviation = strength * jax.random.uniform(size_key)
    noise = jax.random.normal(noise_key, image.shape)
    return jnp.clip(image + deviation * noise, 0, 1)
