"""The registration network, mixed while searching and discrete after."""

from autoreg_jax.networks._activations import activations
from autoreg_jax.networks._composition import (
    Registration,
    composed,
    inverse_displacements,
)
from autoreg_jax.networks._conditions import Conditions
from autoreg_jax.networks._matching import INITIAL_SHARPNESS, Matching
from autoreg_jax.networks._modulation import CONDITION_SCALE, Modulation
from autoreg_jax.networks._registration import RegistrationNetwork
from autoreg_jax.networks._structure import Structure
from autoreg_jax.networks._wiring import Wiring

__all__ = [
    "CONDITION_SCALE",
    "INITIAL_SHARPNESS",
    "Conditions",
    "Matching",
    "Modulation",
    "Registration",
    "RegistrationNetwork",
    "Structure",
    "Wiring",
    "activations",
    "composed",
    "inverse_displacements",
]
