"""Where voxels lie: grids, volumes and their values between voxels. NumPy alone."""

from autoreg_jax.geometry._field_of_view import (
    Shared,
    check_axes,
    check_field_of_view,
    shared_part,
)
from autoreg_jax.geometry._grid import Grid, Stated, homogeneous
from autoreg_jax.geometry._height import check_height
from autoreg_jax.geometry._regrid import grid_along, working_grid
from autoreg_jax.geometry._sampling import (
    Interpolation,
    displacement_on,
    is_inside,
    resample,
    sample,
    sample_edge,
    sample_world,
)
from autoreg_jax.geometry._slice import fullest_slice, slice_axis, slice_grid
from autoreg_jax.geometry._volume import Volume

__all__ = [
    "Grid",
    "Interpolation",
    "Shared",
    "Stated",
    "Volume",
    "check_axes",
    "check_field_of_view",
    "check_height",
    "displacement_on",
    "fullest_slice",
    "grid_along",
    "homogeneous",
    "is_inside",
    "resample",
    "sample",
    "sample_edge",
    "sample_world",
    "shared_part",
    "slice_axis",
    "slice_grid",
    "working_grid",
]
