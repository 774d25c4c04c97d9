"""The pairs of a bench: drawn from the subjects, or listed in a table."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from autoreg_jax.data import Cohort, Dataset, read_image, read_pairs
from autoreg_jax.errors import DataError, GeometryError
from autoreg_jax.transforms import Grid, Transform
from autoreg_jax.workflows.evaluation import PairData


class ListedPair(NamedTuple):
    """One line of a table of pairs.

    Attributes:
        moving, fixed: Indices of the subjects.
        displacement: File of the true displacement, if it is known.
        mask: File of the voxels of the fixed image that count for its error.
    """

    moving: int
    fixed: int
    displacement: Path | None = None
    mask: Path | None = None

    @property
    def files(self) -> list[str]:
        """Names of the files that it is judged by besides the subjects' own."""
        files = (self.displacement, self.mask)
        return [file.name for file in files if file is not None]

    def judged(self, pair: PairData, cohort: Cohort) -> PairData:
        """The pair with the truth and the mask of its line.

        Raises:
            DataError, TransformError: If a file of it cannot be used.
            GeometryError: If the mask is not on the grid of the subjects.
        """
        shape = cohort.images.shape[1:-1]
        if self.mask is not None:
            mask = read_image(self.mask)
            if mask.shape != shape:
                raise GeometryError(
                    f"{self.mask}: has the shape {mask.shape}, the subjects have "
                    f"{shape}; resample it to their grid."
                )
            pair = pair._replace(body=jnp.asarray(mask.array[None] > 0))
        if self.displacement is not None:
            grid = Grid(shape, cohort.affine)
            truth = Transform.read(self.displacement, grid=grid).displacement_on(grid)
            voxels = grid.vectors_to_voxels(truth).astype(np.float32)
            pair = pair._replace(truth=jnp.asarray(voxels[None]))
        return pair


def listed_pairs(path: Path, dataset: Dataset, split: str) -> list[ListedPair]:
    """Read a table of pairs of which each image is one of a split.

    Args:
        path: CSV as for `autoreg register --pairs`; labels are those of the dataset.
        dataset: The subjects.
        split: Of which.

    Returns:
        The pairs in the order of the lines.

    Raises:
        DataError: If the table cannot be read or an image is none of the split.
    """
    subjects = dataset.split(split)
    places = {one.image.resolve(): place for place, one in enumerate(subjects)}

    def place(image: Path) -> int:
        if image.resolve() in places:
            return places[image.resolve()]
        raise DataError(
            f"{path}: {image} is no image of the split {split!r} of {dataset.path}; "
            f"{_where(image, dataset)}"
        )

    return [
        ListedPair(
            place(one.moving), place(one.fixed), one.displacement, one.fixed_mask
        )
        for one in read_pairs(path)
    ]


def _where(image: Path, dataset: Dataset) -> str:
    """What to do about an image that is not in a split."""
    others: Sequence[str] = [
        one.split for one in dataset.subjects if one.image.resolve() == image.resolve()
    ]
    if others:
        return f"it is of {others[0]!r}: set evaluate.split, or leave the pair out."
    return "add it to the dataset, or leave the pair out."
