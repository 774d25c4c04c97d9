"""Points in the world, and the file that they come from."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from jaxtyping import Float

from autoreg_jax.geometry import Grid

__all__ = ["PointImages", "PointSpace", "Points", "Reader", "checked", "flipped"]

PointSpace = Literal["ras", "lps"]


@dataclass(frozen=True, eq=False)
class Points:
    """Points of a file, which keeps everything else that is in it.

    Attributes:
        positions: World millimetres, RAS+, `(n, 3)`, or `(n, 2)` if there is no z.
        ending: Of the name of the file, as ".csv".
        render: The content of the file with other positions in the same order, in the
            space and the format that it has.
    """

    positions: Float[np.ndarray, "n d"]
    ending: str
    render: Callable[[Float[np.ndarray, "n d"]], str]

    def __repr__(self) -> str:
        number, axes = self.positions.shape
        return f"Points({number} in {axes}-D, {self.ending})"


@dataclass(frozen=True)
class PointImages:
    """Images whose voxels a file of points counts.

    Attributes:
        drawn_on: Grid of the image that the points were drawn on, if it is known.
        moved_to: Grid of the image that they are moved to, if it is known.
    """

    drawn_on: Grid | None = None
    moved_to: Grid | None = None


class Reader(Protocol):
    """Reads the text of a file; raises `ValueError` if it cannot be used."""

    def __call__(
        self, text: str, ending: str, space: PointSpace | None, images: PointImages
    ) -> Points:
        """The points."""
        ...


def checked(rows: list[list[str]], first: int = 1) -> Float[np.ndarray, "n d"]:
    """Coordinates as numbers.

    Args:
        rows: Their text.
        first: Number of the first row, for messages.

    Raises:
        ValueError: If one is not a finite number.
    """
    positions = []
    for number, row in enumerate(rows, first):
        try:
            position = [float(cell) for cell in row]
        except ValueError:
            position = [np.nan]
        if not np.isfinite(position).all():
            raise ValueError(f"row {number}: x, y and z must be finite numbers.")
        positions.append(position)
    width = len(rows[0]) if rows else 3
    if any(len(row) != width for row in rows):
        raise ValueError("some of its points have two coordinates and some three.")
    return np.array(positions, np.float64).reshape(-1, width)


def flipped(
    positions: Float[np.ndarray, "*n d"], space: PointSpace
) -> Float[np.ndarray, "*n d"]:
    """From the space of a file to RAS, and back."""
    signs = np.array([-1.0, -1.0, 1.0])[: positions.shape[-1]]
    return positions * signs + 0.0 if space == "lps" else positions
