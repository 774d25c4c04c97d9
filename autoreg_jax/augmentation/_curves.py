"""Random curves of intensity: the same tissue, another contrast."""

import jax
import jax.numpy as jnp
from jax.scipy.ndimage import map_coordinates
from jaxtyping import Array, Float, Key

from autoreg_jax.augmentation._fields import smooth_field

_NODES = 64
# Half waves of a curve: several tissues change their order, and edges remain.
_MODES = 6
# Standard deviation of the logarithm of the slope of a monotone curve.
_SLOPE = 1.0
# Below this intensity a curve of any shape goes to zero: what is black around a
# stripped organ stays black.
_BLACK = 0.05


def gamma_changed(
    key: Key[Array, ""], image: Float[Array, "*space 1"], strength: float
) -> Float[Array, "*space 1"]:
    """The image to the power of exp(strength · r), r uniform in [-1, 1]."""
    exponent = jnp.exp(strength * jax.random.uniform(key, (), image.dtype, -1.0))
    return image**exponent


def monotonically_mapped(
    key: Key[Array, ""], image: Float[Array, "*space 1"], strength: float
) -> Float[Array, "*space 1"]:
    """Map intensities by a random smooth curve that rises from 0 to 1.

    Args:
        key: Of the curve.
        image: In [0, 1].
        strength: Share of the curve, 0 to 1; the rest is the image itself.

    Returns:
        An image in [0, 1] with the order of the intensities.
    """
    slopes = jnp.exp(_SLOPE * smooth_field(key, (_NODES - 1,), _MODES))
    heights = jnp.concatenate([jnp.zeros(1, slopes.dtype), jnp.cumsum(slopes)])
    return _mapped(image, heights / heights[-1], strength)


def remapped(
    key: Key[Array, ""], image: Float[Array, "*space 1"], strength: float
) -> Float[Array, "*space 1"]:
    """Map intensities by a random smooth curve of any shape: any contrast of tissues.

    It reaches from 0 to 1, rises and falls. Black stays black.

    Args:
        key: Of the curve.
        image: In [0, 1].
        strength: Share of the curve, 0 to 1; the rest is the image itself.

    Returns:
        An image in [0, 1].
    """
    curve = smooth_field(key, (_NODES,), _MODES)
    lowest = jnp.min(curve)
    heights = (curve - lowest) / (jnp.max(curve) - lowest)
    ramp = jnp.minimum(jnp.linspace(0, 1, _NODES, dtype=curve.dtype) / _BLACK, 1)
    return _mapped(image, ramp * heights, strength)


def _mapped(image: Array, heights: Array, strength: float) -> Array:
    """Intensities between the nodes of a curve, and their blend with the image."""
    places = image * (_NODES - 1)
    values = map_coordinates(
        heights.astype(image.dtype), [places], order=1, mode="nearest"
    )
    return (1 - strength) * image + strength * jnp.clip(values, 0, 1)
