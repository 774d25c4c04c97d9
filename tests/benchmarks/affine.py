"""How often `align` recovers a known map: `python -m tests.benchmarks.affine --data D`.

D holds `oasis2mm` and `oasis2mm_t2like`. A scan is carried off by a random rigid (even
cases) or affine (odd cases) map, to 40 degrees, 40 mm and 20 % scale along any three
perpendicular directions, resampled with noise on an oblique grid of another spacing
and another order of axes, and sought for again. An alignment counts as recovered below
2 mm of mean error over the brain. Three settings: the same scan; another subject; and
another subject in another contrast. Between subjects the error is the distance from the
map that is found where nothing was carried off. Then pairs that do not belong together
(`knee`, `lung`, `hippocampus`, noise), none of which should be trusted, and pairs that
were aligned beforehand, none of which should be said to need it.
"""

import argparse
import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from scipy import ndimage

from autoreg_jax.alignment import align
from autoreg_jax.data import read_image
from autoreg_jax.geometry import Grid, Volume, sample_world

LARGEST_ANGLE, LARGEST_SHIFT, LARGEST_SCALE = 40.0, 40.0, 1.2
RECOVERED_MM = 2.0
SPACING, NOISE = (2.2, 1.8, 2.6), 4.0


class Case(NamedTuple):
    """One alignment."""

    number: int
    error: float
    largest: float
    is_trusted: bool
    reason: str
    seconds: float
    cpu_seconds: float


def rotation(rng: np.random.Generator, degrees: float) -> np.ndarray:
    """About any axis by up to so many degrees, evenly."""
    x, y, z = (axis := rng.standard_normal(3)) / np.linalg.norm(axis)
    angle = np.deg2rad(rng.uniform(0, degrees))
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def random_map(rng: np.random.Generator, centre: np.ndarray, kind: str) -> np.ndarray:
    """World of the fixed image to world of the moving one."""
    linear = rotation(rng, LARGEST_ANGLE)
    if kind == "affine":
        limit = np.log(LARGEST_SCALE)
        turn = rotation(rng, 180)
        linear = linear @ turn @ np.diag(np.exp(rng.uniform(-limit, limit, 3))) @ turn.T
    shift = rng.standard_normal(3)
    shift *= rng.uniform(0, LARGEST_SHIFT) / np.linalg.norm(shift)
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = linear, centre + shift - linear @ centre
    return matrix


def carried_off(
    rng: np.random.Generator, volume: Volume, matrix: np.ndarray, centre: np.ndarray
) -> Volume:
    """The image y ↦ volume(matrix⁻¹ y) on a grid of its own, with noise."""
    axes = np.eye(3)[rng.permutation(3)] * rng.choice([-1, 1], 3)
    affine = np.eye(4)
    affine[:3, :3] = rotation(rng, 15) @ axes @ np.diag(SPACING)
    shape = np.ceil(np.abs(axes.T @ np.array([260, 290, 260])) / SPACING).astype(int)
    middle = matrix[:3, :3] @ centre + matrix[:3, 3] + rng.uniform(-10, 10, 3)
    affine[:3, 3] = middle - affine[:3, :3] @ ((shape - 1) / 2)
    points = Grid(tuple(shape), affine).points()
    array = sample_world(volume, moved_by(np.linalg.inv(matrix), points))
    array = array + NOISE * rng.standard_normal(array.shape) * (array > 0)
    return Volume(array.astype(np.float32), affine)


def moved_by(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points under a homogeneous matrix."""
    return points @ matrix[:3, :3].T + matrix[:3, 3]


class Answer(NamedTuple):
    """What an aligner says."""

    matrix: np.ndarray
    is_trusted: bool
    reason: str


def ours(fixed: Volume, moving: Volume, kind: str) -> Answer:
    """This project's answer."""
    found = align(fixed, moving, kind=kind)
    return Answer(found.matrix, found.is_trusted, found.reason)


def theirs(fixed: Volume, moving: Volume, kind: str) -> Answer:
    """The answer of ANTs, which has no opinion on itself."""
    from tests.benchmarks._ants_affine import ants_matrix

    return Answer(ants_matrix(fixed, moving, kind), True, "")


def recover(
    fixed: Volume,
    moving: Volume,
    number: int,
    *,
    is_same: bool,
    aligner: Callable[[Volume, Volume, str], Answer] = ours,
) -> list[Case]:
    """Carry `moving` off so many times and look for it."""
    brain = fixed.grid.points()[fixed.array > 0]
    centre, brain = brain.mean(0), brain[::37]
    base = np.eye(4) if is_same else aligner(fixed, moving, "affine").matrix
    cases = []
    for index in range(number):
        rng = np.random.default_rng(index)
        kind = ("rigid", "affine")[index % 2]
        matrix = random_map(rng, centre, kind)
        image = carried_off(rng, moving, matrix, centre)
        # Between subjects a rigid map would have another best answer than the affine.
        wanted = kind if is_same else "affine"
        begin, cpu = time.perf_counter(), time.process_time()
        found = aligner(fixed, image, wanted)
        seconds = time.perf_counter() - begin
        cpu = time.process_time() - cpu
        error = moved_by(found.matrix, brain) - moved_by(matrix @ base, brain)
        length = np.linalg.norm(error, axis=1)
        cases.append(
            Case(
                index,
                float(length.mean()),
                float(length.max()),
                found.is_trusted,
                found.reason,
                seconds,
                cpu,
            )
        )
    return cases


def show(name: str, cases: list[Case]) -> None:
    """A row of the table, and a line for each failure."""
    errors = np.array([case.error for case in cases])
    lost = [case for case in cases if case.error >= RECOVERED_MM]
    doubted = sum(not case.is_trusted for case in cases if case.error < RECOVERED_MM)
    flagged = sum(not case.is_trusted for case in lost)
    steady, cpu = np.median([case[-2:] for case in cases[1:] or cases], axis=0)
    found = len(cases) - len(lost)
    print(
        f"| {name} | {found} of {len(cases)} | {np.median(errors):.2f} "
        f"| {np.percentile(errors, 95):.2f} | {flagged} of {len(lost)} | {doubted} "
        f"| {cases[0].seconds:.1f} | {steady:.2f} "
        f"| {cpu:.2f} |",
        flush=True,
    )
    for case in lost:
        print(f"  case {case.number}: {case.error:.1f} mm; {case.reason or 'trusted'}")


def show_verdicts(data: Path) -> None:
    """Pairs that do not belong together, and pairs that are aligned."""
    rng = np.random.default_rng(0)
    noise = ndimage.gaussian_filter(rng.random((60, 70, 64)), 2).astype(np.float32)
    strangers = {
        name: read_image(data / name)
        for name in (
            "oasis2mm/1001_t1.nii.gz",
            "knee/fair_knee_fixed.nii.gz",
            "lung/lung_fixed.nii.gz",
            "hippocampus/images/001.nii.gz",
        )
    }
    strangers["noise"] = Volume(noise, np.diag([2.0, 2, 2, 1]))
    pairs = list(itertools.permutations(strangers, 2))
    found = [align(strangers[a], strangers[b]) for a, b in pairs]
    trusted = [pair for pair, x in zip(pairs, found, strict=True) if x.is_trusted]
    print(f"\nStrangers: {len(pairs) - len(trusted)} of {len(pairs)} flagged {trusted}")
    scans = sorted((data / "oasis2mm").glob("*_t1.nii.gz"))[:8]
    aligned = list(itertools.pairwise(map(read_image, scans)))
    found = [align(*pair) for pair in aligned]
    print(
        f"Aligned beforehand: {sum(x.is_needed for x in found)} of {len(found)} "
        f"said to need it, {sum(x.is_trusted for x in found)} trusted"
    )


def main() -> None:
    """Run the three settings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cases", type=int, default=100)
    parser.add_argument("--others", type=int, default=20, help="cases between subjects")
    parser.add_argument("--ants", type=int, default=0, help="cases for ANTs as well")
    options = parser.parse_args()
    print(f"{jax.devices()[0].device_kind}, jax {jax.__version__}\n")
    print(
        "| moving image | recovered | median error, mm | 95th percentile, mm "
        "| failures flagged | right ones doubted | first, s | steady, s "
        "| of CPU, s |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    )
    fixed = read_image(options.data / "oasis2mm" / "1000_t1.nii.gz")
    show("same scan", recover(fixed, fixed, options.cases, is_same=True))
    for name, path in (
        ("another subject, T1", "oasis2mm/1113_t1.nii.gz"),
        ("another subject, T2-like", "oasis2mm_t2like/1113_t2like.nii.gz"),
    ):
        moving = read_image(options.data / path)
        show(name, recover(fixed, moving, options.others, is_same=False))
    if options.ants:
        show(
            "same scan, by ANTs",
            recover(fixed, fixed, options.ants, is_same=True, aligner=theirs),
        )
    show_verdicts(options.data)


if __name__ == "__main__":
    main()
