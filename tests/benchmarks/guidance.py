"""What landmarks and label maps that guide a registration do to those that do not.

    python -m tests.benchmarks.guidance --data ../shared/data

Lungs: every second landmark guides, the others are measured, and the other way round.
Brains: every second structure guides, and the other way round. Registered without a
model, 100 steps a level.
"""

import argparse
import csv
import json
from pathlib import Path

import numpy as np

from autoreg_jax.data import read_image, read_labels
from autoreg_jax.geometry import Volume
from autoreg_jax.inference import Guide, label_overlap, register


def coarser(image: Volume, factor: int) -> Volume:
    """Reduce an image by block means; incomplete blocks are dropped."""
    shape = [size // factor for size in image.shape]
    array = image.array[tuple(slice(0, n * factor) for n in shape)]
    blocks = array.reshape([x for n in shape for x in (n, factor)])
    affine = image.affine.copy()
    affine[:3, 3] += image.affine[:3, :3].sum(1) * (factor - 1) / 2
    affine[:3, :3] *= factor
    return Volume(blocks.mean((1, 3, 5)).astype(np.float32), affine)


def lungs(folder: Path, factor: int) -> None:
    # The landmarks are in voxels of the whole images.
    whole = [read_image(folder / f"lung_{x}.nii.gz") for x in ("fixed", "moving")]
    fixed, moving = (coarser(image, factor) for image in whole)
    with (folder / "landmarks_voxel.csv").open() as file:
        rows = np.asarray([list(map(float, row)) for row in list(csv.reader(file))[1:]])
    points = [
        image.grid.to_world(rows[:, at])
        for image, at in zip(whole, (slice(-6, -3), slice(-3, None)), strict=True)
    ]
    before = np.linalg.norm(points[0] - points[1], axis=-1)
    print(f"lungs: {before.mean():.2f} mm before", flush=True)
    for guiding in (None, 0, 1):
        guide = None
        if guiding is not None:
            guide = Guide(landmarks=(points[0][guiding::2], points[1][guiding::2]))
        found = register(fixed, moving, affine="none", guide=guide)
        apart = found.points_to_moving(points[0]) - points[1]
        error = np.linalg.norm(apart, axis=-1)
        print(
            f"  guided by {'none' if guiding is None else f'{guiding}::2'}: "
            f"{error[0::2].mean():.2f} and {error[1::2].mean():.2f} mm, folding "
            f"{100 * found.folding_fraction:.4f} %, {found.seconds:.0f} s",
            flush=True,
        )


def brains(folder: Path, pairs: int) -> None:
    chosen = json.loads((folder / "splits.json").read_text())["oasis"]["val_pairs"]
    chosen = [list(map(str, names)) for names in chosen[:pairs]]
    folder = folder / "oasis2mm"
    results: dict[str, list[np.ndarray]] = {"none": [], "0::2": [], "1::2": []}
    folds = []
    for names in chosen:
        moving, fixed = (
            read_image(folder / "oasis2mm" / f"{name}_img.nii.gz") for name in names
        )
        maps = [
            read_labels(folder / "oasis2mm" / f"{name}_seg.nii.gz")
            for name in names[::-1]
        ]
        values = np.unique(maps[0].array)[1:]
        for name, scores in results.items():
            guide = None
            if name != "none":
                kept = values[int(name[0]) :: 2]
                some = [
                    Volume(np.where(np.isin(x.array, kept), x.array, 0), x.affine)
                    for x in maps
                ]
                guide = Guide(labels=(some[0], some[1]))
            found = register(fixed, moving, affine="none", guide=guide)
            after = label_overlap(found, *maps).after
            scores.append(np.array([np.nanmean(after[0::2]), np.nanmean(after[1::2])]))
            folds.append(found.folding_fraction)
            print(
                f"  {names} {name}: {scores[-1].round(4)}, {found.seconds:.0f} s",
                flush=True,
            )
    print(f"brains, {len(chosen)} pairs, Dice of the structures 0::2 and 1::2:")
    for name, scores in results.items():
        print(f"  guided by {name}: {np.mean(scores, 0).round(4)}")
    print(f"  most folding {100 * max(folds):.4f} %")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=4, help="of brains; 0 for none")
    parser.add_argument("--factor", type=int, default=1, help="on the voxels of lungs")
    options = parser.parse_args()
    lungs(options.data / "lung", options.factor)
    if options.pairs:
        brains(options.data, options.pairs)


if __name__ == "__main__":
    main()
