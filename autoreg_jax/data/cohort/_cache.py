"""Preprocessed subjects on disk, made once and read by every run that needs them."""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from autoreg_jax.config import Storage
from autoreg_jax.data.cohort._entry import CachedSubject, find_entry, write_entry
from autoreg_jax.data.cohort._preprocessing import Preprocessing
from autoreg_jax.data.datasets import Subject
from autoreg_jax.data.images import read_image

__all__ = ["ImageCache", "content_digest", "default_cache"]

# Raise it when preprocessing gives other numbers, or the files have another form.
_VERSION = 2
# Headers whose voxels are in a file of another name.
_DETACHED = (".nhdr", ".mhd")


@dataclass(frozen=True)
class ImageCache:
    """A folder of preprocessed subjects, three files each.

    The name of an entry is a digest of the content of its files and of everything that
    decides about its preprocessing, so that it serves every run with the same plan and
    is never out of date. An entry is complete once its last file exists. Several
    processes may fill the cache at once, and an interrupted one continues where it
    was: complete entries are kept, and one whose files are missing or have another size
    is made again.

    Attributes:
        folder: The folder, which need not exist.
        storage: How images are kept: `float32` exactly, `float16` to 11 bits, or
            `uint8` in 255 steps.
        above: Bytes of float32 images and int32 label maps that a dataset may take
            in the main memory; a larger one is read from the cache.
        turn: Number of this process and how many of them fill the cache together; each
            begins at another subject.
    """

    folder: Path
    storage: Storage = "float16"
    above: float = 0
    turn: tuple[int, int] = (0, 1)

    def keep(
        self, subject: Subject, preprocessing: Preprocessing, *, with_labels: bool
    ) -> CachedSubject:
        """A subject of the cache; what is not in it is preprocessed and added.

        Args:
            subject: The subject.
            preprocessing: How it comes to the grid.
            with_labels: With its label map.

        Raises:
            DataError, GeometryError: As `Preprocessing.load`.
            ArtifactError: If the folder cannot be written.
        """
        with_labels = with_labels and subject.labels is not None
        name = _digest(subject, preprocessing, self.storage, with_labels=with_labels)
        path = self.folder / name[:2] / name
        endings = (".image.npy", ".labels.npy")[: 1 + with_labels]
        found = find_entry(path, endings, self.storage)
        if found is not None:
            return found
        loaded = preprocessing.load(subject, with_labels=with_labels)
        return write_entry(path, subject.name, loaded, self.storage)

    def in_turn(self, subjects: Sequence[Subject]) -> list[Subject]:
        """The subjects in the order in which this process preprocesses them."""
        process, count = self.turn
        start = len(subjects) * process // count
        return [*subjects[start:], *subjects[:start]]

    def size(self) -> tuple[int, int]:
        """Number of complete entries, and bytes of all files."""
        files = [path for path in self.folder.glob("??/*") if path.is_file()]
        entries = sum(path.suffix == ".json" for path in files)
        return entries, sum(path.stat().st_size for path in files)


def default_cache() -> Path:
    """The folder of the cache where the settings name none.

    `AUTOREG_DATA_CACHE`, or else a folder below the user's cache folder
    (`XDG_CACHE_HOME`, `~/.cache`); `~` is the home folder in all of them.
    """
    if chosen := os.environ.get("AUTOREG_DATA_CACHE"):
        return Path(os.path.expanduser(chosen))  # noqa: PTH111
    root = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.path.expanduser(root)) / "autoreg_jax" / "images"  # noqa: PTH111


def _digest(
    subject: Subject, preprocessing: Preprocessing, storage: str, *, with_labels: bool
) -> str:
    """Name of the entry: the content of all files and all that is done with it."""
    mask = subject.mask if preprocessing.has_masks else None
    files = (subject.image, subject.labels if with_labels else None, mask)
    files += subject.more_images
    if subject.lesion is not None:  # caches without lesions keep their names
        files += ("lesion", subject.lesion)
    plan: dict[str, Any] = {
        "version": _VERSION,
        "files": [
            content_digest(file) if isinstance(file, Path) else file for file in files
        ],
        "storage": storage,
        "shape": preprocessing.grid.shape,
        "affine": preprocessing.grid.affine.tolist(),
        "intensity": vars(preprocessing.intensity),
        "align": preprocessing.align_key,
        "template": preprocessing.template is not None,
    }
    text = json.dumps(plan, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def content_digest(path: Path) -> str:
    """Digest of an image, label map or mask, by the bytes of its file.

    Raises:
        DataError: If a header that names another file for its voxels cannot be read.
    """
    if path.suffix.lower() in _DETACHED:
        image = read_image(path)
        content = image.affine.tobytes() + np.ascontiguousarray(image.array).tobytes()
        return hashlib.blake2b(content).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()
