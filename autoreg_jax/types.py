"""Names for the arrays that travel between modules, for the fields of states.

A function annotates its arguments with shapes (`Float[Array, "b x y z c"]`). The
fields of a state take these loose names instead, because a transformation may put a
`ShapeDtypeStruct` or `None` where the array was.
"""

from typing import Any

from jax import Array

__all__ = [
    "Displacement",
    "Image",
    "Key",
    "Labels",
    "Params",
    "Scalar",
    "Velocity",
]

Image = Array
"""Intensities in [0, 1], float, `(b, x, y, z, c)`; 2-D drops z."""

Labels = Array
"""Class indices 0..K, integer `(b, x, y, z)`, or one-hot `(b, x, y, z, k)`."""

Displacement = Array
"""u of φ(x) = x + u(x), in voxels of its own grid, `(b, x, y, z, 3)`."""

Velocity = Array
"""v of φ = exp(v), in voxels of its own grid, `(b, x, y, z, 3)`."""

Scalar = Array
"""A single number on the device, shape `()`."""

Key = Array
"""A typed random key, `jax.random.key(seed)`."""

Params = dict[str, Any]
"""Network weights ω, the nested dictionary that Flax calls `params`."""
