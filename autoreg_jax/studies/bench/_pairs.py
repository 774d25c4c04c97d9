"""Pairs of a bench that are listed in a table, with their true displacements."""

from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from autoreg_jax.data import Cohort, Dataset, read_mask, read_pairs
from autoreg_jax.errors import DataError, GeometryError
from autoreg_jax.transforms import Grid, Transform, check_whole
from autoreg_jax.workflows.evaluation import PairData


class ListedPair(NamedTuple):
    """Indices of a pair, and the files of its truth, of its mask and of its start."""

    moving: int
    fixed: int
    displacement: Path | None = None
    mask: Path | None = None
    init: Path | None = None

    @property
    def files(self) -> list[str]:
        """Names of the reference files."""
        return [file.name for file in (self.displacement, self.mask) if file]

    def judged(self, pair: PairData, cohort: Cohort) -> PairData:
        """The pair with its true displacement and its mask."""
        shape = cohort.images.shape[1:-1]
        if self.mask is not None:
            mask = read_mask(self.mask)
            if mask.shape != shape:
                raise GeometryError(
                    f"{self.mask}: has the shape {mask.shape}, the subjects have "
                    f"{shape}; resample it to their grid."
                )
            pair = pair._replace(body=jnp.asarray(mask.array[None] > 0))
        if self.displacement is not None:
            grid = Grid(shape, cohort.affine)
            truth = Transform.read(self.displacement, grid=grid)
            check_whole(truth, self.displacement)
            vectors = grid.vectors_to_voxels(truth.displacement_on(grid))
            voxels = vectors.astype(np.float32)
            pair = pair._replace(truth=jnp.asarray(voxels[None]))
        return pair


def listed_pairs(path: Path, dataset: Dataset, split: str) -> list[ListedPair]:
    """Read a CSV file of pairs whose images must belong to one split."""
    subjects = dataset.split(split)
    places = {one.image.resolve(): place for place, one in enumerate(subjects)}

    def place(image: Path) -> int:
        if image.resolve() in places:
            return places[image.resolve()]
        splits = {one.image.resolve(): one.split for one in dataset.subjects}
        advice = "add it to the dataset, or leave the pair out."
        if other := splits.get(image.resolve()):
            advice = f"it is of {other!r}: set evaluate.split, or leave the pair out."
        raise DataError(
            f"{path}: {image} is no image of the split {split!r} of {dataset.path}; "
            f"{advice}"
        )

    return [
        ListedPair(
            place(one.moving),
            place(one.fixed),
            one.displacement,
            one.fixed_mask,
            one.init,
        )
        for one in read_pairs(path)
    ]
