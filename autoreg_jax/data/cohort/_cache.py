"""Preprocessed subjects on disk, made once and read by every run that needs them."""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from autoreg_jax.config import Storage
from autoreg_jax.data.cohort._preprocessing import Preprocessing
from autoreg_jax.data.datasets import Subject
from autoreg_jax.data.images import read_image
from autoreg_jax.errors import ArtifactError
from autoreg_jax.files import write_file, write_json

__all__ = ["CachedSubject", "ImageCache", "content_digest", "default_cache"]

# Raise it when preprocessing gives other numbers, or the files have another form.
_VERSION = 1
# Headers whose voxels are in a file of another name.
_DETACHED = (".nhdr", ".mhd")
# Of grey values from 0 to 1 in eight bits.
_STEPS = np.float32(255)


class CachedSubject(NamedTuple):
    """A preprocessed subject in the cache; its arrays are read when asked for.

    Attributes:
        path: Its files without their endings.
        storage: How the image is kept.
        label_values: All values of its label map before resampling, and 0, sorted.
        to_image: World of the grid to world of the image, mm.
        is_resampled: Whether the image was on another grid.
    """

    path: Path
    storage: Storage
    label_values: tuple[int, ...]
    to_image: Float[np.ndarray, "4 4"]
    is_resampled: bool

    def image(self) -> Float[np.ndarray, "*space 1"]:
        """The image from 0 to 1, float32.

        Raises:
            ArtifactError: If the file was removed or damaged.
        """
        image = np.array(_read(self.path, ".image.npy"), np.float32)
        if self.storage == "uint8":
            image /= _STEPS
        return image[..., None]

    def labels(self, classes: Sequence[int]) -> Int[np.ndarray, "*space"]:
        """The label map, int32: places among these values, from 1; 0 for others.

        Raises:
            ArtifactError: If the file was removed or damaged.
        """
        numbers = {value: number for number, value in enumerate(classes, start=1)}
        table = [numbers.get(value, 0) for value in self.label_values]
        # The file holds places in `label_values`, which are few where the values may
        # be any numbers.
        return np.asarray(table, np.int32)[_read(self.path, ".labels.npy")]


@dataclass(frozen=True)
class ImageCache:
    """A folder of preprocessed subjects, three files each.

    The name of an entry is a digest of the content of its files and of everything that
    decides about its preprocessing, so that it serves every run with the same plan and
    is never out of date. An entry is complete once its last file exists. Several
    processes may fill the cache at once, and one that was interrupted goes on where it
    was: complete entries are kept.

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
    above: int = 0
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
            ArtifactError: If an entry is damaged, or the folder cannot be written.
        """
        with_labels = with_labels and subject.labels is not None
        name = _digest(subject, preprocessing, self.storage, with_labels=with_labels)
        path = self.folder / name[:2] / name
        facts = path.with_name(f"{name}.json")
        if not facts.is_file():
            loaded = preprocessing.load(subject, with_labels=with_labels)
            values = np.union1d(loaded.label_values, [0]).astype(np.int64)
            arrays = {".image.npy": _stored(loaded.image, self.storage)}
            if loaded.labels is not None:
                places = np.searchsorted(values, loaded.labels)
                kind = np.min_scalar_type(len(values))
                arrays[".labels.npy"] = places.astype(kind)
            try:
                for ending, array in arrays.items():
                    target = path.with_name(name + ending)
                    save = partial(np.save, arr=array)
                    write_file(target, save, by_all=True)
                write_json(
                    facts,
                    {
                        "subject": subject.name,
                        "label_values": values,
                        "to_image": loaded.to_image,
                        "is_resampled": loaded.is_resampled,
                    },
                    by_all=True,
                )
            except OSError as error:
                raise ArtifactError(
                    f"{self.folder}: the cache of preprocessed images cannot be "
                    f"written ({error.strerror or error}); set data.cache to a folder "
                    "with enough space."
                ) from None
        return _found(path, facts, self.storage)

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
    (`XDG_CACHE_HOME`, `~/.cache`).
    """
    if chosen := os.environ.get("AUTOREG_DATA_CACHE"):
        return Path(chosen)
    root = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(root) / "autoreg_jax" / "images"


def _stored(image: np.ndarray, storage: Storage) -> np.ndarray:
    if storage == "uint8":
        return np.rint(_STEPS * image).astype(np.uint8)
    return image.astype(storage)


def _read(path: Path, ending: str) -> np.ndarray:
    """A mapped array: what is read of it is not copied twice."""
    file = path.with_name(path.name + ending)
    try:
        return np.load(file, mmap_mode="r")
    except (OSError, ValueError) as error:
        raise ArtifactError(_damage(file, error)) from None


def _found(path: Path, facts: Path, storage: Storage) -> CachedSubject:
    try:
        known = json.loads(facts.read_bytes())
        return CachedSubject(
            path,
            storage,
            tuple(known["label_values"]),
            np.asarray(known["to_image"], np.float64),
            bool(known["is_resampled"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(_damage(facts, error)) from None


def _damage(file: Path, error: Exception) -> str:
    return (
        f"{file}: this file of the cache of preprocessed images is missing or damaged "
        f"({error}); remove the folder {file.parent.parent}, it is made again."
    )


def _digest(
    subject: Subject, preprocessing: Preprocessing, storage: str, *, with_labels: bool
) -> str:
    """Name of the entry: the content of all files and all that is done with it."""
    mask = subject.mask if preprocessing.has_masks else None
    files = (subject.image, subject.labels if with_labels else None, mask)
    plan: dict[str, Any] = {
        "version": _VERSION,
        "files": [None if file is None else content_digest(file) for file in files],
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
