"""The registration network, mixed while searching and discrete after."""

from autoreg_jax.networks._registration import Registration as Registration
from autoreg_jax.networks._registration import (
    RegistrationNetwork as RegistrationNetwork,
)

__all__ = ["Registration", "RegistrationNetwork"]
