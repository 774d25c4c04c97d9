"""Whether the map of uncertainty says where a registration is wrong.

    python -m tests.benchmarks.uncertainty -o FOLDER [--seed 200] [--pairs 4]
    python -m tests.benchmarks.uncertainty -o FOLDER --data FOLDER/knownwarp

Registers pairs whose displacement is known, simulated brains of 4 mm or the real images
of `knownwarp.py`, and prints for each the rank correlation (Spearman) of the map and of
the length of the displacement, as a control, with the true error, the means of both,
and the mean error in fifths of the voxels, from the least uncertain to the most. Voxels
of the object count. FOLDER keeps the simulated images.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy import stats

from autoreg_jax import inference
from autoreg_jax.data import read_image
from autoreg_jax.data.simulation import true_displacement, write_population
from autoreg_jax.geometry import Volume
from autoreg_jax.runtime import enable_compilation_cache
from autoreg_jax.transforms import Transform

KINDS = {"none": {"refine": 60}, "network": {"refine": 0}, "refined": {"refine": 50}}
Known = tuple[str, Volume, Volume, np.ndarray, np.ndarray]


def simulated(folder: Path, seed: int, count: int) -> Iterator[Known]:
    """Name, fixed and moving image, true displacement in mm, voxels that count."""
    place = folder / f"seed{seed}"
    if not (place / "dataset.csv").is_file():
        write_population(place, num_subjects=6, spacing=4.0, seed=seed)
    images = [read_image(path) for path in sorted((place / "images").glob("*"))]
    fields = [
        Transform.read(path).displacement_on(images[0].grid)
        for path in sorted((place / "velocity").glob("*"))
    ]
    matrix = images[0].affine[:3, :3]
    for one in range(count):
        other = (one + 1) % len(images)
        # The files hold voxels.
        truth = true_displacement(fields[one], fields[other]) @ matrix.T
        fixed = images[other]
        counts = fixed.array > 0.1 * fixed.array.max()
        yield f"seed {seed}, {one} to {other}", fixed, images[one], truth, counts


def real(folder: Path) -> Iterator[Known]:
    """Pairs of real images, of which one was deformed by a known warp."""
    affine = np.diag([2.0, 2, 2, 1])
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as stored:
            fixed, moving = (
                Volume(stored[name].astype(np.float32), affine)
                for name in ("fixed", "moving")
            )
            truth = stored["disp_int16"].astype(np.float32) * stored["disp_scale"]
            yield path.stem, fixed, moving, 2 * truth, stored["mask_fixed"].astype(bool)


def measured(known: Known, kind: str, model: inference.RegistrationModel) -> str:
    """A row of the table."""
    name, fixed, moving, truth, counts = known
    found = inference.register(
        fixed,
        moving,
        affine="none",
        uncertainty=True,
        model=None if kind == "none" else model,
        **KINDS[kind],
    )
    assert found.uncertainty is not None
    spread = found.uncertainty.array[counts]
    length = np.linalg.norm(found.displacement_mm, axis=-1)[counts]
    error = np.linalg.norm(found.displacement_mm - truth, axis=-1)[counts]
    ranks = [stats.spearmanr(x, error).statistic for x in (spread, length)]
    fifth = np.digitize(spread, np.quantile(spread, (0.2, 0.4, 0.6, 0.8)))
    means = " ".join(f"{error[fifth == n].mean():.2f}" for n in range(5))
    numbers = " | ".join(f"{x:.2f}" for x in (*ranks, spread.mean(), error.mean()))
    return f"| {name} | {kind} | {numbers} | {means} |"


def main() -> None:
    """Register and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=200)
    parser.add_argument("--pairs", type=int, default=4)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    given = parser.parse_args()
    enable_compilation_cache()
    model = inference.load_model("brain")
    print(
        "| pair | result | map | length | map, mm | error, mm | error in fifths, mm |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    made = simulated(given.output, given.seed, given.pairs)
    for known in real(given.data) if given.data else made:
        for kind in given.kinds:
            print(measured(known, kind, model), flush=True)


if __name__ == "__main__":
    main()
