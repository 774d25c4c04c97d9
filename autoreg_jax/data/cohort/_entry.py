"""One preprocessed subject on disk: how its files are written, checked and read."""

import io
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from autoreg_jax.config import Storage
from autoreg_jax.data.cohort._preprocessing import Preprocessed
from autoreg_jax.errors import ArtifactError
from autoreg_jax.files import write_bytes, write_json

__all__ = ["CachedSubject", "find_entry", "write_entry"]

# Of grey values from 0 to 1 in eight bits.
_STEPS = np.float32(255)


@dataclass(frozen=True, eq=False)
class CachedSubject:
    """A preprocessed subject in the cache; its arrays are read when asked for.

    The content of a file is compared with its checksum when it is read for the first
    time, its size each time.

    Attributes:
        path: Its files without their endings.
        storage: How the image is kept.
        label_values: All values of its label map before resampling, and 0, sorted.
        to_image: World of the grid to world of the image, mm.
        is_resampled: Whether the image was on another grid.
        files: Bytes and CRC-32 of each file of an array, by its ending.
    """

    path: Path
    storage: Storage
    label_values: tuple[int, ...]
    to_image: Float[np.ndarray, "4 4"]
    is_resampled: bool
    files: Mapping[str, tuple[int, int]]
    _checked: set[str] = field(default_factory=set, init=False, repr=False)

    def image(self) -> Float[np.ndarray, "*space c"]:
        """The images from 0 to 1, float32.

        Raises:
            ArtifactError: If the file was removed or damaged.
        """
        image = np.array(self._read(".image.npy"), np.float32)
        if self.storage == "uint8":
            image /= _STEPS
        return image

    def labels(self, classes: Sequence[int]) -> Int[np.ndarray, "*space"]:
        """The label map, int32: places among these values, from 1; 0 for others.

        Raises:
            ArtifactError: If the file was removed or damaged.
        """
        numbers = {value: number for number, value in enumerate(classes, start=1)}
        table = [numbers.get(value, 0) for value in self.label_values]
        # The file holds places in `label_values`, which are few where the values may
        # be any numbers.
        return np.asarray(table, np.int32)[self._read(".labels.npy")]

    def _read(self, ending: str) -> np.ndarray:
        """A mapped array: what is read of it is not copied twice."""
        file = _file(self.path, ending)
        try:
            _compare_size(file, self.files[ending][0])
            if ending not in self._checked:
                if zlib.crc32(file.read_bytes()) != self.files[ending][1]:
                    raise ValueError("its checksum is another one")
                self._checked.add(ending)
            return np.load(file, mmap_mode="r")
        except (OSError, ValueError, EOFError) as error:
            raise ArtifactError(
                f"{file}: this file of the cache of preprocessed images is missing or "
                f"damaged ({error}); remove the files {self.path}.* and run again: "
                "they are made again."
            ) from None


def write_entry(
    path: Path, name: str, loaded: Preprocessed, storage: Storage
) -> CachedSubject:
    """Write an entry; the facts come last and make it complete.

    Raises:
        ArtifactError: If the files cannot be written.
    """
    values = np.union1d(loaded.label_values, [0]).astype(np.int64)
    contents = {".image.npy": _content(_stored(loaded.image, storage))}
    if loaded.labels is not None:
        places = np.searchsorted(values, loaded.labels)
        kind = np.min_scalar_type(len(values))
        contents[".labels.npy"] = _content(places.astype(kind))
    files = {
        ending: (len(content), zlib.crc32(content))
        for ending, content in contents.items()
    }
    facts = {
        "label_values": values,
        "to_image": loaded.to_image,
        "is_resampled": loaded.is_resampled,
        "files": files,
    }
    try:
        for ending, content in contents.items():
            write_bytes(_file(path, ending), content, by_all=True)
        write_json(_file(path, ".json"), {"subject": name} | facts, by_all=True)
    except OSError as error:
        needed = sum(size for size, _ in files.values())
        raise ArtifactError(
            f"{path.parent.parent}: the cache of preprocessed images cannot be written "
            f"({error.strerror or error}; {name} takes {needed / 2**20:.2g} MiB); "
            "set data.cache to a folder with enough space."
        ) from None
    return _cached(path, storage, facts)


def find_entry(
    path: Path, endings: Sequence[str], storage: Storage
) -> CachedSubject | None:
    """The entry, if its facts can be read and its files are there in their sizes."""
    try:
        found = _cached(path, storage, json.loads(_file(path, ".json").read_bytes()))
        for ending in endings:
            _compare_size(_file(path, ending), found.files[ending][0])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found


def _stored(image: np.ndarray, storage: Storage) -> np.ndarray:
    if storage == "uint8":
        return np.rint(_STEPS * image).astype(np.uint8)
    return image.astype(storage)


def _content(array: np.ndarray) -> bytes:
    """The bytes of a NumPy file."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _file(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def _cached(path: Path, storage: Storage, facts: Mapping[str, Any]) -> CachedSubject:
    return CachedSubject(
        path,
        storage,
        tuple(int(value) for value in facts["label_values"]),
        np.asarray(facts["to_image"], np.float64).reshape(4, 4),
        bool(facts["is_resampled"]),
        {ending: (size, crc) for ending, (size, crc) in facts["files"].items()},
    )


def _compare_size(file: Path, expected: int) -> None:
    size = file.stat().st_size
    if size != expected:
        raise ValueError(f"it has {size} bytes, not {expected}")
