"""Damaged NIfTI files: each must give a clean error or a valid volume.

    python -m tests.benchmarks.fuzz_nifti --count 10000

A case is decided by its number alone, so one that fails can be repeated with --first.
"""

import argparse
import gzip
import itertools
import logging
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from nibabel.nifti1 import Nifti1Header, Nifti1Image

from autoreg_jax.data import read_image, read_labels
from autoreg_jax.data.images import read_grid
from autoreg_jax.errors import AutoRegError, ImageWarning
from autoreg_jax.geometry import Volume

FIELDS = [name for name in Nifti1Header.template_dtype.names if name != "extents"]
# What breaks readers: none, all bits, sign, large, and not a number.
EXTREMES = {
    "i": (0, 1, -1, 2, 3, 7, 255, 32767, -32768),
    "f": (0.0, -1.0, 1e-38, 1e38, np.inf, -np.inf, np.nan, 352.5, 1e30),
}


def originals() -> list[bytes]:
    """Files as they should be: planes and volumes of several types, one scaled."""
    rng = np.random.default_rng(0)
    affine = np.array([[0, -2.0, 0.5, 9], [1.5, 0, 0, -7], [0, 0, 3, 5], [0, 0, 0, 1]])
    made = []
    for shape, kind in itertools.product(
        [(4, 5, 6), (5, 4, 1), (4, 5)], (np.uint8, np.int16, np.float32, np.float64)
    ):
        array = rng.integers(0, 9, shape).astype(kind)
        image = Nifti1Image(array, affine)
        image.set_qform(None)
        made.append(image.to_bytes())
    scaled = Nifti1Image(rng.random((4, 4, 4)), affine)
    scaled.set_data_dtype(np.int16)
    return [*made, scaled.to_bytes()]


def damage(content: bytes, rng: np.random.Generator) -> bytes:
    """Change a file in one to three ways."""
    for _ in range(rng.integers(1, 4)):
        how = rng.choice(["field", "field", "bytes", "cut", "more", "swap"])
        data = bytearray(content)
        if how == "field" and len(data) >= 348:
            data[:348] = _changed_field(bytes(data[:348]), rng)
        elif how == "bytes" and data:
            for place in rng.integers(0, min(len(data), 400), rng.integers(1, 6)):
                data[place] = rng.integers(0, 256)
        elif how == "cut":
            data = data[: rng.integers(0, len(data) + 1)]
        elif how == "more":
            data += rng.bytes(int(rng.integers(1, 64)))
        content = bytes(data) if how != "swap" else _swapped(content)
    return content


def _swapped(content: bytes) -> bytes:
    """The header in the other byte order, the voxels as they were."""
    if len(content) < 348:
        return content
    header = np.frombuffer(content[:348], Nifti1Header.template_dtype)
    return header.byteswap().tobytes() + content[348:]


def _changed_field(header: bytes, rng: np.random.Generator) -> bytes:
    fields = np.frombuffer(header, Nifti1Header.template_dtype).copy()
    name = rng.choice(FIELDS)
    cell = fields[name]
    if cell.dtype.kind == "S":
        fields[name] = rng.bytes(cell.dtype.itemsize)
        return fields.tobytes()
    kind = "f" if cell.dtype.kind == "f" else "i"
    value = rng.choice(np.asarray(EXTREMES[kind]))
    if kind == "i":
        limits = np.iinfo(cell.dtype)
        value = np.clip(int(value), limits.min, limits.max)
    flat = fields[name].reshape(-1)
    flat[rng.integers(0, flat.size)] = value
    fields[name] = flat.reshape(cell.shape)
    return fields.tobytes()


def case(number: int, sources: list[bytes]) -> tuple[str, bytes]:
    """Name and content of a damaged file."""
    rng = np.random.default_rng(number)
    content = damage(sources[number % len(sources)], rng)
    if rng.random() < 0.7:
        return "case.nii", content
    packed = bytearray(gzip.compress(content, 1, mtime=0))
    if rng.random() < 0.5:
        packed[rng.integers(0, len(packed))] ^= int(rng.integers(1, 256))
    return "case.nii.gz", bytes(packed)


def is_valid(volume: Volume) -> bool:
    """Whether everything else can rely on a volume."""
    return (
        volume.ndim in (2, 3)
        and min(volume.shape) > 0
        and bool(np.isfinite(volume.array).all())
        and bool(np.isfinite(volume.affine).all())
        and abs(float(np.linalg.det(volume.affine))) > 0
        and min(volume.spacing) > 0
    )


def outcomes(path: Path) -> Iterator[str]:
    """What each reader makes of a file; raises where it is not clean."""
    for read in (read_image, read_labels, read_grid):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                warnings.simplefilter("ignore", ImageWarning)
                volume = read(path)
        except AutoRegError as error:
            text = str(error)
            if str(path) not in text or "\n" in text or len(text) > 1000:
                raise AssertionError(f"not one clear sentence: {text!r}") from error
            yield type(error).__name__
        else:
            if not is_valid(volume):
                raise AssertionError(f"not valid: {volume.shape} {volume.affine}")
            yield "read"


def fuzz(count: int, folder: Path, first: int = 0) -> tuple[Counter[str], list[str]]:
    """Read damaged files.

    Args:
        count: How many.
        folder: Where to.
        first: Number of the first.

    Returns:
        How often each outcome was, and a line for each failure.
    """
    sources, found, failures = originals(), Counter[str](), []
    for number in range(first, first + count):
        name, content = case(number, sources)
        path = folder / name
        path.write_bytes(content)
        try:
            found.update(outcomes(path))
        except Exception as error:  # anything else is what is looked for
            failures.append(f"case {number}: {type(error).__name__}: {error}")
        if path.read_bytes() != content:
            failures.append(f"case {number}: the file was changed")
        path.unlink()
    return found, failures


def main() -> int:
    """Read damaged files and print what came of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    given = parser.parse_args()
    logging.getLogger("nibabel").setLevel(logging.CRITICAL)
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found, failures = fuzz(given.count, Path(folder), given.first)
    for name, number in found.most_common():
        print(f"{name:>16} {number:>8}")
    print(f"{given.count} files, three readers each, {time.monotonic() - begin:.0f} s")
    print(*failures[:20], f"{len(failures)} failures", sep="\n")
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
