"""Where all methods of a bench begin: the moving image seen through a transform."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from autoreg_jax.geometry import Grid, Volume, resample
from autoreg_jax.inference._initial import initial_transform
from autoreg_jax.transforms import Transform


class PairStart:
    """A start of one pair, which is no business of the method that registers it.

    The method gets the moving image as the start places it. What it finds comes first,
    then the start: φ(x) = φ_start(x + u(x)), so that the start is in the result once,
    whatever the method.

    Args:
        words: Transform files from fixed to moving, in the order of `autoreg apply`.
        moving: The moving image on the grid.
        grid: Of both images.

    Raises:
        ConfigError, GeometryError, TransformError: If the files cannot be used.
    """

    def __init__(
        self, words: Sequence[Path | str], moving: np.ndarray, grid: Grid
    ) -> None:
        self._grid = grid
        self._moving = Volume(np.asarray(moving), grid.affine)
        self._initial = initial_transform(list(words), self._moving, self._moving)

    def placed(self) -> Float[np.ndarray, "*space"]:
        """The moving image on the grid, moved by the start; 0 outside of it."""
        return resample(self._initial.place(self._moving, self._moving), self._grid)

    def before(
        self, displacement: Float[np.ndarray, "*space d"]
    ) -> Float[np.ndarray, "*space d"]:
        """The displacement of the whole map, in voxels, from that which was found."""
        found = Transform.displacement(displacement, self._grid, voxels=True)
        whole = self._initial.before(found).displacement_on(self._grid)
        return self._grid.vectors_to_voxels(whole).astype(np.float32)
