"""Fingerprint of a dataset: grids, positions, contrasts, labels."""

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from autoreg_jax.data.datasets._dataset import Dataset, PairList, Subject
from autoreg_jax.data.datasets._names import scan_parts, stem
from autoreg_jax.data.images import (
    STRAIGHT,
    Content,
    check_contrast,
    content_of,
    read_grid,
    read_image,
    read_labels,
    read_mask,
    shared_contrast,
)
from autoreg_jax.errors import GeometryError
from autoreg_jax.geometry import Grid

__all__ = ["MOST_IMAGES", "Fingerprint", "Relation", "Scan", "fingerprint"]

# Voxels of at most so many images are read; of the others only the headers.
MOST_IMAGES = 24
# Hounsfield units: air is -1000, and few scanners write less than -1024 for outside.
_AIR = -900.0


@dataclass(frozen=True, eq=False)
class Scan:
    """One image of the sample.

    Attributes:
        subject: Its subject.
        grid: Its grid.
        content: What it shows.
    """

    subject: Subject
    grid: Grid
    content: Content

    @property
    def orientation(self) -> str:
        """Directions of its axes, as "RAS"."""
        return self.grid.axcodes

    @property
    def modality(self) -> str:
        """From the dataset or the file name, else `ct` by its values or `unknown`."""
        named = self.subject.modality or scan_parts(stem(self.subject.image))[1]
        looks_like_ct = self.content.quantiles[0] <= _AIR
        return named.lower() if named else "ct" if looks_like_ct else "unknown"


class Relation(NamedTuple):
    """`Contrast.straight` of two images, over pairs of images.

    Attributes:
        median: Median over the pairs.
        quartile: First quartile over the pairs.
    """

    median: float
    quartile: float

    @property
    def is_one_contrast(self) -> bool:
        """Whether three quarters of the pairs have one contrast."""
        return self.quartile >= STRAIGHT


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """What was measured on a dataset.

    Attributes:
        dataset: The dataset.
        scans: The sampled images, evenly spread over the dataset.
        has_one_grid: Whether all images lie on the grid of the first.
        shapes: Smallest and largest number of voxels on each axis, over all images.
        relations: How alike grey values are, by pair of modalities; where pairs are
            listed, over these alone.
        overlap: Median and smallest fraction of the field of view that an image shares
            with another.
        label_values: Values of the label maps of `scans` without the background 0.
    """

    dataset: Dataset
    scans: tuple[Scan, ...]
    has_one_grid: bool
    shapes: tuple[tuple[int, ...], tuple[int, ...]]
    relations: dict[tuple[str, str], Relation]
    overlap: tuple[float, float]
    label_values: tuple[int, ...]

    @property
    def ndim(self) -> int:
        """2 or 3."""
        return self.scans[0].grid.ndim

    @property
    def modalities(self) -> Counter[str]:
        """Number of sampled images of each modality."""
        return Counter(scan.modality for scan in self.scans)

    @property
    def orientations(self) -> Counter[str]:
        """Number of sampled images of each orientation."""
        return Counter(scan.orientation for scan in self.scans)

    @property
    def reference(self) -> Scan:
        """The training image whose position and size are closest to the median.

        Any image where none is for training.
        """
        corners = np.stack([[s.content.low, s.content.high] for s in self.scans])
        distance = np.abs(corners - np.median(corners, 0)).sum((1, 2))
        is_train = np.asarray([s.subject.split == "train" for s in self.scans])
        is_used = is_train if is_train.any() else ~is_train
        return self.scans[int(np.argmin(np.where(is_used, distance, np.inf)))]

    def distances_mm(self) -> Float[np.ndarray, " n"]:
        """Distances of the centres of mass from that of the reference, mm."""
        centres = np.stack([scan.content.centre for scan in self.scans])
        return np.linalg.norm(centres - self.reference.content.centre, axis=-1)

    def size_differences(self) -> Float[np.ndarray, " n"]:
        """Largest relative difference of the extents of each image from the median."""
        sizes = np.stack([scan.content.size for scan in self.scans])
        middle = np.median(sizes, 0)
        used = middle > 1e-3 * middle.max()  # not across a plane
        return np.abs(sizes[:, used] / middle[used] - 1).max(1)


def fingerprint(
    dataset: Dataset,
    advance: Callable[[], None] = lambda: None,
    *,
    with_labels: bool = True,
) -> Fingerprint:
    """Measure a dataset: headers of all images, voxels of up to 24.

    Args:
        dataset: From `read_dataset`.
        advance: Called after each image of the sample.
        with_labels: Read the label maps of the sample. Without, `label_values` is
            empty: for those who load the dataset anyway.

    Returns:
        The measurements.

    Raises:
        DataError: If a file cannot be used, an image is constant, or only some of the
            subjects of a split have label maps, velocities or landmarks.
        GeometryError: If an affine is singular, a mask or label map is on another grid
            than its image, or there are both planes and volumes.
    """
    for split in dict.fromkeys(subject.split for subject in dataset.subjects):
        dataset.complete_split(split)
    grids = [read_grid(subject.image) for subject in dataset.subjects]
    first = grids[0]
    for other in grids:
        if other.ndim != first.ndim:
            raise GeometryError(
                f"{other.path} has {other.ndim} axes, {first.path} has {first.ndim}; a "
                "dataset must contain slices alone or volumes alone."
            )
    scans, values = [], set()
    for subject in _sample(dataset):
        image = read_image(subject.image)
        check_contrast(image)
        mask = None if subject.mask is None else read_mask(subject.mask, image)
        if with_labels and subject.labels is not None:
            values.update(np.unique(read_labels(subject.labels, image).array).tolist())
        scans.append(Scan(subject, image.grid, content_of(image, mask)))
        advance()
    shapes = np.asarray([grid.shape for grid in grids])
    return Fingerprint(
        dataset=dataset,
        scans=tuple(scans),
        has_one_grid=all(first.grid.matches(one.grid) for one in grids),
        shapes=(tuple(shapes.min(0).tolist()), tuple(shapes.max(0).tolist())),
        relations=_relations(scans, dataset.pair_list),
        overlap=_shared_field_of_view(scans),
        label_values=tuple(sorted(values - {0})),
    )


def _sample(dataset: Dataset) -> list[Subject]:
    """Evenly spread images of all modalities, or of listed pairs both images."""
    subjects = dataset.subjects
    if dataset.pair_list is not None:
        pairs = dataset.pair_list.pairs
        places = np.linspace(0, len(pairs) - 1, min(MOST_IMAGES // 2, len(pairs)))
        names = {name for place in places for name in pairs[int(place)]}
        chosen = [subject for subject in subjects if subject.name in names]
        return _with_training(chosen, subjects)
    by_modality: dict[str | None, list[Subject]] = {}
    for subject in subjects:
        by_modality.setdefault(subject.modality, []).append(subject)
    share = max(2, MOST_IMAGES // len(by_modality))
    chosen = []
    for group in by_modality.values():
        places = np.linspace(0, len(group) - 1, min(share, len(group)))
        chosen += [group[int(place)] for place in places]
    return _with_training(chosen, subjects)


def _with_training(
    chosen: Sequence[Subject], subjects: Sequence[Subject]
) -> list[Subject]:
    """The chosen images, and one for training if they are all for other splits."""
    has_training = any(subject.split == "train" for subject in chosen)
    more = [] if has_training else [s for s in subjects if s.split == "train"][:1]
    return [*chosen, *more]


def _relations(
    scans: Sequence[Scan], listed: PairList | None
) -> dict[tuple[str, str], Relation]:
    found: dict[tuple[str, str], list[float]] = {}
    pairs = None if listed is None else {frozenset(pair) for pair in listed.pairs}
    for one, other in itertools.combinations(scans, 2):
        if pairs is not None and {one.subject.name, other.subject.name} not in pairs:
            continue
        contrast = shared_contrast(one.content, other.content)
        if contrast is None:
            continue
        names = sorted((one.modality, other.modality))
        found.setdefault((names[0], names[1]), []).append(contrast.straight)
    return {
        names: Relation(*map(float, np.quantile(values, [0.5, 0.25])))
        for names, values in found.items()
    }


def _shared_field_of_view(scans: Sequence[Scan]) -> tuple[float, float]:
    """Median and smallest fraction of a field of view inside that of the next scan."""
    parts = [
        _fraction_inside(one.grid, other.grid)
        for one, other in zip(scans, [*scans[1:], scans[0]], strict=True)
    ]
    return float(np.median(parts)), float(np.min(parts))


def _fraction_inside(one: Grid, other: Grid) -> float:
    """Fraction of one field of view that lies inside of another."""
    places = [np.linspace(-0.5, size - 0.5, 9) for size in one.shape]
    points = np.stack(np.meshgrid(*places, indexing="ij"), -1).reshape(-1, one.ndim)
    matrix = one.index_matrix(other)
    index = points @ matrix[:-1, :-1].T + matrix[:-1, -1]
    limits = np.asarray(other.shape) - 0.5
    # A hundredth of a voxel, so that equal grids overlap fully in spite of rounding.
    is_in = (index >= -0.51) & (index <= limits + 0.01)
    return float(is_in.all(-1).mean())
