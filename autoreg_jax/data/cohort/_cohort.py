"""The subjects of one split in memory, on one grid."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from autoreg_jax.config import Intensity
from autoreg_jax.data.cohort._landmarks import load_landmarks
from autoreg_jax.data.cohort._preprocessing import Preprocessing
from autoreg_jax.data.datasets import Dataset, Subject, read_structures
from autoreg_jax.data.images import read_grid, read_labels, read_vectors
from autoreg_jax.data.simulation import true_displacement
from autoreg_jax.errors import DataError, GeometryError
from autoreg_jax.geometry import Grid

__all__ = ["Cohort", "load_cohort", "load_cohorts"]


@dataclass(frozen=True, eq=False)
class Cohort:
    """Subjects of one split.

    Attributes:
        names: Names of the n subjects.
        images: `(n, *space, 1)` float32 in [0, 1].
        labels: `(n, *space)` int32, 0 for the background and 1..K for `structures`;
            None without label maps.
        structures: Names of the K structures.
        affine: Voxel indices to world millimetres, RAS+, `(4, 4)`.
        spacing: Millimetres along each axis.
        velocity: `(n, *space, d)` float32, voxels; only for simulated subjects.
        landmarks: `(n, k, d)` float32, voxels, k corresponding points; None without.
        intensity: How `images` were scaled.
        modalities: Modality of each subject, None where unknown; may be empty.
        label_values: Values of the K structures in the label maps.
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
    label_values: tuple[int, ...] = ()

    def true_displacement(
        self, moving: int, fixed: int
    ) -> Float[np.ndarray, "*space d"]:
        """The true deformation between two simulated subjects.

        Args:
            moving: Index of the moving subject.
            fixed: Index of the fixed subject.

        Returns:
            u of ψ(x) = x + u(x), voxels, float32; moving(ψ(x)) shows the anatomy of
            fixed(x).

        Raises:
            DataError: If the subjects are not simulated.
        """
        if self.velocity is None:
            raise DataError(
                f"the true deformation of {self.names[moving]!r} and "
                f"{self.names[fixed]!r} is not known: it exists for simulated subjects "
                "only, those with the column 'velocity' in their dataset CSV."
            )
        return true_displacement(self.velocity[moving], self.velocity[fixed])


def load_cohort(dataset: Dataset, split: str, **options: Any) -> Cohort:
    """Load one split; the keywords are those of `load_cohorts`."""
    return load_cohorts(dataset, (split,), **options)[0]


def load_cohorts(
    dataset: Dataset,
    splits: Sequence[str],
    *,
    preprocessing: Preprocessing | None = None,
    label_values: Sequence[int] | None = None,
    atlas: str | None = None,
) -> list[Cohort]:
    """Load several splits; every file is read once.

    Args:
        dataset: From `read_dataset`.
        splits: Each one of `train`, `validation`, `test`.
        preprocessing: The grid to which images are resampled, and how. Default: all
            images of the dataset must lie on one grid, which is used.
        label_values: Values that become the classes 1..K in this order; others count as
            background. Default: all values of the dataset, in any split, sorted; this
            reads the label maps of the other splits, too.
        atlas: Name of a subject that is added to each split as its last subject, unless
            it is in it.

    Returns:
        All subjects of each split, intensities normalised one by one. Structures are
        named by `structures.csv` (`value,name`) beside the dataset, or else by their
        values. True velocities are kept only if no image had to be resampled.

    Raises:
        DataError: If a split has no subjects, there is no such atlas, a file cannot be
            used, an image is constant, or only some of the subjects of a split have
            label maps, velocities or landmarks.
        GeometryError: If an image, label map, mask or velocity is on the wrong grid, or
            an image does not overlap the grid.
    """
    if preprocessing is None:
        first = read_grid(dataset.subjects[0].image)
        preprocessing = Preprocessing(first.grid, template=first)
    groups = [dataset.complete_split(split, atlas) for split in splits]
    cohorts = [_allocate(group, preprocessing) for group in groups]
    has_labels = any(cohort.labels is not None for cohort in cohorts)
    to_image: dict[str, np.ndarray] = {}
    resampled: set[str] = set()
    values: set[int] = set()
    for subject in dataset.subjects:
        places = [
            (cohort, cohort.names.index(subject.name))
            for cohort in cohorts
            if subject.name in cohort.names
        ]
        if places:
            one = preprocessing.load(subject, with_labels=has_labels)
            to_image[subject.name] = one.to_image
            resampled |= {subject.name} if one.is_resampled else set()
            values.update(one.label_values)
            for cohort, place in places:
                cohort.images[place, ..., 0] = one.image
                if cohort.labels is not None:
                    cohort.labels[place] = one.labels
        elif has_labels and label_values is None and subject.labels is not None:
            values.update(np.unique(read_labels(subject.labels).array).tolist())
    classes = tuple(sorted(values - {0}) if label_values is None else label_values)
    structures: dict[int, str] = {}
    if has_labels:
        names = read_structures(dataset, classes)
        structures = dict(zip(classes, names, strict=True))
    return [
        _complete(cohort, group, structures, resampled, to_image)
        for cohort, group in zip(cohorts, groups, strict=True)
    ]


def _allocate(subjects: tuple[Subject, ...], preprocessing: Preprocessing) -> Cohort:
    """A cohort of empty images and label maps."""
    grid = preprocessing.grid
    shape = (len(subjects), *grid.shape)
    return Cohort(
        names=tuple(subject.name for subject in subjects),
        images=np.empty((*shape, 1), np.float32),
        labels=None if subjects[0].labels is None else np.zeros(shape, np.int32),
        structures=(),
        affine=grid.affine,
        spacing=grid.spacing,
        intensity=preprocessing.intensity,
        modalities=tuple(subject.modality for subject in subjects),
    )


def _complete(
    cohort: Cohort,
    subjects: tuple[Subject, ...],
    structures: Mapping[int, str],
    resampled: set[str],
    to_image: Mapping[str, np.ndarray],
) -> Cohort:
    """Number the classes of a cohort; add true velocities and landmarks."""
    grid = Grid(cohort.images.shape[1:-1], cohort.affine)
    velocity = landmarks = None
    if cohort.labels is not None:
        for one in cohort.labels:
            one[...] = _numbered(one, tuple(structures))
        cohort = replace(
            cohort,
            structures=tuple(structures.values()),
            label_values=tuple(structures),
        )
    if subjects[0].velocity and resampled.isdisjoint(cohort.names):
        velocity = _load_velocity(subjects, grid)
    if subjects[0].landmarks:
        matrices = [to_image[name] for name in cohort.names]
        landmarks = load_landmarks(subjects, grid, matrices)
    return replace(cohort, velocity=velocity, landmarks=landmarks)


def _numbered(
    labels: Int[np.ndarray, "*space"], values: Sequence[int]
) -> Int[np.ndarray, "*space"]:
    """Places of labels among the values, from 1; 0 for others."""
    if not values:
        return np.zeros_like(labels)
    # No table of all numbers: those of the Allen atlas go up to 614,454,277.
    order = np.argsort(values)
    ordered = np.asarray(values, np.int32)[order]
    places = np.minimum(np.searchsorted(ordered, labels), len(values) - 1)
    return np.where(ordered[places] == labels, order[places] + 1, 0)


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
