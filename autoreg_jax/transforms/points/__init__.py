"""Files of points: one format each, all of them in `read_points`."""

from autoreg_jax.transforms.points._points import Points, PointSpace
from autoreg_jax.transforms.points._table import (
    POINT_ENDINGS,
    read_points,
    write_points,
)

__all__ = ["POINT_ENDINGS", "PointSpace", "Points", "read_points", "write_points"]
