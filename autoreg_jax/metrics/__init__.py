"""Scores of a finished registration: overlap, regularity and error in millimetres.

Each score is over all voxels that it is given, the batch included: pass one pair (or
`jax.vmap`) for a score by pair.
"""

from autoreg_jax.metrics._error import displacement_error as displacement_error
from autoreg_jax.metrics._overlap import dice as dice
from autoreg_jax.metrics._regularity import folding_fraction as folding_fraction
from autoreg_jax.metrics._regularity import log_jacobian_std as log_jacobian_std

__all__ = ["dice", "displacement_error", "folding_fraction", "log_jacobian_std"]
