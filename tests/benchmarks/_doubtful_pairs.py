"""Pairs of real images that can be registered, and pairs that cannot.

`FOLDER` is that of the data sets, see `oasis.py`, with `hippocampus`, `lung` and
`knee`. No subject is in both halves. Brains have voxels of 4 mm, hippocampi of 1 mm.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage

from autoreg_jax.geometry import Volume
from tests.benchmarks.oasis import coarser

HALVES = ("calibration", "held out")
FLIPS = ("left-right", "front-back", "up-down")
SPOILT = (
    *(f"flipped {axis}" for axis in FLIPS),
    "half of the field of view",
    "artefact",
    "noise",
    "scrambled",
)
# Edge of the blocks that are scrambled, voxels; standard deviation of the noise and
# strength of the ghosts, in units of the range of the image.
_BLOCK, _NOISE, _GHOST = 8, 0.7, 1.0


@dataclass(frozen=True)
class Pair:
    """Two images and whether they belong together.

    Attributes:
        name: Which subjects.
        organ: Of the fixed image.
        kind: "good", or what is wrong with the moving image.
        fixed: The fixed image.
        moving: The moving image.
        similarity: What it is registered by.
    """

    name: str
    organ: str
    kind: str
    fixed: Volume
    moving: Volume
    similarity: str = "ncc"


def pairs(data: Path, half: int, *, brains: int = 5, crops: int = 6) -> Iterator[Pair]:
    """The pairs of one half, always the same.

    Args:
        data: Folder of the data sets.
        half: 0 to calibrate, 1 held out.
        brains: Good pairs of brains of each of three sources; of each kind of bad ones
            half as many.
        crops: Twice as many good pairs of hippocampi; bad ones as for the brains.
    """
    random = np.random.default_rng(half)

    def some(folder: str, pattern: str) -> list[Path]:
        return sorted((data / folder).glob(pattern))[half::2]

    oasis = some("oasis2mm", "*_t1.nii.gz")
    ixi = some("ixi2mm", "*_t1.nii.gz")
    pieces = some("hippocampus/images", "*.nii.gz")
    for one, other in ((oasis, oasis), (ixi, ixi), (oasis, ixi)) * brains:
        yield _good("brain", *_two(random, one, other), blocks=True)
    for _ in range(2 * crops):
        yield _good("hippocampus", *_two(random, pieces, pieces))
    for fixed in some("oasis2mm_t2like", "*_t2like.nii.gz"):
        subject = fixed.name.split("_")[0]
        others = [path for path in oasis if subject not in path.name]
        for number in random.permutation(len(others))[:2]:
            pair = fixed, others[number]
            yield _good("brain", *pair, blocks=True, similarity="mind")
    for number in range(brains // 2):
        yield from _spoilt_pairs("brain", oasis + ixi, random, blocks=True)
        fixed = (oasis + ixi)[random.integers(len(oasis + ixi))]
        yield _other_organ(data, fixed, half, number)
    whole = some("oasis1mm", "*_t1.nii.gz")
    for number in range(crops // 2):
        yield from _spoilt_pairs("hippocampus", pieces, random)
        fixed = _read(pieces[random.integers(len(pieces))])
        moving = whole[number % len(whole)]
        volume = _piece(_read(moving), fixed, random)
        name = f"{moving.stem}_{number}"
        yield Pair(name, "hippocampus", "other organ", fixed, volume)


def _spoilt_pairs(
    organ: str,
    subjects: list[Path],
    random: np.random.Generator,
    *,
    blocks: bool = False,
) -> Iterator[Pair]:
    """A pair of each kind."""
    for kind in SPOILT:
        fixed, moving = _two(random, subjects, subjects)
        volume = spoilt(_read(moving, blocks=blocks), kind, random)
        name = f"{moving.stem}_to_{fixed.stem}"
        yield Pair(name, organ, kind, _read(fixed, blocks=blocks), volume)


def _two(random, first: list[Path], second: list[Path]) -> tuple[Path, Path]:
    """A subject of each list, not the same."""
    one = first[random.integers(len(first))]
    others = [path for path in second if path.name[:9] != one.name[:9]]
    return one, others[random.integers(len(others))]


def _good(
    organ: str,
    fixed: Path,
    moving: Path,
    *,
    blocks: bool = False,
    similarity: str = "ncc",
) -> Pair:
    """A pair as it is."""
    name = f"{moving.stem}_to_{fixed.stem}"
    one, other = (_read(path, blocks=blocks) for path in (fixed, moving))
    return Pair(name, organ, "good", one, other, similarity)


def _other_organ(data: Path, fixed: Path, half: int, number: int) -> Pair:
    """A brain, and what is none, in the middle of it."""
    folder = ("lung/lung_{}", "knee/fair_knee_{}")[number % 2]
    path = data / (folder.format(("fixed", "moving")[half]) + ".nii.gz")
    brain, other = _read(fixed, blocks=True), _read(path, blocks=True)
    flips = [slice(None, None, -1 if number // 2 >> k & 1 else 1) for k in range(3)]
    placed = _centred(Volume(other.array[tuple(flips)], other.affine), brain)
    return Pair(f"{path.stem}_{number}", "brain", "other organ", brain, placed)


def _centred(volume: Volume, fixed: Volume) -> Volume:
    """A volume whose centre is that of another."""
    affine = volume.affine.copy()
    affine[:3, 3] += fixed.grid.centre - volume.grid.centre
    return Volume(volume.array, affine)


def _piece(brain: Volume, fixed: Volume, random: np.random.Generator) -> Volume:
    """A piece of a brain in place of a hippocampus, wherever it was."""
    size = np.asarray(fixed.shape)
    # Axes of the brain are left, down and front: those of the crops, right, front, up.
    array = brain.array[::-1, ::-1].transpose(0, 2, 1)
    room = np.asarray(array.shape) - size
    while True:
        start = (random.uniform(0.1, 0.9, 3) * room).astype(int)
        part = array[tuple(slice(a, a + n) for a, n in zip(start, size, strict=True))]
        if np.mean(part > 0) > 0.5:
            return Volume(np.ascontiguousarray(part), fixed.affine)


def spoilt(volume: Volume, kind: str, random: np.random.Generator) -> Volume:
    """An image that cannot be registered as it should.

    Args:
        volume: The image, from 0.
        kind: One of `SPOILT`.
        random: For what is drawn.
    """
    array, affine = volume.array, volume.affine.copy()
    if kind.startswith("flipped"):
        axis = FLIPS.index(kind.removeprefix("flipped "))
        array = np.flip(array, int(np.abs(affine[axis, :3]).argmax()))
    elif kind.startswith("half"):
        shown = ndimage.find_objects((array > 0.1 * array.max()).astype(int))[0]
        axis = int(random.integers(3))
        middle = (shown[axis].start + shown[axis].stop) // 2
        part = [slice(None)] * 3
        part[axis] = slice(0, middle) if random.random() < 0.5 else slice(middle, None)
        array = array[tuple(part)]
        affine[:3, 3] += affine[:3, axis] * (part[axis].start or 0)
    elif kind == "artefact":
        # Ghosts of motion: the same object elsewhere along the phase axis, and lines.
        axis = int(random.integers(3))
        length = array.shape[axis]
        shape = [1, 1, 1]
        shape[axis] = length
        lines = np.fft.fft(array, axis=axis)
        turn = np.exp(1j * _GHOST * np.pi * random.standard_normal(length))
        array = np.abs(np.fft.ifft(lines * turn.reshape(shape), axis=axis))
    elif kind == "noise":
        noise = _NOISE * array.max() * random.standard_normal(array.shape)
        array = np.abs(array + noise)
    else:
        blocks = [np.arange(0, n - _BLOCK + 1, _BLOCK) for n in array.shape]
        starts = np.stack(np.meshgrid(*blocks, indexing="ij"), -1).reshape(-1, 3)
        scrambled = array.copy()
        for to, source in zip(starts, random.permutation(starts), strict=True):
            there, here = (
                tuple(slice(a, a + _BLOCK) for a in start) for start in (to, source)
            )
            scrambled[there] = array[here]
        array = scrambled
    return Volume(np.ascontiguousarray(array, np.float32), affine)


def _read(path: Path, *, blocks: bool = False) -> Volume:
    """An image; with `blocks` at half of its resolution."""
    stored = nib.nifti1.load(path)
    array, affine = np.asarray(stored.dataobj), stored.affine
    if blocks:
        even = array[tuple(slice(n // 2 * 2) for n in array.shape)]
        array = coarser(even, is_labels=False)
        affine = affine @ np.diag([2, 2, 2, 1.0])
        affine[:3, 3] -= affine[:3, :3].sum(1) / 4
    return Volume(array.astype(np.float32), affine)
