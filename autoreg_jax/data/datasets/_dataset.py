"""The list of subjects, and the CSV file that holds one, read strictly."""

import csv
import difflib
import io
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from autoreg_jax.data.datasets._split import SPLITS, choose_splits
from autoreg_jax.data.images._reading import check_file
from autoreg_jax.errors import DataError

__all__ = ["Dataset", "Subject", "check_subjects", "read_csv", "read_table"]

REQUIRED = ("subject", "image")
OPTIONAL = ("labels", "split", "modality", "mask", "landmarks", "velocity")


@dataclass(frozen=True)
class Subject:
    """One image of a dataset and what belongs to it: a line of a dataset CSV.

    Attributes:
        name: Unique in the dataset.
        image: Image file.
        labels: Label map on the grid of the image, if there is one.
        split: `train`, `validation` or `test`.
        modality: Free text such as `t1`; None where the column is missing or empty.
        mask: Mask file, if any.
        landmarks: CSV `name,x,y,z` of landmarks, world millimetres, if any.
        velocity: Stationary velocity that made a simulated subject, voxels, if any.
    """

    name: str
    image: Path
    labels: Path | None
    split: str
    modality: str | None = None
    mask: Path | None = None
    landmarks: Path | None = None
    velocity: Path | None = None


@dataclass(frozen=True)
class Dataset:
    """The subjects of a dataset in the order of its lines, or of their names.

    Attributes:
        path: The file or the folder that was read.
        subjects: All of them.
        notes: What was concluded and is written nowhere, in sentences: what the files
            were taken for, how the splits were chosen.
    """

    path: Path
    subjects: tuple[Subject, ...]
    notes: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """Where the dataset lies."""
        return self.path if self.path.is_dir() else self.path.parent

    def split(self, name: str) -> tuple[Subject, ...]:
        """Subjects of one split.

        Args:
            name: `train`, `validation` or `test`.

        Returns:
            At least two subjects.

        Raises:
            DataError: If the dataset has no subject in this split, or there is no split
                of this name.
        """
        chosen = tuple(s for s in self.subjects if s.split == name)
        if not chosen:
            present = [n for n in SPLITS if any(s.split == n for s in self.subjects)]
            raise DataError(
                f"{self.path}: no subject is in the split {name!r}; the splits with "
                f"subjects are {', '.join(present)}. Assign two or more subjects to it "
                "in the column 'split' of a dataset CSV."
            )
        return chosen


def read_csv(path: Path) -> Dataset:
    """Read a dataset CSV and check every line of it.

    The columns are `subject,image` and, where there is something to say, `labels`,
    `split`, `modality`, `mask`, `landmarks`, `velocity`. Paths are relative to the CSV
    file. Without the column `split` the splits are chosen by the names.

    Args:
        path: The CSV file, UTF-8, comma separated, with a line of column names.

    Returns:
        The subjects; every file that they name exists.

    Raises:
        DataError: If the file is missing, empty or not such a table, a column is
            missing or unknown, a subject appears twice, a split has an unknown name or
            a single subject, or a file does not exist.
    """
    table = read_table(path, REQUIRED, OPTIONAL)
    notes: tuple[str, ...] = ()
    if "split" not in table[0][1]:
        names = [row["subject"] for _, row in table]
        splits, note = choose_splits(path, names)
        table = [
            (line, row | {"split": split})
            for (line, row), split in zip(table, splits, strict=True)
        ]
        notes = (note,)
    subjects = tuple(_subject(row, path, line) for line, row in table)
    check_subjects(path, subjects)
    return Dataset(path, subjects, notes)


def check_subjects(path: Path, subjects: tuple[Subject, ...]) -> None:
    """Make sure that names are unique and that every split can form a pair.

    Args:
        path: What was read, for messages.
        subjects: The subjects of all splits.

    Raises:
        DataError: If a name appears twice or a split has a single subject.
    """
    for name, count in Counter(s.name for s in subjects).items():
        if count > 1:
            raise DataError(
                f"{path}: the subject {name!r} appears {count} times; give every line "
                "a name of its own."
            )
    for name, count in Counter(s.split for s in subjects).items():
        if count < 2:
            raise DataError(
                f"{path}: the split {name!r} has {count} subject; a pair needs two. "
                "Move subjects between the splits or leave this one out."
            )


def read_table(
    path: Path, required: tuple[str, ...], optional: tuple[str, ...] = ()
) -> list[tuple[int, dict[str, str]]]:
    """Read a CSV file with known columns.

    Args:
        path: The file.
        required: Columns that must be there, with a value in every line.
        optional: Columns that may be there, and cells of which may be empty.

    Returns:
        Line number and cells by column, spaces around them removed; no column is added.

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
                "add what is missing, and quote a cell that holds a comma."
            )
        cells = dict(zip(columns, row, strict=True))
        for column in required:
            if not cells[column]:
                raise DataError(f"{path}, line {number}: the cell {column!r} is empty.")
        table.append((number, cells))
    return table


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
                f"{path}: unknown column {column!r}; {hint} Allowed are "
                f"{','.join(known)}."
            )
        if count > 1:
            raise DataError(f"{path}: the column {column!r} appears {count} times.")


def _subject(cells: dict[str, str], path: Path, line: int) -> Subject:
    """Turn one line into a subject whose files exist."""
    where = f"{path}, line {line}, subject {cells['subject']!r}"
    if cells["split"] not in SPLITS:
        raise DataError(
            f"{where}: unknown split {cells['split']!r}; write one of "
            f"{', '.join(SPLITS)}, or leave the column out to have them chosen."
        )

    def file(column: str) -> Path | None:
        if not cells.get(column):
            return None
        found = path.parent / cells[column]
        check_file(found, f"{where}, column {column!r}")
        return found

    image = path.parent / cells["image"]
    check_file(image, f"{where}, column 'image'")
    return Subject(
        name=cells["subject"],
        image=image,
        labels=file("labels"),
        split=cells["split"],
        modality=cells.get("modality") or None,
        mask=file("mask"),
        landmarks=file("landmarks"),
        velocity=file("velocity"),
    )
