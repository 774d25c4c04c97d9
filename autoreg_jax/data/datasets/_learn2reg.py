"""The description of a Learn2Reg task, `NAME_dataset.json`.

Its entries `training` (and `test`) list images with `label`, `mask` and `keypoints`;
`registration_val` lists pairs of validation images. Paths are relative to the file.
Image names are `TASK_0001_0000.nii.gz`: person, then number of the image.

Reference: https://learn2reg.grand-challenge.org
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from autoreg_jax.data.datasets._dataset import (
    SPLITS,
    Dataset,
    Subject,
    check_file,
    choose_splits,
)
from autoreg_jax.data.datasets._names import is_image_file, scan_parts, stem
from autoreg_jax.errors import DataError

__all__ = ["find_description", "read_learn2reg"]

# Keys of one image by what it is; `label` is spelled in both ways.
_LABELS, _MASK = ("label", "labels"), ("mask",)
_POINTS = re.compile(r"^(keypoints|landmarks)")


def find_description(folder: Path) -> Path | None:
    """The `*dataset.json` of a folder, if it is of this format."""
    found = sorted(folder.glob("*dataset.json"))
    return next((file for file in found if _is_description(file)), None)


def read_learn2reg(path: Path) -> Dataset:
    """Read a Learn2Reg `dataset.json`.

    Images of `registration_val` are for validation. Images of `test` are for test if
    the files exist; otherwise some of the training people are, chosen by name.

    Args:
        path: The JSON file.

    Returns:
        One subject for each image, named after its file.

    Raises:
        DataError: If the file is not of this format, an image or label map that it
            names does not exist, or a split has a single image.
    """
    content = _content(path)
    entries = {
        key: {_place(path, entry): entry for entry in _entries(path, content, key)}
        for key in ("training", "test")
    }
    files = entries["training"] | {
        file: entry
        for file, entry in entries["test"].items()
        if file.is_file() and file not in entries["training"]
    }
    if not files:
        raise DataError(
            f"{path}: the list 'training' is empty; download the data of the task, or "
            "list the images in a dataset CSV."
        )
    for file in files:
        check_file(file, f"{path}, image {stem(file)!r}")
    names = list(files)
    splits, notes = _splits(path, content, names, set(entries["test"]))
    modalities = content.get("modality")
    subjects = tuple(
        Subject(
            name=stem(file),
            image=file,
            labels=_file(path, files[file], _LABELS),
            split=split,
            modality=_modality(file, modalities),
            mask=_file(path, files[file], _MASK),
        )
        for file, split in zip(names, splits, strict=True)
    )
    if any(_POINTS.match(key) for entry in files.values() for key in entry):
        notes.append(
            "Key points correspond within a pair only and are not used; landmarks that "
            "correspond in all subjects can be listed in a dataset CSV."
        )
    task = content.get("name") or stem(path)
    return Dataset(path, subjects, (f"Learn2Reg, {task}.", *notes))


def _is_description(file: Path) -> bool:
    try:
        return "training" in json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        return False


def _content(path: Path) -> Mapping[str, Any]:
    check_file(path, "dataset")
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path}: not a JSON file ({error}); download it again."
        ) from error
    if not isinstance(content, dict) or "training" not in content:
        raise DataError(
            f"{path}: not a Learn2Reg description: the list 'training' is missing. "
            "Name the dataset.json of a task, a dataset CSV, or a folder of scans."
        )
    return content


def _entries(
    path: Path, content: Mapping[str, Any], key: str
) -> Iterator[Mapping[str, Any]]:
    """The images of a list; a plain name is an image without other files."""
    listed = content.get(key) or []
    for entry in listed if isinstance(listed, list) else [listed]:
        if isinstance(entry, str):
            entry = {"image": entry}
        if not isinstance(entry, dict) or not isinstance(entry.get("image"), str):
            raise DataError(
                f"{path}: an entry of {key!r} names no image, {entry!r:.80}; it must "
                'have the form {"image": "./imagesTr/NAME.nii.gz"}.'
            )
        yield entry


def _place(path: Path, entry: Mapping[str, Any]) -> Path:
    return path.parent / entry["image"]


def _file(path: Path, entry: Mapping[str, Any], keys: tuple[str, ...]) -> Path | None:
    """A file beside the image that exists."""
    value = next((entry[key] for key in keys if entry.get(key)), None)
    if value is None:
        return None
    file = path.parent / str(value)
    check_file(file, f"{path}, {keys[0]} of {entry['image']}")
    return file if is_image_file(file) else None


def _modality(file: Path, modalities: Any) -> str | None:
    """By the number at the end of the name, unless there is only one modality."""
    if not isinstance(modalities, dict) or not modalities:
        return None
    number = re.search(r"_(\d{4})$", stem(file))
    key = str(int(number[1])) if number else "0"
    only = next(iter(modalities.values())) if len(modalities) == 1 else None
    found = modalities.get(key, only)
    return None if found is None else str(found)


def _splits(
    path: Path, content: Mapping[str, Any], names: list[Path], test: set[Path]
) -> tuple[list[str], list[str]]:
    """The split of each image, and notes on how it was chosen."""
    people = [scan_parts(stem(file))[0] for file in names]
    valid = {
        scan_parts(stem(Path(str(pair.get(side)))))[0]
        for pair in content.get("registration_val") or []
        if isinstance(pair, dict)
        for side in ("fixed", "moving")
    }
    if not valid & set(people):
        splits, note = choose_splits(path, people)
        return splits, [note]
    held = {scan_parts(stem(file))[0] for file in test if file in names} - valid
    rest = [person for person in people if person not in valid | held]
    notes = ["Images of registration_val are for validation."]
    if held:
        notes.append("Images of the list test are for test.")
    else:
        chosen, _ = choose_splits(path, rest)
        held = {p for p, s in zip(rest, chosen, strict=True) if s == "test"}
        notes.append(
            f"No test images are given: {len(held)} of {len(set(rest))} training "
            "subjects are for test, chosen by a hash of their names."
        )
    train, validation, testing = SPLITS
    return [
        validation if person in valid else testing if person in held else train
        for person in people
    ], notes
