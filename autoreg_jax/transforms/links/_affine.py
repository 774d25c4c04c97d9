"""An affine map of the world."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from autoreg_jax.display import number
from autoreg_jax.geometry import homogeneous

__all__ = ["Affine"]


@dataclass(frozen=True, eq=False)
class Affine:
    """φ(p) = M p, with a homogeneous matrix in world millimetres, RAS+.

    Attributes:
        matrix: `(4, 4)` float64, or `(3, 3)` for a map of the plane of x and y.

    Raises:
        ValueError: If it is not a finite, invertible homogeneous matrix.
    """

    matrix: Float[np.ndarray, "d+1 d+1"]

    def __post_init__(self) -> None:
        homogeneous(self.matrix)
        object.__setattr__(self, "matrix", np.asarray(self.matrix, np.float64))

    def __repr__(self) -> str:
        return f"Affine({self.description})"

    @property
    def description(self) -> str:
        """Angle, change of volume and shift in words.

        The angle is that of the nearest rotation.
        """
        linear = self.full[:3, :3]
        volume = float(np.linalg.det(linear))
        left, _, right = np.linalg.svd(linear * np.sign(volume))
        cosine = (np.trace(left @ right) - 1) / 2
        angle = float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))
        mirrors = "mirrors, " if volume < 0 else ""
        shift = float(np.linalg.norm(self.matrix[:-1, -1]))
        return (
            f"affine map: {mirrors}turns by {number(angle)}°, volumes times "
            f"{number(abs(volume))}, moves the origin by {number(shift)} mm"
        )

    @property
    def ndim(self) -> int:
        """2 for a map of the plane, otherwise 3."""
        return len(self.matrix) - 1

    @property
    def full(self) -> Float[np.ndarray, "4 4"]:
        """The matrix as one of space; a map of the plane leaves z as it is."""
        return homogeneous(self.matrix)

    def map(self, points: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3"]:
        """Where the points are mapped to."""
        full = self.full
        return points @ full[:3, :3].T + full[:3, 3]

    def inverse(self) -> "Affine":
        """The inverse map, exactly."""
        inverse = np.linalg.inv(self.matrix)
        inverse[-1] = np.eye(len(inverse))[-1]
        return Affine(inverse)
