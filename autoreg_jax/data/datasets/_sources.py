"""Reads a dataset of any form: a CSV, Learn2Reg, BIDS, or a folder of scans."""

from pathlib import Path

from autoreg_jax.data.datasets._bids import is_bids, read_bids
from autoreg_jax.data.datasets._dataset import Dataset, read_csv
from autoreg_jax.data.datasets._folder import read_folder
from autoreg_jax.data.datasets._learn2reg import find_description, read_learn2reg
from autoreg_jax.errors import DataError

__all__ = ["read_dataset"]


def read_dataset(path: Path | str) -> Dataset:
    """Read the list of subjects of a dataset and check it.

    What is read is decided by the path:

    - a CSV file `subject,image,labels,split` (`modality,mask,landmarks` are optional,
      paths relative to it), or a folder with such a `dataset.csv`;
    - a Learn2Reg `dataset.json`, or a folder with a `*dataset.json` of that format;
    - a BIDS folder: `sub-*/[ses-*/]anat/*_T1w.nii.gz` or `*_T2w.nii.gz`, labels from
      `derivatives/**/*_dseg.nii.gz`;
    - a folder of scans: label maps are named as their image with `_seg`, `_labels` or
      the like at the end, or lie in a folder `labels`.

    Splits that are not given are chosen by the names of the subjects, the same on every
    machine.

    Args:
        path: File or folder.

    Returns:
        The subjects, every file of which exists, and notes on what was concluded.

    Raises:
        DataError: If there is no dataset, a file that it names does not exist, or a
            line, a name or a split is not as needed; the message says which and why.
    """
    path = Path(path)
    if path.is_dir():
        if (path / "dataset.csv").is_file():
            return read_csv(path / "dataset.csv")
        if description := find_description(path):
            return read_learn2reg(description)
        return read_bids(path) if is_bids(path) else read_folder(path)
    if not path.exists():
        raise DataError(
            f"dataset: {path} does not exist; name a CSV file, a Learn2Reg "
            "dataset.json, or a folder of scans."
        )
    kind = path.suffix.lower()
    if kind == ".json":
        return read_learn2reg(path)
    if kind not in (".csv", ".txt"):
        raise DataError(
            f"{path}: is no dataset; name a CSV file (.csv), a Learn2Reg dataset.json, "
            "or a folder of scans."
        )
    return read_csv(path)
