"""The maps that a transform is a chain of."""

from autoreg_jax.transforms.links._affine import Affine
from autoreg_jax.transforms.links._chain import (
    Link,
    as_displacement,
    grid_of,
    inverted,
    map_points,
    over_grid,
)
from autoreg_jax.transforms.links._displacement import (
    Displacement,
    InverseDisplacement,
    determinant,
)
from autoreg_jax.transforms.links._positions import linear_fit, nearest_affine
from autoreg_jax.transforms.links._spline import Spline
from autoreg_jax.transforms.links._velocity import Velocity

__all__ = [
    "Affine",
    "Displacement",
    "InverseDisplacement",
    "Link",
    "Spline",
    "Velocity",
    "as_displacement",
    "determinant",
    "grid_of",
    "inverted",
    "linear_fit",
    "map_points",
    "nearest_affine",
    "over_grid",
]
