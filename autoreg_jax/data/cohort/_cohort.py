"""One split of a dataset in memory, on one grid, ready for the device."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from autoreg_jax.data.cohort._landmarks import load_landmarks
from autoreg_jax.data.cohort._working import Working
from autoreg_jax.data.datasets._companions import (
    all_or_none,
    check_grid,
    read_foreground,
    read_mask,
)
from autoreg_jax.data.datasets._dataset import Dataset, Subject, read_table
from autoreg_jax.data.images._intensity import Intensity
from autoreg_jax.data.images._reading import read_image, read_labels, read_vectors
from autoreg_jax.data.simulation._flow import compose, exponential
from autoreg_jax.errors import DataError, GeometryError
from autoreg_jax.geometry import Grid, Volume

__all__ = ["STRUCTURES_FILE", "Cohort", "label_values", "load_cohort"]

STRUCTURES_FILE = "structures.csv"


@dataclass(frozen=True, eq=False)
class Cohort:
    """Subjects of one split.

    Attributes:
        names: Of the n subjects.
        images: `(n, *space, 1)` float32 in [0, 1].
        labels: `(n, *space)` int32, 0 for the background and 1..K for `structures`;
            None without label maps.
        structures: Names of the K structures.
        affine: Voxel indices to world millimetres, RAS+, `(4, 4)`.
        spacing: Millimetres on each axis.
        velocity: `(n, *space, d)` float32, voxels; only for simulated subjects.
        landmarks: `(n, k, d)` float32, voxels, k corresponding points; None without.
        intensity: How `images` were scaled.
        modalities: Of the n subjects as their lines say; empty where nothing is known.
    """

    names: tuple[str, ...]
    images: Float[np.ndarray, "n *space 1"]
    labels: Int[np.ndarray, "n *space"] | None
    structures: tuple[str, ...]
    affine: Float[np.ndarray, "4 4"]
    spacing: tuple[float, ...]
    velocity: Float[np.ndarray, "n *space d"] | None = None
    landmarks: Float[np.ndarray, "n k d"] | None = None
    intensity: Intensity = field(default_factory=Intensity)
    modalities: tuple[str | None, ...] = ()

    def true_displacement(
        self, moving: int, fixed: int
    ) -> Float[np.ndarray, "*space d"]:
        """The deformation between two simulated subjects, exactly as they were made.

        Subject i is the template at φ_i = exp(v_i). So moving(ψ(x)) shows the anatomy
        of fixed(x) for ψ = φ_moving⁻¹ ∘ φ_fixed, and φ⁻¹ = exp(-v).

        Args:
            moving: Index of the moving subject.
            fixed: Index of the fixed subject.

        Returns:
            u of ψ(x) = x + u(x), voxels, float32.

        Raises:
            DataError: If the subjects are not simulated.
        """
        if self.velocity is None:
            raise DataError(
                f"the true deformation of {self.names[moving]!r} and "
                f"{self.names[fixed]!r} is not known: it exists for simulated subjects "
                "only, those with the column 'velocity' in their dataset CSV."
            )
        inverse = exponential(-self.velocity[moving])
        truth = compose(inverse, exponential(self.velocity[fixed]))
        return truth.astype(np.float32)


def label_values(dataset: Dataset) -> tuple[int, ...]:
    """Values of the label maps of all splits, so that they share their class indices.

    Args:
        dataset: Any dataset.

    Returns:
        Sorted, without the background 0; empty where there are no label maps.

    Raises:
        DataError: If a label map cannot be used.
        GeometryError: If the affine of a label map cannot be used.
    """
    found: set[int] = set()
    for subject in dataset.subjects:
        if subject.labels is not None:
            found.update(np.unique(read_labels(subject.labels).array).tolist())
    return tuple(sorted(found - {0}))


def load_cohort(
    dataset: Dataset,
    split: str,
    *,
    label_values: Sequence[int] | None = None,
    working: Working | None = None,
    atlas: str | None = None,
) -> Cohort:
    """Load one split.

    Args:
        dataset: From `read_dataset`.
        split: `train`, `validation` or `test`.
        label_values: Values that become the classes 1..K in this order; others count as
            background. By default all that occur in the dataset, in any split.
        working: The grid to which images are resampled, and how. Without it all images
            of the dataset must lie on one grid, which is the grid of the cohort.
        atlas: Name of a subject of any split that is loaded with this one, as its last
            subject if it is of another.

    Returns:
        All subjects of the split, intensities normalised one by one. Structures take
        their names from `structures.csv` (`value,name`) beside the dataset; without
        it, or where it has no line for a value, the value is the name. True velocities
        are there only where no image had to be resampled.

    Raises:
        DataError: If the split has no subjects, there is no such atlas, a file cannot
            be used, an image shows nothing, or only some of the subjects have label
            maps or landmarks.
        GeometryError: If a label map, mask or velocity is on another grid than its
            image, or an image on another than the first of the dataset where there is
            no `working`, or it lies outside of that.
    """
    own = dataset.split(split)
    subjects = own if atlas is None else _with_atlas(dataset, own, atlas)
    has_labels = _all_have(dataset, own, subjects, "labels")
    has_velocity = _all_have(dataset, own, subjects, "velocity")
    has_landmarks = _all_have(dataset, own, subjects, "landmarks")
    values: tuple[int, ...] = ()
    if has_labels:
        values = _label_values(dataset) if label_values is None else tuple(label_values)
    reference = None
    if working is None:
        reference = read_image(dataset.subjects[0].image)
        working = Working(reference.grid)
    grid = working.grid
    images = np.empty((len(subjects), *grid.shape, 1), np.float32)
    labels = np.zeros((len(subjects), *grid.shape), np.int32) if has_labels else None
    matrices = []
    for index, subject in enumerate(subjects):
        image = read_image(subject.image)
        if reference is not None:
            rule = "all images of a dataset share one grid; resample one"
            check_grid(reference, image, rule)
        has_velocity = has_velocity and working.is_on_grid(image)
        matrix = working.matrix(image)
        mask = read_mask(subject, image) if working.has_masks else None
        images[index, ..., 0] = working.image(image, mask, matrix)
        if labels is not None:
            classes = _read_classes(subject, image, values)
            labels[index] = working.labels(classes, matrix)
        matrices.append(matrix)
    structures = dataset.folder / STRUCTURES_FILE
    return Cohort(
        names=tuple(subject.name for subject in subjects),
        images=images,
        labels=labels,
        structures=_structure_names(structures, values) if has_labels else (),
        affine=grid.affine,
        spacing=grid.spacing,
        velocity=_load_velocity(subjects, grid) if has_velocity else None,
        landmarks=load_landmarks(subjects, grid, matrices) if has_landmarks else None,
        intensity=working.intensity,
        modalities=tuple(subject.modality for subject in subjects),
    )


# `load_cohort` has a keyword of the same name.
_label_values = label_values


def _read_classes(subject: Subject, image: Volume, values: tuple[int, ...]) -> Volume:
    """The label map of an image as class indices."""
    stored = read_foreground(Path(str(subject.labels)), image)
    classes = np.zeros(max(*values, stored.array.max(), 0) + 1, np.int32)
    classes[list(values)] = np.arange(1, len(values) + 1)
    return Volume(classes[stored.array], stored.affine, stored.path)


def _with_atlas(
    dataset: Dataset, own: tuple[Subject, ...], atlas: str
) -> tuple[Subject, ...]:
    """The subjects of a split and the one of this name."""
    found = [s for s in dataset.subjects if s.name == atlas]
    if not found:
        raise DataError(
            f"{dataset.path}: no subject is named {atlas!r}, and pairs.fixed asks for "
            "it; set pairs.fixed to a name of the column 'subject'."
        )
    return own if found[0] in own else (*own, *found)


def _all_have(
    dataset: Dataset,
    own: tuple[Subject, ...],
    subjects: tuple[Subject, ...],
    column: str,
) -> bool:
    """Whether the subjects of a split, and its atlas with them, have this file."""
    return all(all_or_none(dataset, group, column) for group in (own, subjects))


def _load_velocity(
    subjects: tuple[Subject, ...], grid: Grid
) -> Float[np.ndarray, "n *space d"]:
    """Velocities of simulated subjects."""
    stored = [read_vectors(str(subject.velocity)) for subject in subjects]
    for subject, vectors in zip(subjects, stored, strict=True):
        if vectors.shape != (*grid.shape, grid.ndim):
            raise GeometryError(
                f"{subject.velocity} has the shape {vectors.shape}, its image "
                f"{subject.image} has {grid.shape}: make the population again."
            )
    return np.stack(stored)


def _structure_names(path: Path, values: tuple[int, ...]) -> tuple[str, ...]:
    """Names of label values; a value without a name is its own."""
    names: dict[str, str] = {}
    if path.exists():
        names = {
            row["value"]: row["name"] for _, row in read_table(path, ("value", "name"))
        }
    return tuple(names.get(str(value), str(value)) for value in values)
