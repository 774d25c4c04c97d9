"""Pairs whose deformation is known, as data sets for the bench.

    python -m tests.benchmarks.knownwarp --data FOLDER/knownwarp -o known
    autoreg bench known/brain_t1t1 --pairs known/brain_t1t1/pairs.csv

FOLDER/knownwarp holds `*.npz` with `moving`, `fixed`, `mask_fixed`, `disp_int16` and
`disp_scale`: the displacement in voxels of 2 mm. Pairs of one grid and the same
contrasts make one data set: `brain_t1t1`, `brain_t1t2`, `knee_dess`, `knee_cubequant`.
All images are for testing. `pairs.csv` names the true displacement and the mask in
which its error counts.
"""

import argparse
import csv
from pathlib import Path

import numpy as np

from autoreg_jax.data import write_volume
from autoreg_jax.geometry import Volume
from autoreg_jax.transforms import Grid, Transform

SETS = {
    "brain_t1t1": ("oasis1001_t1t1_small", "oasis1113_t1t1_large"),
    "brain_t1t2": ("tcga_du7294_t1t2_small", "tcga_fg6692_t1t2_large"),
    "knee_dess": ("knee_dess_dess",),
    "knee_cubequant": ("knee_dess_cubequant",),
}
AFFINE = np.diag([2.0, 2, 2, 1])


def write(source: Path, output: Path) -> None:
    """Write a data set from its cases.

    Args:
        source: Folder of the `*.npz`.
        output: Folder to write, named as in SETS.
    """
    subjects, pairs = [("subject", "image", "split")], []
    for case in SETS[output.name]:
        with np.load(source / f"{case}.npz") as stored:
            arrays = {
                "moving": stored["moving"].astype(np.float32),
                "fixed": stored["fixed"].astype(np.float32),
                "mask": stored["mask_fixed"].astype(np.int32),
            }
            vectors = stored["disp_int16"].astype(np.float32) * stored["disp_scale"]
        for kind, array in arrays.items():
            write_volume(output / f"{case}_{kind}.nii.gz", Volume(array, AFFINE))
        truth = Transform.displacement(
            vectors, Grid(vectors.shape[:3], AFFINE), voxels=True
        )
        truth.write(output / f"{case}_truth.nii.gz")
        names = [f"{case}_{kind}" for kind in ("moving", "fixed")]
        subjects += [(name, f"{name}.nii.gz", "test") for name in names]
        pairs.append(
            [f"{case}_{kind}.nii.gz" for kind in ("moving", "fixed", "truth", "mask")]
        )
    header = ["moving", "fixed", "displacement", "fixed_mask"]
    for name, rows in (("dataset", subjects), ("pairs", [header, *pairs])):
        with (output / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows(rows)


def main() -> None:
    """Write all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    for name in SETS:
        (arguments.output / name).mkdir(parents=True, exist_ok=True)
        write(arguments.data, arguments.output / name)
        print(arguments.output / name)


if __name__ == "__main__":
    main()
