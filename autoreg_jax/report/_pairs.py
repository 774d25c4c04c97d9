"""The example pairs of a run: worst, median and best by Dice."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Integer
from numpy.typing import NDArray

from autoreg_jax.errors import ArtifactError
from autoreg_jax.files import read_arrays
from autoreg_jax.geometry import Grid
from autoreg_jax.report.slices import SlicePictures, slice_pictures
from autoreg_jax.transforms import Transform


@dataclass(frozen=True)
class Pair:
    """Images of one registered pair, for display.

    Attributes:
        name: Name of the pair in the run.
        fixed, moving: Images, `(*space)`.
        moved: Moving image on the fixed grid, after refinement where there was one.
        displacement: `(*space, d)`, voxels, the one that made `moved`.
        fixed_labels, moving_labels, moved_labels: Integer maps, or None.
    """

    name: str
    fixed: NDArray[Any]
    moving: NDArray[Any]
    moved: NDArray[Any]
    displacement: NDArray[Any]
    fixed_labels: NDArray[Any] | None
    moving_labels: NDArray[Any] | None
    moved_labels: NDArray[Any] | None

    @property
    def arrays(self) -> dict[str, Any]:
        """All of them, the arguments of the same names of `registration_panel`."""
        return {name: value for name, value in vars(self).items() if name != "name"}


@dataclass(frozen=True)
class ShownPair:
    """A pair and why it is shown.

    Attributes:
        pair: The images.
        role: `Worst`, `Median`, `Best`, or empty where the Dice is unknown.
        dice_before, dice: Mean Dice of its structures, NaN where unknown.
    """

    pair: Pair
    role: str
    dice_before: float
    dice: float


def read_pairs(
    path: Path,
) -> tuple[Sequence[Pair], tuple[float, ...], NDArray[Any] | None]:
    """The pairs of `panels.npz`, mm per array axis, and the affine, each if stored."""
    if not path.is_file():
        return (), (), None
    try:
        stored = read_arrays(path)
        pairs = [
            Pair(
                name=str(name),
                fixed=stored[f"fixed_{i}"],
                moving=stored[f"moving_{i}"],
                moved=stored.get(f"moved_refined_{i}", stored[f"moved_{i}"]),
                displacement=stored[f"displacement_{i}"],
                fixed_labels=stored.get(f"fixed_labels_{i}"),
                moving_labels=stored.get(f"moving_labels_{i}"),
                moved_labels=stored.get(f"moved_labels_{i}"),
            )
            for i, name in enumerate(stored["names"])
        ]
        return pairs, tuple(stored["spacing"].tolist()), stored.get("affine")
    except (LookupError, OSError, TypeError, ValueError) as error:
        raise ArtifactError(
            f"{path}: cannot be read ({error}); run `autoreg evaluate` again."
        ) from error


def mean_dice(
    first: Integer[np.ndarray, "*space"], second: Integer[np.ndarray, "*space"]
) -> float:
    """Mean Dice of the structures that occur in either of two label maps.

    Examples:
        >>> mean_dice(np.array([1, 1, 0]), np.array([1, 0, 0]))
        0.6666666666666666
    """
    values = np.union1d(first[first > 0], second[second > 0])
    scores = [
        2
        * np.sum((first == value) & (second == value))
        / (np.sum(first == value) + np.sum(second == value))
        for value in values
    ]
    return float(np.mean(scores)) if scores else math.nan


def select_pairs(pairs: Sequence[Pair], limit: int = 3) -> list[ShownPair]:
    """Worst, median and best pair by the Dice after registration, in this order.

    Fewer if there are fewer pairs; the first `limit` where the Dice is unknown.
    """
    shown = [ShownPair(pair, "", *_dice(pair)) for pair in pairs]
    if not all(math.isfinite(item.dice) for item in shown) or len(shown) < 2:
        return shown[:limit]
    ranked = sorted(shown, key=lambda item: item.dice)
    last = len(ranked) - 1
    roles = {last // 2: "Median", 0: "Worst", last: "Best"}
    return [
        ShownPair(ranked[rank].pair, role, ranked[rank].dice_before, ranked[rank].dice)
        for rank, role in sorted(roles.items())
    ]


def pair_slices(
    pair: Pair, spacing: Sequence[float], affine: NDArray[Any] | None
) -> list[SlicePictures]:
    """Pictures of the slices of a pair, see `slice_pictures`."""
    placed = np.diag([*spacing, *[1.0] * (4 - len(spacing))])
    grid = Grid(pair.fixed.shape, placed)
    u = pair.displacement.astype(np.float64)
    change = Transform.displacement(u, grid, voxels=True).jacobian_determinant(grid)
    images = pair.fixed, pair.moving, pair.moved
    return list(
        slice_pictures(
            *images, change, moving=pair.moving, spacing=spacing, affine=affine
        )
    )


def _dice(pair: Pair) -> tuple[float, float]:
    if pair.fixed_labels is None:
        return math.nan, math.nan
    before, after = (
        math.nan if labels is None else mean_dice(pair.fixed_labels, labels)
        for labels in (pair.moving_labels, pair.moved_labels)
    )
    return before, after
