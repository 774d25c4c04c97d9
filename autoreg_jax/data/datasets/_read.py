"""Reads a dataset of any form; CSV files, the usual one, are read here, strictly."""

import csv
import difflib
import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from autoreg_jax.data.datasets._bids import is_bids, read_bids
from autoreg_jax.data.datasets._dataset import (
    SPLITS,
    Dataset,
    Subject,
    check_file,
    choose_splits,
)
from autoreg_jax.data.datasets._folder import read_folder
from autoreg_jax.data.datasets._learn2reg import find_description, read_learn2reg
from autoreg_jax.errors import DataError

__all__ = [
    "STRUCTURES_FILE",
    "existing_files",
    "read_dataset",
    "read_structures",
    "read_table",
]

STRUCTURES_FILE = "structures.csv"
_FILES = ("labels", "mask", "landmarks", "velocity")


def read_dataset(path: Path | str) -> Dataset:
    """Read the list of subjects of a dataset and check it.

    The path decides how:

    - a CSV file, or a folder with a `dataset.csv`. The columns are `subject,image` and
      optionally `labels`, `split`, `modality`, `mask`, `landmarks`, `velocity`; paths
      are relative to the CSV file;
    - a Learn2Reg `dataset.json`, or a folder with a `*dataset.json` of that format;
    - a BIDS folder: `sub-*/[ses-*/]anat/*_T1w.nii.gz` or `*_T2w.nii.gz`, labels from
      `derivatives/**/*_dseg.nii.gz`;
    - a folder of scans: a label map has the name of its image with `_seg`, `_labels` or
      the like at the end, or is in a folder `labels`.

    Splits that are not given are chosen by the names of the subjects, the same on every
    machine.

    Args:
        path: File or folder.

    Returns:
        The subjects, whose files all exist, and notes on what was inferred.

    Raises:
        DataError: If there is no dataset, it is not such a table, a column is missing
            or unknown, a file does not exist, a subject appears twice, or a split has
            an unknown name or a single subject.
    """
    path = Path(path)
    if path.is_dir():
        if (path / "dataset.csv").is_file():
            return _read_csv(path / "dataset.csv")
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
            f"{path}: not a dataset; name a CSV file (.csv), a Learn2Reg dataset.json, "
            "or a folder of scans."
        )
    return _read_csv(path)


def _read_csv(path: Path) -> Dataset:
    """The subjects of a CSV file, one a line."""
    table = read_table(path, ("subject", "image"), (*_FILES, "split", "modality"))
    notes: tuple[str, ...] = ()
    splits = [cells.get("split", "") for _, cells in table]
    if "split" not in table[0][1]:
        splits, note = choose_splits(path, [cells["subject"] for _, cells in table])
        notes = (note,)
    subjects = []
    for (line, cells), split in zip(table, splits, strict=True):
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
                **files,
            )
        )
    return Dataset(path, tuple(subjects), notes)


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
    files = {name: path.parent / cells[name] for name in columns if cells.get(name)}
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
