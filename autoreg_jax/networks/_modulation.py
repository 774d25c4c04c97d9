"""A network that is told under which weights of the loss it registers."""

import jax.numpy as jnp
from flax import linen as nn
from jax import Array

_HIDDEN = 16
# Of the last kernel, times the usual: not zero, since some optimizers make steps in
# proportion to a kernel.
CONDITION_SCALE = 0.1


class Modulation(nn.Module):
    """Scales and shifts features, and scales the velocity, by a condition.

    Feature-wise linear modulation (FiLM; Perez et al., AAAI 2018), as networks for
    registration use it that know their smoothness (Hoopes et al., IPMI 2021; Mok and
    Chung, MICCAI 2021). It begins near the identity.
    """

    @nn.compact
    def __call__(self, condition: Array, features: Array) -> tuple[Array, Array]:
        """Modulate features.

        Args:
            condition: `(k,)`, of any range; some units are enough.
            features: `(b, *space, channels)`.

        Returns:
            Features of the same shape, and a positive factor of the velocity, a scalar.
        """
        count = features.shape[-1]
        usual, small = (
            nn.initializers.variance_scaling(scale**2, "fan_in", "normal")
            for scale in (1.0, CONDITION_SCALE)
        )
        hidden = nn.Dense(_HIDDEN, kernel_init=usual, name="hidden")(condition)
        last = nn.Dense(2 * count + 1, kernel_init=small, name="out")
        found = last(nn.gelu(hidden))
        shape = (1,) * (features.ndim - 1) + (count,)
        scale, shift = (found[i * count :][:count].reshape(shape) for i in range(2))
        size = found[2 * count :]
        return features * (1 + scale) + shift, jnp.exp(size[0])
