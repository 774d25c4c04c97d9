"""Reads a list of pairs: of the subjects of a dataset, or as a dataset of its own."""

import csv
import difflib
import os
from dataclasses import replace
from pathlib import Path

from autoreg_jax.data.datasets._dataset import SPLITS, Dataset, PairList, Subject
from autoreg_jax.data.datasets._folder import names_of
from autoreg_jax.data.datasets._listed_splits import ListedPair, splits_of
from autoreg_jax.data.datasets._names import located, scan_parts, stem
from autoreg_jax.data.datasets._people import in_words, people_of_files
from autoreg_jax.data.datasets._splits import NOT_GIVEN
from autoreg_jax.data.datasets._table import existing_files, read_table
from autoreg_jax.errors import DataError

__all__ = ["lists_pairs", "read_images_of_pairs", "with_pairs"]

_SIDES = ("fixed", "moving")
_KINDS = ("labels", "mask", "lesion", "landmarks")
_OPTIONAL = ("split", *(f"{side}_{kind}" for kind in _KINDS for side in _SIDES))


def lists_pairs(path: Path) -> bool:
    """Whether a CSV file lists pairs of images, not subjects."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            columns = {cell.strip() for cell in next(csv.reader(file), [])}
    except (OSError, UnicodeDecodeError, csv.Error):
        return False
    return {*_SIDES} <= columns and "subject" not in columns


def read_images_of_pairs(path: Path) -> Dataset:
    """The images of a list of pairs as subjects, named after their files.

    Their splits are not known, nor their other files: `with_pairs` adds what the lines
    say.
    """
    images: dict[Path, Path] = {}
    for line, cells in read_table(path, _SIDES, _OPTIONAL):
        files = existing_files(path, cells, _SIDES, f"{path}, line {line}")
        for side in _SIDES:
            images.setdefault(files[side].resolve(), files[side])
    files, stems = [*images.values()], [*map(stem, images.values())]
    parent = os.path.commonpath([image.parent for image in images])
    folders = [image.parent.relative_to(parent).parts for image in images]
    names = names_of(files)
    if len(set(names)) < len(names):
        names = ["_".join((*f, s)) for f, s in zip(folders, stems, strict=True)]
    people = people_of_files(names, stems, folders)
    note = in_words(people, names)
    subjects = tuple(
        Subject(
            name=name,
            image=image,
            labels=None,
            split="test",
            modality=scan_parts(stem(image))[1],
            why=NOT_GIVEN,
            person=person,
        )
        for name, image, person in zip(names, files, people, strict=True)
    )
    return Dataset(path, subjects, (note,) if note else ())


def with_pairs(dataset: Dataset, path: Path, *, held_out: bool = False) -> Dataset:
    """The subjects of a dataset that are in listed pairs, with these pairs.

    Args:
        dataset: Read by `given_splits`.
        path: CSV file with the columns `fixed` and `moving`, names of subjects or image
            files, and optionally `split`, and label maps, masks, lesions and landmarks
            of both images, named as for `read_pairs`, for subjects that have none.
        held_out: Subjects without a split are for test.

    Raises:
        DataError: If the file is not such a table, names what is no subject, a pair
            twice or an image with itself, or gives a subject another file than it has;
            and as `splits_of`.
    """
    pairs, files = _read(path, dataset)
    subjects = {
        one.name: replace(one, **files.get(one.name, {})) for one in dataset.subjects
    }
    listed = {name for pair in pairs for name in (pair.moving, pair.fixed)}
    kept = [subjects[one.name] for one in dataset.subjects if one.name in listed]
    splits, note = splits_of(path, pairs, kept, held_out=held_out)
    split_of = {one.name: given.split for one, given in zip(kept, splits, strict=True)}
    counts = [
        (sum(split_of[pair.fixed] == split for pair in pairs), split)
        for split in SPLITS
    ]
    words = ", ".join(f"{count} {split}" for count, split in counts if count)
    notes = [f"The pairs that {path.name} lists, and no others: {words}.", note]
    left_out = [one.name for one in dataset.subjects if one.name not in listed]
    if left_out:
        notes.append(
            f"{len(left_out)} of {len(dataset.subjects)} subjects are in no listed "
            f"pair and are not used, such as {left_out[0]}."
        )
    return Dataset(
        dataset.path,
        tuple(
            replace(one, split=given.split, why=given.why)
            for one, given in zip(kept, splits, strict=True)
        ),
        (*dataset.notes, *filter(None, notes)),
        PairList(path, tuple((pair.moving, pair.fixed) for pair in pairs), files),
    )


def _read(
    path: Path, dataset: Dataset
) -> tuple[list[ListedPair], dict[str, dict[str, Path]]]:
    """The pairs, and the files that the lines add to subjects, by name and kind."""
    added: dict[str, dict[str, Path]] = {}
    subjects = {one.name: one for one in dataset.subjects}
    by_image = {one.image.resolve(): one.name for one in dataset.subjects}
    seen: dict[tuple[str, str], int] = {}
    pairs = []
    for line, cells in read_table(path, _SIDES, _OPTIONAL):
        where = f"{path}, line {line}"
        names = {}
        for side in _SIDES:
            file = located(path.parent, cells[side])
            name = cells[side]
            if name not in subjects:
                name = by_image.get(file.resolve()) if file.is_file() else None
            if name is None:
                raise _unknown(f"{where}, column {side!r}", cells[side], file, dataset)
            names[side] = name
            columns = [f"{side}_{kind}" for kind in _KINDS]
            for column, file in existing_files(path, cells, columns, where).items():
                kind = column.removeprefix(f"{side}_")
                known = getattr(subjects[name], kind) or added.get(name, {}).get(kind)
                if known is not None and known.resolve() != file.resolve():
                    raise DataError(
                        f"{where}, column {column!r}: {file}, but {name!r} has the "
                        f"{kind} {known} already; name one of them."
                    )
                added.setdefault(name, {})[kind] = file
        pair = ListedPair(**names, split=cells.get("split", ""), where=where)
        if pair.moving == pair.fixed:
            raise DataError(
                f"{where}: {pair.fixed!r} is paired with itself; a pair needs two "
                "images."
            )
        first = seen.setdefault((pair.moving, pair.fixed), line)
        if first != line:
            raise DataError(
                f"{where}: the pair {pair.moving} to {pair.fixed} is listed already, "
                f"in line {first}; remove one of the lines."
            )
        pairs.append(pair)
    return pairs, added


def _unknown(where: str, text: str, file: Path, dataset: Dataset) -> DataError:
    """The error of a cell that is no subject."""
    if file.is_file():
        return DataError(
            f"{where}: {text!r} is a file, but no image of {dataset.path}; add it to "
            "the dataset, or leave the pair out."
        )
    near = difflib.get_close_matches(text, [one.name for one in dataset.subjects], 1)
    advice = f"did you mean {near[0]!r}?" if near else "correct it, or remove the line."
    return DataError(
        f"{where}: {text!r} is neither a subject of {dataset.path} nor the image file "
        f"of one; {advice}"
    )
