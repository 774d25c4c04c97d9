"""Reads a dataset of any form; CSV files, the usual one, are read here, strictly."""

import csv
import difflib
import io
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from autoreg_jax.data.datasets._bids import is_bids, read_bids
from autoreg_jax.data.datasets._dataset import SPLITS, Dataset, Subject, check_file
from autoreg_jax.data.datasets._description import find_description, read_description
from autoreg_jax.data.datasets._folder import read_folder
from autoreg_jax.data.datasets._names import located, people_of
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
from autoreg_jax.errors import DataError, ImageWarning

__all__ = [
    "STRUCTURES_FILE",
    "existing_files",
    "read_dataset",
    "read_structures",
    "read_table",
]

STRUCTURES_FILE = "structures.csv"
_FILES = ("labels", "mask", "landmarks", "velocity")


def read_dataset(path: Path | str, *, held_out: bool = False) -> Dataset:
    """Read the list of subjects of a dataset and check it.

    The path decides how:

    - a CSV file, or a folder with a `dataset.csv`. The columns are `subject,image` and
      optionally `labels`, `split`, `modality`, `person`, `mask`, `landmarks`,
      `velocity`; paths are relative to the CSV file;
    - a `dataset.json` of Learn2Reg, Medical Segmentation Decathlon or nnU-Net, or a
      folder with a `*dataset.json` of these formats;
    - a BIDS folder, raw or derivatives: `sub-*/[ses-*/]anat/*_T1w.nii.gz` or
      `*_T2w.nii.gz`, labels from `*_dseg.nii.gz`;
    - a folder of FreeSurfer subjects or of the OASIS data of Learn2Reg 2021;
    - a folder of scans: a label map has the name of its image with `_seg`, `_labels` or
      the like at the end, or is in a folder `labels`.

    Splits that are given are kept; the others are chosen by the names of the subjects,
    the same on every machine. An image that appears twice, by path or by content, is
    refused across splits; within a split it is warned about.

    Args:
        path: File or folder.
        held_out: Nothing of it is for training: a subject for which no split is given
            is in `test`, and any number of them will do.

    Returns:
        The subjects, whose files all exist, and notes on what was inferred.

    Raises:
        DataError: If there is no dataset, it is not such a table, a column is missing
            or unknown, a file does not exist, a subject appears twice, an image is in
            two splits, or a split has an unknown name or a single subject.
    """
    dataset = _read(Path(path), given_splits if held_out else choose_splits)
    for subject in dataset.subjects:
        for file in filter(None, (subject.image, subject.labels, subject.mask)):
            check_file(file, f"{dataset.path}, subject {subject.name!r}")
    check_images(dataset)
    if all(subject.person for subject in dataset.subjects):
        return dataset
    people = people_of([subject.name for subject in dataset.subjects])
    named = tuple(
        replace(one, person=one.person or person)
        for one, person in zip(dataset.subjects, people, strict=True)
    )
    return replace(dataset, subjects=named)


def _read(path: Path, choose: Choose) -> Dataset:
    if path.is_dir():
        if (path / "dataset.csv").is_file():
            return _read_csv(path / "dataset.csv", choose)
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
    table = read_table(path, ("subject", "image"), (*_FILES, *texts))
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
        files = existing_files(path, cells, ("image", *_FILES), where)
        subjects.append(
            Subject(
                name=cells["subject"],
                image=files.pop("image"),
                labels=files.pop("labels", None),
                split=split,
                modality=cells.get("modality") or None,
                why=why,
                person=person,
                **files,
            )
        )
    dataset = Dataset(path, tuple(subjects), notes)
    _warn_of_divided_people(dataset)
    return dataset


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
            stacklevel=4,
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


def read_table(
    path: Path, required: tuple[str, ...], optional: tuple[str, ...] = ()
) -> list[tuple[int, dict[str, str]]]:
    """Read a CSV file with known columns.

    Args:
        path: The file, UTF-8, comma separated, with a line of column names.
        required: Columns that must be present, with a value in every line.
        optional: Columns that may be missing, or have empty cells.

    Returns:
        Line number and cells by column, without surrounding spaces.

    Raises:
        DataError: If the file is missing, is not a text table, has no lines, or its
            columns or cells are not as required.
    """
    check_file(path, "CSV file")
    try:
        text = path.read_text(encoding="utf-8-sig")
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        lines = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{path}: not a CSV file in UTF-8 ({error}); export it again as such."
        ) from error
    lines = [(number, row) for number, row in lines if any(row)]
    if len(lines) < 2:
        raise DataError(
            f"{path}: the file is empty; it needs a line of column names "
            f"({','.join(required)}) and one line for each entry."
        )
    columns = lines[0][1]
    _check_columns(path, columns, required, optional)
    table = []
    for number, row in lines[1:]:
        if len(row) != len(columns):
            raise DataError(
                f"{path}, line {number}: {len(row)} cells for {len(columns)} columns; "
                "add the missing ones, and quote a cell that contains a comma."
            )
        cells = dict(zip(columns, row, strict=True))
        for column in required:
            if not cells[column]:
                raise DataError(f"{path}, line {number}: the cell {column!r} is empty.")
        table.append((number, cells))
    return table


def existing_files(
    path: Path, cells: dict[str, str], columns: Sequence[str], where: str
) -> dict[str, Path]:
    """The files that the cells of a line name, relative to the table; all exist."""
    files = {
        name: located(path.parent, cells[name]) for name in columns if cells.get(name)
    }
    for column, file in files.items():
        check_file(file, f"{where}, column {column!r}")
    return files


def _check_columns(
    path: Path,
    columns: list[str],
    required: tuple[str, ...],
    optional: tuple[str, ...],
) -> None:
    """Refuse missing, unknown and repeated columns."""
    known = (*required, *optional)
    for column in required:
        if column not in columns:
            raise DataError(
                f"{path}: the column {column!r} is missing; found {','.join(columns)}. "
                f"The first line must name {','.join(required)}, separated by commas."
            )
    for column, count in Counter(columns).items():
        if column not in known:
            near = difflib.get_close_matches(column, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else "remove it."
            raise DataError(
                f"{path}: unknown column {column!r}; {hint} Known columns: "
                f"{','.join(known)}."
            )
        if count > 1:
            raise DataError(f"{path}: the column {column!r} appears {count} times.")
