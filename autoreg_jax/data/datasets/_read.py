"""Reads a dataset of any form; the usual one, a CSV file of subjects, is read here."""

import warnings
from collections.abc import Sequence
from pathlib import Path

from autoreg_jax.data.datasets._bids import is_bids, read_bids
from autoreg_jax.data.datasets._dataset import SPLITS, Dataset, Subject, check_file
from autoreg_jax.data.datasets._description import find_description, read_description
from autoreg_jax.data.datasets._folder import read_folder
from autoreg_jax.data.datasets._listed import (
    lists_pairs,
    read_images_of_pairs,
    with_pairs,
)
from autoreg_jax.data.datasets._people import in_words, people_of
from autoreg_jax.data.datasets._same_images import check_images
from autoreg_jax.data.datasets._splits import (
    Assigned,
    Choose,
    choose_splits,
    given_splits,
)
from autoreg_jax.data.datasets._subject_folders import (
    find_subject_folders,
    read_subject_folders,
)
from autoreg_jax.data.datasets._table import existing_files, read_table
from autoreg_jax.errors import DataError, ImageWarning

__all__ = [
    "STRUCTURES_FILE",
    "read_dataset",
    "read_structures",
]

STRUCTURES_FILE = "structures.csv"
_FILES = ("labels", "mask", "lesion", "landmarks", "velocity")
# Further images of a subject.
_CHANNELS = ("image_2", "image_3", "image_4")


def read_dataset(
    path: Path | str, *, held_out: bool = False, pairs: Path | str | None = None
) -> Dataset:
    """Read the list of subjects of a dataset and check it.

    The path decides how:

    - a CSV file, or a folder with a `dataset.csv`. The columns are `subject,image` and
      optionally `labels`, `split`, `modality`, `person`, `mask`, `lesion`,
      `landmarks`, `velocity`; paths are relative to the CSV file. Further images of
      each subject, channels, are `image_2` to `image_4`;
    - a CSV file of pairs, with the columns `fixed` and `moving` as described below: its
      images are the subjects;
    - a `dataset.json` of Learn2Reg, Medical Segmentation Decathlon or nnU-Net, or a
      folder with a `*dataset.json` of these formats;
    - a BIDS folder, raw or derivatives: `sub-*/[ses-*/]anat/*_T1w.nii.gz` or
      `*_T2w.nii.gz`, labels from `*_dseg.nii.gz`;
    - a folder of FreeSurfer subjects or of the OASIS data of Learn2Reg 2021;
    - a folder of scans: a label map has the name of its image with `_seg`, `_labels` or
      the like at the end, or is in a folder `labels`.

    Splits that are given are kept; the others are chosen by the names of the subjects,
    the same on every machine, so that a person stays in one of them. Who that is says
    the dataset; without, names and folders such as `anna_2019` or `anna/followup` do,
    where they leave no doubt. An image that appears twice, by path or by content, is
    refused across splits; within a split it is warned about.

    A list of pairs is a CSV file with the columns `fixed` and `moving`, subjects of the
    dataset or image files (relative to the list), and optionally `split`,
    `fixed_labels`, `fixed_mask`, `fixed_lesion` and `fixed_landmarks`, and the same
    columns for the moving image, such as `moving_labels`. Both images of a pair are in
    one split, which the list says where the dataset does not; where neither does, pairs
    that share an image or a person stay together.

    Args:
        path: File or folder.
        held_out: Nothing of it is for training: a subject for which no split is given
            is in `test`, and any number of them will do.
        pairs: List of the only pairs to be registered; other subjects are left out.

    Returns:
        The subjects, whose files all exist, and notes on what was inferred.

    Raises:
        DataError: If there is no dataset, it is not such a table, a column is missing
            or unknown, a file does not exist, a subject appears twice, an image is in
            two splits, or a split has an unknown name or a single subject; or if the
            list names what is no subject, a pair twice, an image with itself, or a pair
            of two splits.
    """
    path = Path(path)
    own = _table_of(path)
    lists = [own] if own is not None and lists_pairs(own) else []
    if lists:
        dataset = read_images_of_pairs(lists[0])
    else:
        is_chosen = not held_out and pairs is None
        dataset = _read(path, choose_splits if is_chosen else given_splits)
    if pairs is not None:
        lists.append(Path(pairs))
    for table in lists:
        dataset = with_pairs(dataset, table, held_out=held_out)
    for subject in dataset.subjects:
        others = (subject.labels, subject.mask, subject.lesion, *subject.more_images)
        for file in filter(None, (subject.image, *others)):
            check_file(file, f"{dataset.path}, subject {subject.name!r}")
    _warn_of_divided_people(dataset)
    check_images(dataset)
    return dataset


def _table_of(path: Path) -> Path | None:
    """The CSV file that is the dataset, if it is one."""
    table = path / "dataset.csv" if path.is_dir() else path
    return table if table.is_file() else None


def _read(path: Path, choose: Choose) -> Dataset:
    if path.is_dir():
        if table := _table_of(path):
            return _read_csv(table, choose)
        if description := find_description(path):
            return read_description(description, choose)
        if is_bids(path):
            return read_bids(path, choose)
        if layout := find_subject_folders(path):
            return read_subject_folders(path, layout, choose)
        return read_folder(path, choose)
    if not path.exists():
        raise DataError(
            f"dataset: {path} does not exist; name a CSV file, a dataset.json, or "
            "a folder of scans."
        )
    kind = path.suffix.lower()
    if kind == ".json":
        return read_description(path, choose)
    if kind not in (".csv", ".txt"):
        raise DataError(
            f"{path}: not a dataset; name a CSV file (.csv), a dataset.json of "
            "Learn2Reg, Decathlon or nnU-Net, or a folder of scans."
        )
    return _read_csv(path, choose)


def _read_csv(path: Path, choose: Choose) -> Dataset:
    """The subjects of a CSV file, one a line."""
    texts = "split", "modality", "person"
    table = read_table(path, ("subject", "image"), (*_FILES, *_CHANNELS, *texts))
    notes: tuple[str, ...] = ()
    splits = [Assigned(c.get("split", ""), "column 'split'") for _, c in table]
    named = people_of([cells["subject"] for _, cells in table])
    people = [
        cells.get("person") or name
        for (_, cells), name in zip(table, named, strict=True)
    ]
    if "split" not in table[0][1]:
        splits, note = choose(path, people)
        notes = (note,) if note else ()
    subjects = []
    for (line, cells), (split, why), person in zip(table, splits, people, strict=True):
        where = f"{path}, line {line}, subject {cells['subject']!r}"
        if split not in SPLITS:
            raise DataError(
                f"{where}: unknown split {split!r}; write one of {', '.join(SPLITS)}, "
                "or remove the column to have them chosen."
            )
        files = existing_files(path, cells, ("image", *_FILES, *_CHANNELS), where)
        more = tuple(files.pop(name) for name in _CHANNELS if name in files)
        subjects.append(
            Subject(
                name=cells["subject"],
                image=files.pop("image"),
                labels=files.pop("labels", None),
                split=split,
                modality=cells.get("modality") or None,
                why=why,
                person=person,
                more_images=more,
                **files,
            )
        )
    if "person" not in table[0][1]:
        note = in_words(people, [subject.name for subject in subjects])
        notes = (*filter(None, [note]), *notes)
    if count := max(len(subject.more_images) for subject in subjects):
        notes += (
            f"Each subject has {1 + count} images, which the network sees together. "
            "Grid, intensities and similarity are those of the first, the column "
            "'image'; the others are scaled by their own percentiles.",
        )
    return Dataset(path, tuple(subjects), notes)


def _warn_of_divided_people(dataset: Dataset) -> None:
    """Warn if scans of one person are in several splits."""
    found: dict[str | None, dict[str, str]] = {}
    for subject in dataset.subjects:
        found.setdefault(subject.person, {}).setdefault(subject.split, subject.name)
    divided = [by_split for by_split in found.values() if len(by_split) > 1]
    if divided:
        words = " and ".join(f"{name!r} ({s})" for s, name in divided[0].items())
        more = f", and {len(divided) - 1} more are" if len(divided) > 1 else ""
        warnings.warn(
            f"{dataset.path}: {words} seem to be scans of one person in "
            f"several splits{more}; give all scans of a person the same split.",
            ImageWarning,
            stacklevel=3,
        )


def read_structures(dataset: Dataset, values: Sequence[int]) -> tuple[str, ...]:
    """Names of label values, from `structures.csv` (`value,name`) beside the dataset.

    A value without a name is its own name.
    """
    names: dict[str, str] = {}
    path = dataset.folder / STRUCTURES_FILE
    if path.exists():
        table = read_table(path, ("value", "name"))
        names = {cells["value"]: cells["name"] for _, cells in table}
    return tuple(names.get(str(value), str(value)) for value in values)
