"""The maps that a transform is a chain of."""

from autoreg_jax.transforms.links._affine import Affine
from autoreg_jax.transforms.links._chain import (
    Link,
    as_displacement,
    map_grid,
    map_points,
)
from autoreg_jax.transforms.links._displacement import (
    Displacement,
    InverseDisplacement,
    determinant,
)
from autoreg_jax.transforms.links._velocity import Velocity

__all__ = [
    "Affine",
    "Displacement",
    "InverseDisplacement",
    "Link",
    "Velocity",
    "as_displacement",
    "determinant",
    "map_grid",
    "map_points",
]
