"""Where voxels lie: grids, volumes and their values between voxels. NumPy alone."""

from autoreg_jax.geometry._field_of_view import check_axes, check_field_of_view
from autoreg_jax.geometry._grid import Grid, grid_along
from autoreg_jax.geometry._resample import index_matrix, resample
from autoreg_jax.geometry._volume import Volume, grid_distance
from autoreg_jax.geometry._world import (
    displacement_on,
    sample_world,
    voxel_coordinates,
    working_grid,
    world_coordinates,
)

__all__ = [
    "Grid",
    "Volume",
    "check_axes",
    "check_field_of_view",
    "displacement_on",
    "grid_along",
    "grid_distance",
    "index_matrix",
    "resample",
    "sample_world",
    "voxel_coordinates",
    "working_grid",
    "world_coordinates",
]
