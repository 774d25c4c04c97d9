"""A network of a user, in a module of its own."""

from flax import linen as nn

from autoreg_jax.networks import Registration
from autoreg_jax.spatial import Pyramid, half_shape, resize_displacement


class Tiny(nn.Module):
    """One convolution of the difference of the images."""

    @nn.compact
    def __call__(self, moving, fixed, alpha=None):
        ndim, space = moving.ndim - 2, moving.shape[1:-1]
        full = nn.Conv(ndim, (3,) * ndim, name="velocity")(fixed - moving)
        half = resize_displacement(full, half_shape(space))
        quarter = resize_displacement(half, half_shape(half.shape[1:-1]))
        return Registration(half, Pyramid(full, half, quarter))
