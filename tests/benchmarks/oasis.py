"""OASIS at 2 mm with the 30 structures that are scored: a dataset.csv for the commands.

    python -m tests.benchmarks.oasis --data FOLDER -o oasis30
    autoreg reproduce table2 --data oasis30 --config default
    autoreg register --pairs oasis30/pairs.csv -o moved/ --refine 60

`FOLDER` holds `oasis2mm`, `ixi2mm`, `labels.csv` and `splits.json`. The subjects of the
suggested validation split are for testing here; three of the others judge the search.
`pairs.csv` holds the suggested pairs.
"""

import argparse
import csv
import json
import os
from pathlib import Path

import nibabel as nib
import numpy as np

JUDGES = ("1014", "1101", "1107")


def structures(table: Path) -> np.ndarray:
    """Code of the scored structure of each label value, 0 for none."""
    codes = np.zeros(256, np.uint8)
    with table.open() as file:
        for row in csv.DictReader(file):
            if row["in_eval30"] == "1":
                codes[int(row["id"])] = int(row["aseg_id"])
    return codes


def write(data: Path, output: Path, *, with_ixi: bool) -> Path:
    """Write label maps and dataset.csv; images are named where they are.

    Args:
        data: Folder of the data sets.
        output: Folder to write, made if missing.
        with_ixi: Train on the subjects of IXI too, which have no labels here.

    Returns:
        The dataset.csv.
    """
    codes = structures(data / "labels.csv")
    splits = json.loads((data / "splits.json").read_text())
    output.mkdir(parents=True, exist_ok=True)
    rows = []
    for subject in (*splits["oasis"]["train"], *splits["oasis"]["val"]):
        labels = nib.nifti1.load(data / "oasis2mm" / f"{subject}_seg.nii.gz")
        coded = codes[np.asarray(labels.dataobj)]
        path = output / f"{subject}_30.nii.gz"
        nib.save(nib.nifti1.Nifti1Image(coded, labels.affine), path)
        split = "test" if subject in splits["oasis"]["val"] else "train"
        split = "validation" if subject in JUDGES else split
        image = data / "oasis2mm" / f"{subject}_t1.nii.gz"
        name = "" if with_ixi and split == "train" else path.name
        rows.append((subject, os.path.relpath(image, output), name, split))
    if with_ixi:
        for subject in (*splits["ixi"]["train"], *splits["ixi"]["val"]):
            image = data / "ixi2mm" / f"{subject}_t1.nii.gz"
            rows.append((subject, os.path.relpath(image, output), "", "train"))
    table = output / "dataset.csv"
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("subject", "image", "labels", "split"))
        writer.writerows(rows)
    with (output / "pairs.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("fixed", "moving", "fixed_labels", "moving_labels"))
        for moving, fixed in splits["oasis"]["val_pairs"]:
            paths = [
                data / "oasis2mm" / f"{name}_t1.nii.gz" for name in (fixed, moving)
            ]
            names = [os.path.relpath(path, output) for path in paths]
            writer.writerow((*names, f"{fixed}_30.nii.gz", f"{moving}_30.nii.gz"))
    return table


def main() -> None:
    """Write the data set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--with-ixi", action="store_true")
    arguments = parser.parse_args()
    print(write(arguments.data, arguments.output, with_ixi=arguments.with_ixi))


if __name__ == "__main__":
    main()
