"""The registration network, mixed while searching and discrete after."""

from autoreg_jax.networks._matching import INITIAL_SHARPNESS as INITIAL_SHARPNESS
from autoreg_jax.networks._matching import Matching as Matching
from autoreg_jax.networks._registration import Registration as Registration
from autoreg_jax.networks._registration import (
    RegistrationNetwork as RegistrationNetwork,
)
from autoreg_jax.networks._wiring import Wiring as Wiring

__all__ = [
    "INITIAL_SHARPNESS",
    "Matching",
    "Registration",
    "RegistrationNetwork",
    "Wiring",
]
