"""Finds images that appear twice in a dataset, by their files or by their voxels."""

import gzip
import hashlib
import warnings
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path

import nibabel
import numpy as np

from autoreg_jax.data.datasets._dataset import Dataset, Subject
from autoreg_jax.data.images import read_image
from autoreg_jax.errors import AutoRegError, DataError, ImageWarning

__all__ = ["check_images"]

# So many changes of value from voxel to voxel are compared before all voxels are, and
# so many bytes are read at once to find them.
_CHANGES, _BYTES = 512, 1 << 16


def check_images(dataset: Dataset) -> None:
    """Refuse an image that is in two splits; warn if it is in one split twice.

    Images are the same if their files are, or their voxels, whatever their headers,
    names, formats and compression. Of each file only as much is read as it takes to
    see that it differs from all others.

    Args:
        dataset: The subjects.

    Warns:
        ImageWarning: If a split has an image twice, or images in several splits have
            the same file of labels.

    Raises:
        DataError: If an image is in two splits; names both subjects and files.
    """
    subjects = dataset.subjects
    for one, other, what in _twins([subject.image for subject in subjects]):
        _report(dataset, subjects[one], subjects[other], what)
    _warn_of_shared_labels(dataset)


def _warn_of_shared_labels(dataset: Dataset) -> None:
    """Warn if subjects of several splits have the same file of labels."""
    found: dict[Path, dict[str, Subject]] = {}
    for subject in dataset.subjects:
        if subject.labels is not None:
            by_split = found.setdefault(subject.labels.resolve(), {})
            by_split.setdefault(subject.split, subject)
    shared = [(file, by_split) for file, by_split in found.items() if len(by_split) > 1]
    if shared:
        file, by_split = shared[0]
        names = " and ".join(f"{s.name!r} ({split})" for split, s in by_split.items())
        more = f", and {len(shared) - 1} more files" if len(shared) > 1 else ""
        warnings.warn(
            f"{dataset.path}: the subjects {names} have the same label map, {file}"
            f"{more}. Their overlap is complete before any registration; correct the "
            "files, or leave the labels out.",
            ImageWarning,
            stacklevel=4,
        )


def _twins(files: Sequence[Path]) -> Iterator[tuple[int, int, str]]:
    """Places of files that are the same, and in what; the first of them comes first."""
    by_file: dict[Hashable, list[int]] = {}
    for place, file in enumerate(files):
        state = file.stat()
        by_file.setdefault((state.st_dev, state.st_ino), []).append(place)
    for first, *others in by_file.values():
        yield from ((first, other, "the same file") for other in others)
    by_start: dict[Hashable, list[int]] = {}
    for first, *_ in by_file.values():
        start = _first_changes(files[first])
        if start is not None:
            by_start.setdefault(start, []).append(first)
    for alike in by_start.values():
        different = alike[:1]
        for other in alike[1:]:
            same = [n for n in different if _have_equal_voxels(files[n], files[other])]
            if same:
                yield same[0], other, "equal voxels"
            else:
                different.append(other)


def _report(dataset: Dataset, one: Subject, other: Subject, what: str) -> None:
    text = (
        f"{dataset.path}: the subjects {one.name!r} ({one.split}) and {other.name!r} "
        f"({other.split}) have {what}: {one.image} and {other.image}"
    )
    if one.split != other.split:
        raise DataError(
            f"{text}. An image may be in one split only; remove it from one of them."
        )
    warnings.warn(
        f"{text}; remove one, unless it should count twice.", ImageWarning, stacklevel=4
    )


def _first_changes(file: Path) -> Hashable | None:
    """What equal images have in common; None for one that nothing can be said of."""
    try:
        shape, start = _of_proxy(file)
    except Exception:  # another format, or not the one that the name says
        try:
            with warnings.catch_warnings(action="ignore"):
                array = read_image(file).array
        except AutoRegError:  # its reader says it better
            content = file.read_bytes()
            return hashlib.sha256(content).digest() if content else None
        shape, start = array.shape, _changes(array.ravel(order="F"))
    while shape[-1:] == (1,):
        shape = shape[:-1]
    first = start[:_CHANGES].astype(np.float32).tobytes()
    return (shape, first) if first else None


def _of_proxy(file: Path) -> tuple[tuple[int, ...], np.ndarray]:
    """Shape and first changes of a file of NIfTI or FreeSurfer, read as far as that."""
    with warnings.catch_warnings(action="ignore"):
        proxy = nibabel.load(file).dataobj  # pyright: ignore
    with file.open("rb") as stored:
        is_compressed = stored.read(2) == b"\x1f\x8b"
    with gzip.open(file) if is_compressed else file.open("rb") as voxels:
        voxels.seek(proxy.offset)
        changes, last = np.empty(0), np.empty(0)
        while len(changes) < _CHANGES and (chunk := voxels.read(_BYTES)):
            values = np.frombuffer(chunk, proxy.dtype) * proxy.slope + proxy.inter
            values = np.append(last, values)
            changes = np.append(changes, _changes(values))
            last = values[-1:]
    return tuple(proxy.shape), changes


def _changes(values: np.ndarray) -> np.ndarray:
    """Values that differ from the one before."""
    return values[1:][values[1:] != values[:-1]]


def _have_equal_voxels(one: Path, other: Path) -> bool:
    try:
        with warnings.catch_warnings(action="ignore"):
            return np.array_equal(read_image(one).array, read_image(other).array)
    except AutoRegError:
        return False
