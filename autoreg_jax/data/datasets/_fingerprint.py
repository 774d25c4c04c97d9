"""What a dataset is like: grids, positions, contrasts, labels."""

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from nibabel.orientations import aff2axcodes

from autoreg_jax.data.cohort._working import check_contrast
from autoreg_jax.data.datasets._companions import (
    check_complete,
    read_foreground,
    read_mask,
)
from autoreg_jax.data.datasets._dataset import Dataset, Subject
from autoreg_jax.data.datasets._names import scan_parts, stem
from autoreg_jax.data.images._content import Content, content_of, thumbnail
from autoreg_jax.data.images._reading import read_grid, read_image
from autoreg_jax.errors import GeometryError
from autoreg_jax.geometry import Grid, Volume

__all__ = ["MOST_IMAGES", "Fingerprint", "Relation", "Scan", "fingerprint"]

# So many images are looked at; of the others only the headers are read.
MOST_IMAGES = 24
# Hounsfield units: air is -1000, and few scanners write less than -1024 for outside.
_AIR = -900.0
# Correlations over fewer voxels of two thumbnails mean nothing.
_FEWEST_VOXELS = 30


@dataclass(frozen=True, eq=False)
class Scan:
    """One image of the sample.

    Attributes:
        subject: Whose it is.
        grid: Its grid.
        content: What it shows.
        labels: Values of its label map without the background; None without one.
    """

    subject: Subject
    grid: Grid
    content: Content
    labels: tuple[int, ...] | None

    @property
    def orientation(self) -> str:
        """Where its axes point, as "RAS"."""
        return "".join(aff2axcodes(self.grid.affine))

    @property
    def modality(self) -> str:
        """As the dataset or the file is named, else `ct` by its values or `unknown`."""
        named = self.subject.modality or scan_parts(stem(self.subject.image))[1]
        looks_like_ct = self.content.quantiles[0] <= _AIR
        return named.lower() if named else "ct" if looks_like_ct else "unknown"


class Relation(NamedTuple):
    """How the grey values of two images correlate, over pairs of images.

    Attributes:
        median: Of the pairs.
        quartile: Below which a quarter of the pairs lie.
    """

    median: float
    quartile: float


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """What a dataset is like.

    Attributes:
        dataset: The dataset.
        scans: The images that were looked at, evenly spread over the dataset.
        has_one_grid: Whether all images lie on the grid of the first.
        shapes: Smallest and largest number of voxels on each axis, over all images.
        relations: Correlation of grey values by pair of modalities, where both images
            show something when laid on one another by their centres of mass.
        overlap: Median and smallest part of the field of view that an image shares
            with another.
    """

    dataset: Dataset
    scans: tuple[Scan, ...]
    has_one_grid: bool
    shapes: tuple[tuple[int, ...], tuple[int, ...]]
    relations: dict[tuple[str, str], Relation]
    overlap: tuple[float, float]

    @property
    def ndim(self) -> int:
        """2 or 3."""
        return self.scans[0].grid.ndim

    @property
    def modalities(self) -> Counter[str]:
        """How many of the images looked at have each modality."""
        return Counter(scan.modality for scan in self.scans)

    @property
    def orientations(self) -> Counter[str]:
        """How many of the images looked at have each orientation."""
        return Counter(scan.orientation for scan in self.scans)

    @property
    def labels(self) -> tuple[int, ...]:
        """Label values that were seen."""
        return tuple(sorted({v for scan in self.scans for v in scan.labels or ()}))

    @property
    def reference(self) -> Scan:
        """The image whose position and size are closest to those of the others."""
        corners = np.stack([[s.content.low, s.content.high] for s in self.scans])
        distance = np.abs(corners - np.median(corners, 0)).sum((1, 2))
        is_train = np.asarray([s.subject.split == "train" for s in self.scans])
        return self.scans[int(np.argmin(np.where(is_train, distance, np.inf)))]

    def distances_mm(self) -> Float[np.ndarray, " n"]:
        """Of the centres of mass from that of the reference."""
        centres = np.stack([scan.content.centre for scan in self.scans])
        return np.linalg.norm(centres - self.reference.content.centre, axis=-1)

    def size_differences(self) -> Float[np.ndarray, " n"]:
        """Largest relative difference of an extent from the median, of each image."""
        sizes = np.stack([scan.content.size for scan in self.scans])
        middle = np.median(sizes, 0)
        used = middle > 1e-3 * middle.max()  # not across a plane
        return np.abs(sizes[:, used] / middle[used] - 1).max(1)


def fingerprint(
    dataset: Dataset, advance: Callable[[], None] = lambda: None
) -> Fingerprint:
    """Look at a dataset.

    Args:
        dataset: From `read_dataset`.
        advance: Called after each image.

    Returns:
        What it is like. Headers of all images are read, and voxels of up to 24.

    Raises:
        DataError: If a file cannot be used, or an image shows nothing.
        GeometryError: If an affine is singular, a label map is on another grid than its
            image, or there are both planes and volumes.
    """
    check_complete(dataset)
    grids = [Volume(*read_grid(s.image), s.image) for s in dataset.subjects]
    first = grids[0]
    for other in grids:
        if other.ndim != first.ndim:
            raise GeometryError(
                f"{other.path} has {other.ndim} axes, {first.path} has {first.ndim}; a "
                "dataset is of slices alone or of volumes alone."
            )
    chosen = _sample(dataset.subjects)
    scans = []
    for subject in chosen:
        scans.append(_look(subject))
        advance()
    shapes = np.asarray([grid.shape for grid in grids])
    return Fingerprint(
        dataset=dataset,
        scans=tuple(scans),
        has_one_grid=all(first.grid.matches(one.grid) for one in grids),
        shapes=(tuple(shapes.min(0).tolist()), tuple(shapes.max(0).tolist())),
        relations=_relations(scans),
        overlap=_overlap(scans),
    )


def _sample(subjects: Sequence[Subject]) -> list[Subject]:
    """Evenly spread images, all modalities among them."""
    by_modality: dict[str | None, list[Subject]] = {}
    for subject in subjects:
        by_modality.setdefault(subject.modality, []).append(subject)
    share = max(2, MOST_IMAGES // len(by_modality))
    chosen: list[Subject] = []
    for group in by_modality.values():
        places = np.linspace(0, len(group) - 1, min(share, len(group)))
        chosen += [group[int(place)] for place in places]
    if not any(subject.split == "train" for subject in chosen):
        chosen += [s for s in subjects if s.split == "train"][:1]
    return chosen


def _look(subject: Subject) -> Scan:
    image = read_image(subject.image)
    check_contrast(image)
    mask, labels = read_mask(subject, image), None
    if subject.labels is not None:
        stored = read_foreground(subject.labels, image)
        labels = tuple(int(v) for v in np.unique(stored.array) if v)
    return Scan(subject, image.grid, content_of(image, mask), labels)


def _relations(scans: Sequence[Scan]) -> dict[tuple[str, str], Relation]:
    size = float(np.median([scan.content.size.max() for scan in scans]))
    small = [thumbnail(scan.content, 1.2 * size) for scan in scans]
    found: dict[tuple[str, str], list[float]] = {}
    for (one, a), (other, b) in itertools.combinations(
        zip(scans, small, strict=True), 2
    ):
        both = (a > 0.1) & (b > 0.1)
        if both.sum() < _FEWEST_VOXELS or not (np.ptp(a[both]) and np.ptp(b[both])):
            continue
        names = sorted((one.modality, other.modality))
        value = float(np.corrcoef(a[both], b[both])[0, 1])
        found.setdefault((names[0], names[1]), []).append(value)
    return {
        names: Relation(*map(float, np.quantile(values, [0.5, 0.25])))
        for names, values in found.items()
    }


def _overlap(scans: Sequence[Scan]) -> tuple[float, float]:
    """Parts of fields of view that are in those of the next in a ring."""
    parts = [
        _inside(one.grid, other.grid)
        for one, other in zip(scans, [*scans[1:], scans[0]], strict=True)
    ]
    return float(np.median(parts)), float(np.min(parts))


def _inside(one: Grid, other: Grid) -> float:
    """Part of the voxels of one grid that lie in the field of view of another."""
    places = [np.linspace(-0.5, size - 0.5, 9) for size in one.shape]
    points = np.stack(np.meshgrid(*places, indexing="ij"), -1).reshape(-1, one.ndim)
    matrix = one.index_matrix(other)
    index = points @ matrix[:-1, :-1].T + matrix[:-1, -1]
    limits = np.asarray(other.shape) - 0.5
    # A hundredth of a voxel: two equal grids overlap wholly in spite of rounding.
    is_in = (index >= -0.51) & (index <= limits + 0.01)
    return float(is_in.all(-1).mean())
