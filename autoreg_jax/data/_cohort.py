"""One split of a dataset in memory, on one grid, ready for the device."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from autoreg_jax.data._dataset import Dataset, Subject, read_table
from autoreg_jax.data._flow import compose, exponential
from autoreg_jax.data._intensity import normalize_intensity
from autoreg_jax.data._landmarks import load_landmarks
from autoreg_jax.data._reading import read_image, read_labels, read_vectors
from autoreg_jax.data._volume import Volume, grid_distance
from autoreg_jax.errors import DataError, GeometryError

__all__ = ["STRUCTURES_FILE", "Cohort", "label_values", "load_cohort"]

STRUCTURES_FILE = "structures.csv"

# Header affines are float32 and pass through many tools; a hundredth of a voxel is
# rounding, not geometry.
TOLERANCE_VOXELS = 0.01


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
    atlas: str | None = None,
) -> Cohort:
    """Load one split.

    Args:
        dataset: From `read_dataset`.
        split: `train`, `validation` or `test`.
        label_values: Values that become the classes 1..K in this order; others count as
            background. By default all that occur in the dataset, in any split.
        atlas: Name of a subject of any split that is loaded with this one, as its last
            subject if it is of another.

    Returns:
        All subjects of the split, intensities normalised one by one. Structures take
        their names from `structures.csv` (`value,name`) beside the dataset CSV; without
        it, or where it has no line for a value, the value is the name.

    Raises:
        DataError: If the split has no subjects, there is no such atlas, a file cannot
            be used, or only some of the subjects have label maps or landmarks.
        GeometryError: If an image is on another grid than the first of the dataset, or
            a label map or velocity on another than its image.
    """
    own = dataset.split(split)
    subjects = own if atlas is None else _with_atlas(dataset, own, atlas)
    reference = read_image(dataset.subjects[0].image)
    images = np.empty((len(subjects), *reference.shape, 1), np.float32)
    for index, subject in enumerate(subjects):
        image = read_image(subject.image)
        _check_grid(
            reference, image, "all images of a dataset share one grid; resample one"
        )
        images[index, ..., 0] = normalize_intensity(image.array)

    labels, structures = None, ()
    if _all_have(dataset, own, subjects, "labels"):
        values = _label_values(dataset) if label_values is None else tuple(label_values)
        labels = _load_labels(subjects, reference, values)
        structures = _structure_names(dataset.path.parent / STRUCTURES_FILE, values)
    velocity = None
    if _all_have(dataset, own, subjects, "velocity"):
        velocity = _load_velocity(subjects, reference)
    landmarks = None
    if _all_have(dataset, own, subjects, "landmarks"):
        landmarks = load_landmarks(subjects, reference)
    return Cohort(
        names=tuple(subject.name for subject in subjects),
        images=images,
        labels=labels,
        structures=structures,
        affine=reference.affine,
        spacing=reference.spacing,
        velocity=velocity,
        landmarks=landmarks,
        modalities=tuple(subject.modality for subject in subjects),
    )


# `load_cohort` has a keyword of the same name.
_label_values = label_values


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
    return all(_all_or_none(dataset, group, column) for group in (own, subjects))


def _all_or_none(dataset: Dataset, subjects: tuple[Subject, ...], column: str) -> bool:
    """Whether the subjects have this file; refuse the case that only some have it."""
    without = [s.name for s in subjects if getattr(s, column) is None]
    if without and len(without) < len(subjects):
        raise DataError(
            f"{dataset.path}: in the split {subjects[0].split!r} the subject "
            f"{without[0]!r} has no {column} and others have; give all of them or none."
        )
    return not without


def _check_grid(one: Volume, other: Volume, rule: str) -> None:
    """Refuse two volumes on different grids."""
    if one.shape != other.shape:
        raise GeometryError(
            f"{other.path} has the shape {other.shape}, {one.path} has {one.shape}: "
            f"{rule}."
        )
    distance = grid_distance(one, other)
    if distance > TOLERANCE_VOXELS:
        raise GeometryError(
            f"{other.path} lies {distance * min(one.spacing):.3g} mm away from "
            f"{one.path} by their affines: {rule}, or correct its header."
        )


def _load_labels(
    subjects: tuple[Subject, ...], reference: Volume, values: tuple[int, ...]
) -> Int[np.ndarray, "n *space"]:
    """Label maps as class indices."""
    labels = np.zeros((len(subjects), *reference.shape), np.int32)
    for index, subject in enumerate(subjects):
        stored = read_labels(str(subject.labels))
        rule = (
            "a label map is on the grid of its image; resample it by nearest neighbour"
        )
        image = Volume(reference.array, reference.affine, subject.image)
        _check_grid(image, stored, rule)
        classes = np.zeros(max(*values, stored.array.max(), 0) + 1, np.int32)
        classes[list(values)] = np.arange(1, len(values) + 1)
        labels[index] = classes[stored.array]
    return labels


def _load_velocity(
    subjects: tuple[Subject, ...], reference: Volume
) -> Float[np.ndarray, "n *space d"]:
    """Velocities of simulated subjects."""
    fields = [read_vectors(str(subject.velocity)) for subject in subjects]
    for subject, field in zip(subjects, fields, strict=True):
        if field.shape != (*reference.shape, reference.ndim):
            raise GeometryError(
                f"{subject.velocity} has the shape {field.shape}, its image "
                f"{subject.image} has {reference.shape}: make the population again."
            )
    return np.stack(fields)


def _structure_names(path: Path, values: tuple[int, ...]) -> tuple[str, ...]:
    """Names of label values; a value without a name is its own."""
    names: dict[str, str] = {}
    if path.exists():
        names = {
            row["value"]: row["name"] for _, row in read_table(path, ("value", "name"))
        }
    return tuple(names.get(str(value), str(value)) for value in values)
