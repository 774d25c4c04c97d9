"""A virtual population whose deformations are known exactly."""

from autoreg_jax.data.simulation._flow import true_displacement
from autoreg_jax.data.simulation._population import write_population

__all__ = ["true_displacement", "write_population"]
