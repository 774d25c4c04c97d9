"""Finds images that appear twice in a dataset, by their files or by their voxels."""

import gzip
import hashlib
import warnings
from collections.abc import Hashable
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
    names and compression. Of each file only as much is read as it takes to see that it
    differs from all others.

    Args:
        dataset: The subjects.

    Raises:
        DataError: If an image is in two splits; names both subjects and files.
    """
    by_file: dict[Hashable, list[Subject]] = {}
    for subject in dataset.subjects:
        state = subject.image.stat()
        by_file.setdefault((state.st_dev, state.st_ino), []).append(subject)
    for first, *others in by_file.values():
        for other in others:
            _report(dataset, first, other, "the same file")
    by_start: dict[Hashable, list[Subject]] = {}
    for first, *_ in by_file.values():
        start = _first_changes(first.image)
        if start is not None:
            by_start.setdefault(start, []).append(first)
    for alike in by_start.values():
        different = alike[:1]
        for other in alike[1:]:
            same = [s for s in different if _have_equal_voxels(s.image, other.image)]
            if same:
                _report(dataset, same[0], other, "equal voxels")
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
                changes = np.append(changes, values[1:][values[1:] != values[:-1]])
                last = values[-1:]
        start = changes[:_CHANGES].astype(np.float32).tobytes()
        return (tuple(proxy.shape), start) if start else None
    except Exception:  # another format; if it is damaged, its reader says it better
        content = file.read_bytes()
        return hashlib.sha256(content).digest() if content else None


def _have_equal_voxels(one: Path, other: Path) -> bool:
    try:
        with warnings.catch_warnings(action="ignore"):
            return np.array_equal(read_image(one).array, read_image(other).array)
    except AutoRegError:
        return False
