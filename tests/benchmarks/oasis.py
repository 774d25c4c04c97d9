"""OASIS at 2 mm with the 30 structures that are scored: a dataset.csv for the commands.

    python -m tests.benchmarks.oasis --data FOLDER -o oasis30
    python -m tests.benchmarks.oasis --data FOLDER -o oasis4 --grid 4
    autoreg reproduce table2 --data oasis4 --other-data oasis4/ixi
    autoreg register --pairs oasis30/pairs.csv -o moved/ --refine 60

`FOLDER` holds `oasis2mm`, `oasis2mm_t2like`, `ixi2mm`, `t1t2`, `labels.csv` and
`splits.json`. The subjects of the suggested validation split are for testing; three of
the others judge the search. `pairs.csv` holds the suggested pairs. With `--grid 4` both
images and labels are made coarser by blocks. With `--t2like` moving images are T1 and
fixed ones T2-like, and nobody is in two splits. `--more-judges` moves some subjects for
training to those that judge, without whom few pairs are left to search by. `--slice`
keeps the axial slice in the middle alone.
`ixi/dataset.csv`, with `--t2like` `patients/dataset.csv`, is there to train a model
elsewhere.
"""

import argparse
import csv
import json
import os
from pathlib import Path

import nibabel as nib
import numpy as np

JUDGES = ("1014", "1101", "1107")
# Who is in which split where contrasts differ; T2-like images exist of six subjects.
T1 = {
    "train": ("1002", "1007", "1008", "1009", "1011", "1012"),
    "validation": ("1013", "1014", "1107"),
    "test": ("1015", "1017", "1036", "1119", "1125"),
}
T2 = {"train": ("1000", "1001", "1010"), "validation": ("1006",)}
T2 |= {"test": ("1101", "1113")}
# Who judges instead of training with `--more-judges`.
MORE, MORE_T1, MORE_T2 = ("1010", "1011"), ("1011", "1012"), ("1010",)
PATIENTS = ("TCGA-DU-7294", "TCGA-FG-6692")
HEADER = ("subject", "image", "labels", "split", "modality")


def structures(table: Path) -> tuple[np.ndarray, dict[int, str]]:
    """Code of the scored structure of each label value, 0 for none, and its name."""
    codes, names = np.zeros(256, np.uint8), {}
    with table.open() as file:
        for row in csv.DictReader(file):
            if row["in_eval30"] == "1":
                code = int(row["aseg_id"])
                codes[int(row["id"])] = code
                names[code] = row["aseg_name"]
    return codes, names


def coarser(values: np.ndarray, *, is_labels: bool) -> np.ndarray:
    """Blocks of 2x2x2 voxels: their mean, or their most frequent label."""
    shape = [part for size in values.shape for part in (size // 2, 2)]
    blocks = values.reshape(shape).transpose(0, 2, 4, 1, 3, 5)
    blocks = blocks.reshape(*blocks.shape[:3], 8)
    if not is_labels:
        return np.rint(blocks.mean(-1)).astype(values.dtype)
    counts = (blocks[..., None, :] == blocks[..., :, None]).sum(-1)
    place = counts.argmax(-1)[..., None]
    return np.take_along_axis(blocks, place, -1)[..., 0]


class Writer:
    """Puts volumes on the grid that is asked for and names them below a folder."""

    def __init__(
        self, data: Path, output: Path, grid: int, *, is_slice: bool = False
    ) -> None:
        """Make the folder.

        Args:
            data: Folder of the data sets.
            output: Folder to write.
            grid: Voxel size, 2 or 4 mm.
            is_slice: Keep the slice in the middle alone.
        """
        self.data, self.output, self.grid = data, output, grid
        self.is_slice = is_slice
        self.codes, names = structures(data / "labels.csv")
        output.mkdir(parents=True, exist_ok=True)
        _table(output / "structures.csv", ("value", "name"), sorted(names.items()))

    def image(self, place: str) -> str:
        """An image of the data sets, by its path below their folder."""
        source = self.data / place
        if self.grid == 2 and not self.is_slice:
            return os.path.relpath(source, self.output)
        stored = nib.nifti1.load(source)
        return self._save(source.name, np.asarray(stored.dataobj), stored.affine)

    def labels(self, subject: str) -> str:
        """The structures of a subject."""
        stored = nib.nifti1.load(self.data / "oasis2mm" / f"{subject}_seg.nii.gz")
        codes = self.codes[np.asarray(stored.dataobj)]
        return self._save(f"{subject}_30.nii.gz", codes, stored.affine, is_labels=True)

    def _save(self, name, values, affine, *, is_labels=False):
        if self.grid != 2:
            values = coarser(values, is_labels=is_labels)
            affine = affine @ np.diag([2, 2, 2, 1.0])
            affine[:3, 3] -= affine[:3, :3].sum(1) / 4
        if self.is_slice:
            middle = values.shape[2] // 2
            values = values[:, :, middle : middle + 1]
            affine = affine.copy()
            affine[:3, 3] += middle * affine[:3, 2]
        nib.save(nib.nifti1.Nifti1Image(values, affine), self.output / name)
        return name


def _table(path, header, rows):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    return path


def write(
    data: Path,
    output: Path,
    *,
    with_ixi: bool,
    grid: int = 2,
    more_judges: bool = False,
    is_slice: bool = False,
) -> Path:
    """Write label maps and dataset.csv of one contrast.

    Args:
        data: Folder of the data sets.
        output: Folder to write, made if missing.
        with_ixi: Train on the subjects of IXI too, which have no labels here.
        grid: Voxel size, 2 or 4 mm.
        more_judges: Five subjects judge instead of three.
        is_slice: Keep the slice in the middle alone.

    Returns:
        The dataset.csv.
    """
    judges = JUDGES + MORE * more_judges
    splits = json.loads((data / "splits.json").read_text())
    writer, rows, images = Writer(data, output, grid, is_slice=is_slice), [], {}
    for subject in (*splits["oasis"]["train"], *splits["oasis"]["val"]):
        labels = writer.labels(subject)
        images[subject] = writer.image(f"oasis2mm/{subject}_t1.nii.gz")
        split = "test" if subject in splits["oasis"]["val"] else "train"
        split = "validation" if subject in judges else split
        name = "" if with_ixi and split == "train" else labels
        rows.append((subject, images[subject], name, split, "t1"))
    if with_ixi:
        rows += _ixi(writer, splits)
    else:
        apart = Writer(data, output / "ixi", grid, is_slice=is_slice)
        _table(output / "ixi" / "dataset.csv", HEADER, _ixi(apart, splits))
    pairs = [
        (images[fixed], images[moving], f"{fixed}_30.nii.gz", f"{moving}_30.nii.gz")
        for moving, fixed in splits["oasis"]["val_pairs"]
    ]
    header = ("fixed", "moving", "fixed_labels", "moving_labels")
    _table(output / "pairs.csv", header, pairs)
    return _table(output / "dataset.csv", HEADER, rows)


def _ixi(writer, splits):
    return [
        (subject, writer.image(f"ixi2mm/{subject}_t1.nii.gz"), "", "train", "t1")
        for subject in (*splits["ixi"]["train"], *splits["ixi"]["val"])
    ]


def write_t2like(
    data: Path, output: Path, *, grid: int = 2, more_judges: bool = False
) -> Path:
    """Write label maps and dataset.csv of T1 (moving) and T2-like images (fixed).

    Args:
        data: Folder of the data sets.
        output: Folder to write, made if missing.
        grid: Voxel size, 2 or 4 mm.
        more_judges: Ten pairs judge instead of three.

    Returns:
        The dataset.csv.
    """
    more = (*MORE_T1, *MORE_T2) if more_judges else ()
    writer, rows = Writer(data, output, grid), []
    for contrast, splits, folder in (
        ("t1", T1, "oasis2mm"),
        ("t2like", T2, "oasis2mm_t2like"),
    ):
        for split, subjects in splits.items():
            for subject in subjects:
                image = writer.image(f"{folder}/{subject}_{contrast}.nii.gz")
                labels = writer.labels(subject)
                kind = "validation" if subject in more else split
                modality = contrast.removesuffix("like")
                rows.append((subject, image, labels, kind, modality))
    apart = Writer(data, output / "patients", grid)
    patients = [
        (f"{patient}_{kind}", apart.image(f"t1t2/{patient}_2mm_{kind}.nii.gz"))
        for patient in PATIENTS
        for kind in ("t1", "t2")
    ]
    _table(
        output / "patients" / "dataset.csv",
        HEADER,
        [(name, image, "", "train", name[-2:]) for name, image in patients],
    )
    return _table(output / "dataset.csv", HEADER, rows)


def main() -> None:
    """Write the data set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--grid", type=int, choices=(2, 4), default=2)
    parser.add_argument("--with-ixi", action="store_true")
    parser.add_argument("--t2like", action="store_true")
    parser.add_argument("--more-judges", action="store_true")
    parser.add_argument("--slice", action="store_true", help="not with --t2like")
    arguments = parser.parse_args()
    where = arguments.data, arguments.output
    how = {"grid": arguments.grid, "more_judges": arguments.more_judges}
    if arguments.t2like:
        print(write_t2like(*where, **how))
    else:
        with_ixi, is_slice = arguments.with_ixi, arguments.slice
        print(write(*where, with_ixi=with_ixi, is_slice=is_slice, **how))


if __name__ == "__main__":
    main()
