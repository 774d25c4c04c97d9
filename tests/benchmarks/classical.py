"""Registration without a model against ANTs SyN on pairs whose deformation is known.

    python -m tests.benchmarks.classical --data FOLDER [--case NAME] [--syn]
    python -m tests.benchmarks.classical --lung FOLDER

FOLDER holds `*.npz` with `moving`, `fixed`, `mask_fixed`, `disp_int16` and `disp_scale`
(the true displacement in voxels). One line a case and setting: mean end-point error in
the mask before and after, in voxels, seconds with and without compilation, and the
fraction of folded voxels. SyN needs antspyx (extra `peers`) and minutes a case.

The second FOLDER holds `lung_{fixed,moving}{,_mask}.nii.gz` and `landmarks_voxel.csv`:
the mean distance of corresponding points, with and without the masks.
"""

import argparse
import csv
import tempfile
import time
from pathlib import Path

import numpy as np

from autoreg_jax import inference
from autoreg_jax.data import read_image
from autoreg_jax.geometry import Volume

# Radius of the correlation and iterations a level, coarsest first.
SYN = ((4, (40, 20, 5)), (2, (40, 20, 5)), (2, (100, 70, 50, 20)))
# Pairs of two contrasts; for them SyN takes mutual information, and we MIND.
TWO_CONTRASTS = ("t1t2", "cubequant")


def error(displacement, truth, mask):
    """Mean end-point error in the mask, voxels."""
    return float(np.linalg.norm(displacement - truth, axis=-1)[mask].mean())


def folding(displacement):
    """Fraction of the voxels where the field folds."""
    slopes = [np.gradient(displacement[..., i]) for i in range(displacement.shape[-1])]
    matrix = np.moveaxis(np.array(slopes), (0, 1), (-2, -1))
    determinant = np.linalg.det(matrix + np.eye(displacement.shape[-1]))
    return float(np.mean(determinant <= 0))


def ours(fixed, moving, *, similarity, refine):
    """Displacement in voxels, seconds of the first and of a second call."""
    affine = np.diag([2.0, 2, 2, 1])
    volumes = [Volume(image, affine) for image in (fixed, moving)]
    results = [
        inference.register(
            *volumes, affine="none", refine=refine, similarity=similarity
        )
        for _ in range(2)
    ]
    return results[0].displacement_mm / 2, *(result.seconds for result in results)


def syn(fixed, moving, *, radius, iterations, is_multimodal):
    """The same of ANTs SyN without an affine step."""
    import ants

    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        done = ants.registration(
            ants.from_numpy(fixed),
            ants.from_numpy(moving),
            type_of_transform="SyNOnly",
            initial_transform="Identity",
            syn_metric="mattes" if is_multimodal else "CC",
            syn_sampling=32 if is_multimodal else radius,
            reg_iterations=iterations,
            outprefix=f"{folder}/",
        )
        seconds = time.perf_counter() - begin
        (field,) = [x for x in done["fwdtransforms"] if x.endswith("Warp.nii.gz")]
        return ants.image_read(field).numpy().reshape(*fixed.shape, -1), seconds


def lung(folder, refine):
    """Print the target registration error of a breathing lung, mm."""
    pair = [read_image(folder / f"lung_{side}.nii.gz") for side in ("fixed", "moving")]
    with (folder / "landmarks_voxel.csv").open() as file:
        rows = np.array([list(map(float, row)) for row in [*csv.reader(file)][1:]])
    fixed, moving = (
        rows[:, place : place + 3] @ image.affine[:3, :3].T + image.affine[:3, 3]
        for place, image in zip((0, 3), pair, strict=True)
    )
    before = np.linalg.norm(fixed - moving, axis=-1)
    masks = {
        f"{side}_mask": folder / f"lung_{side}_mask.nii.gz"
        for side in ("fixed", "moving")
    }
    for title, given in (("no masks", {}), ("masks", masks)):
        done = inference.register(*pair, refine=refine, **given)
        after = np.linalg.norm(done.points_to_moving(fixed) - moving, axis=-1)
        print(
            f"lung, {title}: {np.mean(before):.2f} to {np.mean(after):.2f} mm, median "
            f"{np.median(after):.2f}, largest {np.max(after):.1f}; "
            f"{done.seconds:.0f} s",
            flush=True,
        )


def main():
    """Print a line for each case and method."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--lung", type=Path)
    parser.add_argument("--case", action="append")
    parser.add_argument("--refine", type=int, default=100)
    parser.add_argument("--syn", action="store_true")
    options = parser.parse_args()
    if options.lung:
        lung(options.lung, options.refine)
    if not options.data:
        return
    print("| case | method | before | after | seconds (again) | folding |")
    print("| --- | --- | --- | --- | --- | --- |")
    for path in sorted(options.data.glob("*.npz")):
        if options.case and path.stem not in options.case:
            continue
        with np.load(path) as case:
            fixed, moving = (case[k].astype(np.float32) for k in ("fixed", "moving"))
            truth = case["disp_int16"].astype(np.float32) * case["disp_scale"]
            mask = case["mask_fixed"]
        before = error(np.zeros_like(truth), truth, mask)
        is_multimodal = any(word in path.stem for word in TWO_CONTRASTS)

        def show(
            method, field, seconds, path=path, before=before, truth=truth, mask=mask
        ):
            print(
                f"| {path.stem} | {method} | {before:.3f} | "
                f"{error(field, truth, mask):.3f} | {seconds} | {folding(field):.6f} |",
                flush=True,
            )

        similarity = "mind" if is_multimodal else "ncc"
        field, first, again = ours(
            fixed, moving, similarity=similarity, refine=options.refine
        )
        show(f"ours, {similarity}", field, f"{first:.1f} ({again:.1f})")
        for radius, iterations in SYN if options.syn else ():
            field, seconds = syn(
                fixed,
                moving,
                radius=radius,
                iterations=iterations,
                is_multimodal=is_multimodal,
            )
            name = "MI" if is_multimodal else f"CC {radius}"
            text = "x".join(map(str, iterations))
            show(f"SyN, {name}, {text}", field, f"{seconds:.1f}")


if __name__ == "__main__":
    main()
