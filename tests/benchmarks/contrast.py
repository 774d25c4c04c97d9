"""How alike the contrasts of real images are: `data.shared_contrast`.

    python -m tests.benchmarks.contrast --data FOLDER

`FOLDER` has `oasis2mm`, `oasis2mm_t2like`, `ixi2mm`, `hippocampus`, `t1t2`, `knee` and
`lung`. A line for each group of pairs, as volumes and as their middle slices.
"""

import argparse
import itertools
from pathlib import Path

import numpy as np

from autoreg_jax.data import content_of, read_image, shared_contrast
from autoreg_jax.geometry import Volume

GROUPS = {
    "OASIS T1": ("oasis2mm/*_t1.nii.gz", None),
    "IXI T1": ("ixi2mm/*_t1.nii.gz", None),
    "OASIS T1 to IXI T1": ("oasis2mm/*_t1.nii.gz", "ixi2mm/*_t1.nii.gz"),
    "hippocampus T1": ("hippocampus/images/*.nii.gz", None),
    "lung CT": ("lung/lung_fixed.nii.gz", "lung/lung_moving.nii.gz"),
    "knee, bent": ("knee/fair_knee_fixed.nii.gz", "knee/fair_knee_moving.nii.gz"),
    "patients' T1 to OASIS T1": ("t1t2/*2mm_t1.nii.gz", "oasis2mm/*_t1.nii.gz"),
    "patients' T2": ("t1t2/*2mm_t2.nii.gz", None),
    "T2-like": ("oasis2mm_t2like/*.nii.gz", None),
    "patients' T2 to T2-like": ("t1t2/*2mm_t2.nii.gz", "oasis2mm_t2like/*.nii.gz"),
    "OASIS T1 to T2-like": ("oasis2mm/*_t1.nii.gz", "oasis2mm_t2like/*.nii.gz"),
    "patients' T2 to OASIS T1": ("t1t2/*2mm_t2.nii.gz", "oasis2mm/*_t1.nii.gz"),
    "patients' T1 to T2": ("t1t2/*2mm_t1.nii.gz", "t1t2/*2mm_t2.nii.gz"),
    "knee, DESS to CubeQuant": ("knee/*dess*.nii.gz", "knee/*cube*.nii.gz"),
}
MOST = 8


def contents(folder: Path, pattern: str, cut: int | None) -> list:
    """What the first images of a group show, whole or in the middle of an axis."""
    found = []
    for path in sorted(folder.glob(pattern))[:MOST]:
        image = read_image(path)
        if cut is not None:
            array = np.take(image.array, image.shape[cut] // 2, cut)
            others = [axis for axis in (0, 1, 2) if axis != cut]
            affine = image.affine[:, [*others, cut, 3]]
            image = Volume(array, affine)
        found.append(content_of(image))
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    folder = parser.parse_args().data
    print("| | pairs | straight | explained | one contrast | slices, one contrast |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, (one, other) in GROUPS.items():
        cells, decided = [], []
        for cut in (None, 0, 1, 2):
            first = contents(folder, one, cut)
            if other is None:
                pairs = list(itertools.combinations(first, 2))
            else:
                pairs = list(itertools.product(first, contents(folder, other, cut)))
            found = [shared_contrast(*pair) for pair in pairs]
            known = [contrast for contrast in found if contrast is not None]
            decided += [(cut, contrast.is_one) for contrast in known]
            if cut is None:
                for values in (
                    [contrast.straight for contrast in known],
                    [contrast.explained for contrast in known],
                ):
                    low, middle, high = np.quantile(values, [0, 0.5, 1])
                    cells.append(f"{low:.2f} to {high:.2f} ({middle:.2f})")
                cells.insert(0, str(len(pairs)))
        whole = [is_one for cut, is_one in decided if cut is None]
        slices = [is_one for cut, is_one in decided if cut is not None]
        cells += [f"{sum(some)} of {len(some)}" for some in (whole, slices)]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
