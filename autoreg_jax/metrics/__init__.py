"""Scores of a finished registration: overlap, distances, regularity, similarity.

A score that is one number is computed over all voxels, the batch included: pass one
pair (or use `jax.vmap`) for a score of each pair. `surface_distances` runs on the host,
all others on the device.
"""

from autoreg_jax.metrics._scores import (
    correlation,
    dice,
    displacement_error,
    folding_fraction,
    inverse_consistency_error,
    learn2reg_log_jacobian_std,
    log_jacobian_std,
    target_registration_error,
)
from autoreg_jax.metrics._surface import SurfaceDistances, surface_distances

__all__ = [
    "SurfaceDistances",
    "correlation",
    "dice",
    "displacement_error",
    "folding_fraction",
    "inverse_consistency_error",
    "learn2reg_log_jacobian_std",
    "log_jacobian_std",
    "surface_distances",
    "target_registration_error",
]
