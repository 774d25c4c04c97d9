"""Loads the splits of a dataset: into memory, or through the cache on disk."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from autoreg_jax.data.cohort._cache import ImageCache
from autoreg_jax.data.cohort._cohort import Cohort
from autoreg_jax.data.cohort._entry import CachedSubject
from autoreg_jax.data.cohort._landmarks import correspondence, load_landmarks
from autoreg_jax.data.cohort._preprocessing import Preprocessed, Preprocessing
from autoreg_jax.data.cohort._stored import StoredArray
from autoreg_jax.data.datasets import Dataset, PairList, Subject, read_structures
from autoreg_jax.data.images import read_grid, read_labels, read_vectors
from autoreg_jax.errors import GeometryError
from autoreg_jax.geometry import Grid

__all__ = ["load_cohort", "load_cohorts"]

# What is known of a subject besides its arrays.
_Facts = Mapping[str, Preprocessed | CachedSubject]


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
    cache: ImageCache | None = None,
    advance: Callable[[], object] = lambda: None,
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
        cache: Where images and label maps of the splits are kept if they take more
            memory than it allows; the arrays of the cohorts are then read from it on
            demand. Default: they are all kept in memory.
        advance: Called after each subject.

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
        ArtifactError: If the cache cannot be written or read.
    """
    if preprocessing is None:
        first = read_grid(dataset.subjects[0].image)
        preprocessing = Preprocessing(first.grid, template=first)
    groups = [dataset.complete_split(split, atlas) for split in splits]
    cohorts = [
        replace(_empty(group, preprocessing), pairs=_pairs(group, dataset.pair_list))
        for group in groups
    ]
    has_labels = any(group[0].labels is not None for group in groups)
    if cache is not None and sum(cohort.nbytes for cohort in cohorts) > cache.above:
        wanted = {subject.name for group in groups for subject in group}
        facts: dict[str, Any] = {}
        for subject in cache.in_turn(dataset.subjects):
            if subject.name in wanted or (has_labels and subject.labels is not None):
                facts[subject.name] = cache.keep(
                    subject, preprocessing, with_labels=has_labels
                )
                advance()
        classes = _classes(label_values, [one.label_values for one in facts.values()])
        cohorts = [_on_disk(cohort, facts, classes) for cohort in cohorts]
    else:
        cohorts = [_allocated(cohort) for cohort in cohorts]
        facts, values = {}, []
        for subject in dataset.subjects:
            places = [c for c in cohorts if subject.name in c.names]
            if places:
                one = preprocessing.load(subject, with_labels=has_labels)
                _put(subject.name, one, places)
                facts[subject.name] = one._replace(image=None, labels=None)
                values.append(one.label_values)
                advance()
            elif has_labels and label_values is None and subject.labels is not None:
                stored = read_labels(subject.labels).array
                values.append(np.unique(stored).tolist())
        classes = _classes(label_values, values)
        for cohort in cohorts:
            for one in () if cohort.labels is None else cohort.labels:
                one[...] = _numbered(one, classes)
    structures = read_structures(dataset, classes) if has_labels else ()
    cohorts = [
        cohort
        if cohort.labels is None
        else replace(cohort, structures=structures, label_values=classes)
        for cohort in cohorts
    ]
    return [
        _complete(cohort, group, facts, dataset.pair_list)
        for cohort, group in zip(cohorts, groups, strict=True)
    ]


def _classes(
    label_values: Sequence[int] | None, found: Sequence[Sequence[int]]
) -> tuple[int, ...]:
    if label_values is not None:
        return tuple(label_values)
    return tuple(sorted({value for values in found for value in values} - {0}))


def _empty(subjects: tuple[Subject, ...], preprocessing: Preprocessing) -> Cohort:
    """A cohort whose arrays have a shape and no content."""
    grid = preprocessing.grid
    shape = (len(subjects), *grid.shape)
    channels = subjects[0].channels
    images = StoredArray((*shape, channels), np.dtype(np.float32), _no_array)
    labels = StoredArray(shape, np.dtype(np.int32), _no_array)
    return Cohort(
        names=tuple(subject.name for subject in subjects),
        images=images,
        labels=None if subjects[0].labels is None else labels,
        structures=(),
        affine=grid.affine,
        spacing=grid.spacing,
        intensity=preprocessing.intensity,
        modalities=tuple(subject.modality for subject in subjects),
        people=tuple(subject.person for subject in subjects),
    )


def _pairs(
    subjects: Sequence[Subject], listed: PairList | None
) -> tuple[tuple[int, int], ...] | None:
    """Indices of the listed pairs of a split, whatever the order of the list."""
    if listed is None:
        return None
    places = {subject.name: place for place, subject in enumerate(subjects)}
    return tuple(
        sorted(
            (places[moving], places[fixed])
            for moving, fixed in listed.pairs
            if moving in places and fixed in places
        )
    )


def _no_array(place: int) -> np.ndarray:
    raise ValueError(f"subject {place} of an empty cohort has no array yet.")


def _allocated(cohort: Cohort) -> Cohort:
    """The cohort with arrays in memory, to be filled."""
    labels = None if cohort.labels is None else np.zeros(cohort.labels.shape, np.int32)
    return replace(
        cohort, images=np.empty(cohort.images.shape, np.float32), labels=labels
    )


def _put(name: str, one: Preprocessed, cohorts: Sequence[Cohort]) -> None:
    """Copy a subject to its place in the arrays of cohorts in memory."""
    for cohort in cohorts:
        place = cohort.names.index(name)
        np.asarray(cohort.images)[place] = one.image
        if cohort.labels is not None:
            np.asarray(cohort.labels)[place] = one.labels


def _on_disk(
    cohort: Cohort, entries: Mapping[str, CachedSubject], classes: Sequence[int]
) -> Cohort:
    """The cohort with arrays that are read from the cache."""
    own = [entries[name] for name in cohort.names]

    def image(place: int) -> np.ndarray:
        return own[place].image()

    def label_map(place: int) -> np.ndarray:
        return own[place].labels(classes)

    images = StoredArray(cohort.images.shape, np.dtype(np.float32), image)
    if cohort.labels is None:
        return replace(cohort, images=images)
    labels = StoredArray(cohort.labels.shape, np.dtype(np.int32), label_map)
    return replace(cohort, images=images, labels=labels)


def _complete(
    cohort: Cohort,
    subjects: tuple[Subject, ...],
    facts: _Facts,
    listed: PairList | None,
) -> Cohort:
    """The cohort with true velocities and landmarks, if there are any."""
    grid = Grid(cohort.images.shape[1:-1], cohort.affine)
    velocity = landmarks = groups = None
    is_resampled = any(facts[name].is_resampled for name in cohort.names)
    if subjects[0].velocity and not is_resampled:
        shape = (len(subjects), *grid.shape, grid.ndim)
        read = partial(_read_velocity, subjects, grid)
        velocity = StoredArray(shape, np.dtype(np.float32), read)
        if isinstance(cohort.images, np.ndarray):
            velocity = np.asarray(velocity)
    if subjects[0].landmarks:
        matrices = [facts[name].to_image for name in cohort.names]
        together = correspondence(subjects, listed)
        landmarks, groups = load_landmarks(subjects, grid, matrices, together)
    return replace(
        cohort, velocity=velocity, landmarks=landmarks, landmark_groups=groups
    )


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


def _read_velocity(
    subjects: tuple[Subject, ...], grid: Grid, place: int
) -> Float[np.ndarray, "*space d"]:
    """Velocity of a simulated subject."""
    subject = subjects[place]
    vectors = read_vectors(str(subject.velocity))
    if vectors.shape != (*grid.shape, grid.ndim):
        raise GeometryError(
            f"{subject.velocity} has the shape {vectors.shape}, its image "
            f"{subject.image} has {grid.shape}: make the population again."
        )
    return vectors
