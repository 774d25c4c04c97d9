"""What belongs to an image: label map and mask, on its grid, for all or for none."""

from pathlib import Path

from autoreg_jax.data.datasets._dataset import Dataset, Subject
from autoreg_jax.data.images._reading import read_image, read_labels
from autoreg_jax.errors import DataError, GeometryError
from autoreg_jax.geometry import Volume

__all__ = [
    "all_or_none",
    "check_complete",
    "check_grid",
    "read_foreground",
    "read_mask",
]


def check_complete(dataset: Dataset) -> None:
    """Make sure that in each split all subjects have label maps, or none; and so on.

    Raises:
        DataError: If only some of them have one.
    """
    for split in dict.fromkeys(subject.split for subject in dataset.subjects):
        for column in ("labels", "velocity", "landmarks"):
            all_or_none(dataset, dataset.split(split), column)


def all_or_none(dataset: Dataset, subjects: tuple[Subject, ...], column: str) -> bool:
    """Whether the subjects of a split have a file.

    Raises:
        DataError: If only some of them have it.
    """
    without = [s.name for s in subjects if getattr(s, column) is None]
    if without and len(without) < len(subjects):
        raise DataError(
            f"{dataset.path}: in the split {subjects[0].split!r} the subject "
            f"{without[0]!r} has no {column} and others have; give all of them or none."
        )
    return not without


def check_grid(one: Volume, other: Volume, rule: str) -> None:
    """Refuse two volumes on different grids.

    Args:
        one: A volume.
        other: The one that is to blame.
        rule: What is to be done, for the message.

    Raises:
        GeometryError: If they differ by more than rounding.
    """
    if one.shape != other.shape:
        raise GeometryError(
            f"{other.path} has the shape {other.shape}, {one.path} has {one.shape}: "
            f"{rule}."
        )
    if not one.grid.matches(other.grid):
        distance = one.grid.distance(other.grid)
        raise GeometryError(
            f"{other.path} lies {distance * min(one.spacing):.3g} mm away from "
            f"{one.path} by their affines: {rule}, or correct its header."
        )


def read_foreground(path: Path, image: Volume) -> Volume:
    """The label map of an image.

    Raises:
        DataError: If it cannot be read, or holds the background alone.
        GeometryError: If it is on another grid than the image.
    """
    stored = read_labels(path)
    rule = "a label map is on the grid of its image; resample it by nearest neighbour"
    check_grid(image, stored, rule)
    if not stored.array.any():
        raise DataError(
            f"{stored.path}: all voxels are background, 0, and nothing can be scored "
            "by it; correct the label map, or leave this subject out."
        )
    return stored


def read_mask(subject: Subject, image: Volume) -> Volume | None:
    """The mask of an image, if there is one.

    Raises:
        DataError: If it cannot be read, or is empty.
        GeometryError: If it is on another grid than the image.
    """
    if subject.mask is None:
        return None
    mask = read_image(subject.mask)
    rule = "a mask is on the grid of its image; resample it by nearest neighbour"
    check_grid(image, mask, rule)
    if not mask.array.any():
        raise DataError(
            f"{mask.path}: the mask of {image.path} is empty; correct it, or leave it "
            "out."
        )
    return mask
