"""Datasets with a description: `dataset.json` of Learn2Reg, Decathlon and nnU-Net.

The lists `training`, `validation` and `test` name images, with `label` and `mask`;
`registration_val` and `registration_test` list pairs of images. Other names of the
splits (`val`, `testing`, `test_images`) are known, too. Paths are relative to the file.
An image of Learn2Reg is `TASK_0001_0000.nii.gz`: person, then number of the
image. nnU-Net 1 lists `CASE.nii.gz` for the files `CASE_0000.nii.gz`, one a channel;
nnU-Net 2 lists no files, see `_nnunet`.

References: https://learn2reg.grand-challenge.org, http://medicaldecathlon.com,
https://github.com/MIC-DKFZ/nnUNet
"""

import glob
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autoreg_jax.data.datasets._dataset import Dataset, Subject, check_file
from autoreg_jax.data.datasets._lists import (
    PAIRS,
    lists_images,
    lists_of,
    unused,
)
from autoreg_jax.data.datasets._names import is_image_file, located, stem
from autoreg_jax.data.datasets._nnunet import is_nnunet, with_lists
from autoreg_jax.data.datasets._people import in_words, people_of
from autoreg_jax.data.datasets._splits import Assigned, Choose, choose_splits
from autoreg_jax.data.images import ENDINGS
from autoreg_jax.errors import DataError

__all__ = ["find_description", "read_description"]

# Keys of one image by what it is; `label` is spelled in both ways.
_LABELS, _MASK = ("label", "labels"), ("mask",)
_POINTS = re.compile(r"^(keypoints|landmarks)")
_CHANNEL = "_[0-9][0-9][0-9][0-9]"


@dataclass
class _Listed:
    """An image and where it is listed.

    Attributes:
        file: The image.
        entry: What its list says about it.
        given: The split of its list.
    """

    file: Path
    entry: Mapping[str, Any]
    given: Assigned


def find_description(folder: Path) -> Path | None:
    """The `*dataset.json` of a folder, if it is of this format."""
    found = sorted(folder.glob("*dataset.json"))
    return next((file for file in found if _is_description(file)), None)


def read_description(path: Path, choose: Choose = choose_splits) -> Dataset:
    """Read a `dataset.json` of Learn2Reg, Decathlon or nnU-Net.

    Images of `registration_val` and `validation` are for validation, those of `test`
    and `registration_test` for test, if the files exist, and all images of their
    persons with them. A split that nothing is given for is chosen among the rest.

    Args:
        path: The JSON file.
        choose: Completes the splits, as `choose_splits` does.

    Returns:
        One subject for each image, named after its file.

    Raises:
        DataError: If the file is not of this format, an image or label map that it
            names does not exist, an image is in the lists of two splits, or a split
            has a single image.
    """
    content = with_lists(path, _content(path))
    notes = [f"As listed in {path.name} of {content.get('name') or path.parent.name}."]
    listed = _all_listed(path, content, notes)
    notes += unused(path, content, {one.file for one in listed})
    if not any(one.given.split == "train" for one in listed):
        raise DataError(
            f"{path}: the list 'training' is empty; download the data of the task, or "
            "list the images in a dataset CSV."
        )
    names = [stem(one.file) for one in listed]
    people = people_of(names)
    notes += filter(None, [in_words(people, names)])
    splits, note = choose(path, people, [one.given for one in listed])
    modalities = _by_number(content.get("modality") or content.get("channel_names"))
    subjects = tuple(
        Subject(
            name=name,
            image=one.file,
            labels=_labels(path, one),
            split=split,
            modality=_modality(one.file, modalities),
            mask=_file(path, one, _MASK),
            why=why,
            person=person,
        )
        for name, one, person, (split, why) in zip(
            names, listed, people, splits, strict=True
        )
    )
    if any(_POINTS.match(key) for one in listed for key in one.entry):
        notes.append(
            "Key points correspond within a pair only and are not used; landmarks that "
            "correspond in all subjects can be listed in a dataset CSV."
        )
    return Dataset(path, subjects, (*notes, *filter(None, [note])))


def _is_description(file: Path) -> bool:
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"))
        return lists_images(content) or is_nnunet(content)
    except (IsADirectoryError, ValueError):
        return False


def _content(path: Path) -> Mapping[str, Any]:
    check_file(path, "dataset")
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise DataError(
            f"{path}: not a JSON file ({error}); download it again."
        ) from error
    if lists_images(content) or is_nnunet(content):
        return content
    raise DataError(
        f"{path}: not a Learn2Reg, Decathlon or nnU-Net description: it has neither "
        "the list 'training' nor 'channel_names' and 'file_ending'. Name the "
        "dataset.json of a task, a dataset CSV, or a folder of scans."
    )


def _all_listed(
    path: Path, content: Mapping[str, Any], notes: list[str]
) -> list[_Listed]:
    """Each image once, in the order of the lists; its later list gives the split.

    Raises:
        DataError: If a training image does not exist, or an image is for test and for
            something else.
    """
    found: dict[Path, _Listed] = {}
    for key, split in lists_of(content).items():
        missing: set[str] = set()
        for entry in _entries(path, content, key):
            files = _files(path, entry)
            if not files:
                if split == "train":
                    raise _not_there(path, key, entry)
                missing.add(str(entry["image"]))
            for file in files:
                place, given = file.resolve(), Assigned(split, f"list {key!r}")
                old = found.setdefault(place, _Listed(file, entry, given))
                if "test" in {split, old.given.split} and old.given.split != split:
                    raise DataError(
                        f"{path}: {old.file} is in the {old.given.why} and in the "
                        f"{given.why}; an image may be in one split only. Remove it "
                        "from one of the lists."
                    )
                old.given = given
        if missing:
            notes.append(
                f"{len(missing)} images of the list {key!r} are not there, such as "
                f"{min(missing)}."
            )
    return list(found.values())


def _entries(
    path: Path, content: Mapping[str, Any], key: str
) -> Iterator[Mapping[str, Any]]:
    """The images of a list; a plain name is an image without other files."""
    listed = content[key]
    if isinstance(listed, dict):  # one entry, or entries by name
        is_one = {"image", "fixed", "moving"} & {*listed}
        listed = [listed] if is_one else list(listed.values())
    for entry in listed:
        pair = entry if isinstance(entry, dict) and "image" not in entry else {}
        images = [i for i in map(pair.get, ("fixed", "moving")) if isinstance(i, str)]
        yield from ({"image": image} for image in images)
        if images or key.startswith(PAIRS):
            continue
        entry = {"image": entry} if isinstance(entry, str | list) else entry
        if not isinstance(entry, dict) or not _texts(entry.get("image")):
            raise DataError(
                f"{path}: an entry of {key!r} names no image, {entry!r:.80}; it must "
                'have the form {"image": "./imagesTr/NAME.nii.gz"}.'
            )
        yield entry


def _texts(value: Any) -> list[str]:
    """One path or several, as a list; empty if it is something else."""
    values = value if isinstance(value, list) else [value]
    return values if all(isinstance(text, str) for text in values) else []


def _files(path: Path, entry: Mapping[str, Any]) -> list[Path]:
    """The image of an entry, or the images of its channels; empty if not there."""
    found = []
    for text in _texts(entry["image"]):
        file = located(path.parent, text)
        name = glob.escape(stem(file))
        given = file.name[len(stem(file)) :]
        for ending in map(glob.escape, [given] if given else ENDINGS):
            whole = [file] if given else sorted(file.parent.glob(f"{name}{ending}"))
            channels = sorted(file.parent.glob(f"{name}{_CHANNEL}{ending}"))
            found += whole if whole and whole[0].is_file() else channels
    return found


def _not_there(path: Path, key: str, entry: Mapping[str, Any]) -> DataError:
    image = located(path.parent, _texts(entry["image"])[0])
    name = f"{stem(image)}_0000{image.name[len(stem(image)) :]}"
    return DataError(
        f"{path}, list {key!r}: {image} does not exist, nor does {name}; correct the "
        "path, or download the data of the task."
    )


def _labels(path: Path, one: _Listed) -> Path | None:
    """The label map that is listed, or is in `labelsTs` beside a test image."""
    found = _file(path, one, _LABELS)
    folder = one.file.parent
    if found is not None or folder.name != "imagesTs":
        return found
    ending = one.file.name[len(stem(one.file)) :]
    names = (stem(one.file), re.sub(r"_\d{4}$", "", stem(one.file)))
    places = (folder.with_name("labelsTs") / f"{name}{ending}" for name in names)
    return next((place for place in places if place.is_file()), None)


def _file(path: Path, one: _Listed, keys: tuple[str, ...]) -> Path | None:
    """A file beside the image; that of a test image may be kept back."""
    value = next((one.entry[key] for key in keys if one.entry.get(key)), None)
    if value is None:
        return None
    file = located(path.parent, str(value))
    if one.given.split == "test" and not file.exists():
        return None
    check_file(file, f"{path}, {keys[0]} of {one.entry['image']}")
    return file if is_image_file(file) else None


def _by_number(modalities: Any) -> dict[str, str]:
    """`{"0": "CT"}`, also if it is written as `{"CT": 0}`."""
    if not isinstance(modalities, dict):
        return {}
    is_turned = all(isinstance(value, int) for value in modalities.values())
    pairs = ((v, k) if is_turned else (k, v) for k, v in modalities.items())
    return {str(number): str(name) for number, name in pairs}


def _modality(file: Path, modalities: Mapping[str, str]) -> str | None:
    """By the number at the end of the name, unless there is only one modality."""
    if len(modalities) == 1:
        return next(iter(modalities.values()))
    number = re.search(r"_(\d{4})$", stem(file))
    return modalities.get(str(int(number[1])) if number else "0")
