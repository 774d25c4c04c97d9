"""A folder of scans as a dataset: the name of a file says what it is."""

import re
from collections.abc import Iterable
from pathlib import Path

from autoreg_jax.data.datasets._dataset import SPLITS, Dataset, Subject, choose_splits
from autoreg_jax.data.datasets._names import is_image_file, scan_parts, stem
from autoreg_jax.errors import DataError

__all__ = ["read_folder"]

# What the end of a name, or the folder of a file, says about its role.
_ROLES = {
    "labels": (
        re.compile(r"[_\-. ](a?parc|[ad]?seg|labels?|gt|segmentation)$", re.IGNORECASE),
        re.compile(r"^(labels?|segs?|segmentations?)(tr|ts)?$", re.IGNORECASE),
    ),
    "mask": (
        re.compile(r"[_\-. ](brain)?mask$", re.IGNORECASE),
        re.compile(r"^masks?(tr|ts)?$", re.IGNORECASE),
    ),
}
_SPLIT_FOLDERS = {name: name for name in SPLITS} | {
    "training": "train",
    "imagestr": "train",
    "val": "validation",
    "valid": "validation",
    "testing": "test",
}


def read_folder(path: Path) -> Dataset:
    """Read a folder of NIfTI images, with or without label maps and masks.

    A label map has the name of its image followed by `_seg`, `_labels` or the like, or
    the same name in a folder `labels`; a mask ends in `_mask` or is in a folder
    `masks`. Endings such as `_t1` or `_T2w` give the modality. If all images are in
    folders `train`, `validation` and `test`, these are the splits.

    Args:
        path: The folder; subfolders are read too.

    Returns:
        One subject for each image, in the order of the names.

    Raises:
        DataError: If there are no images, or fewer than the splits need, two images
            have the same name, or no image matches a label map or mask.
    """
    files = sorted(
        file
        for file in path.rglob("*")
        if is_image_file(file) and not _is_hidden(file.relative_to(path))
    )
    by_role: dict[str, list[Path]] = {"image": [], "labels": [], "mask": []}
    for file in files:
        by_role[_role(file, path)].append(file)
    images = by_role["image"]
    if not images:
        raise DataError(
            f"{path}: contains no NIfTI images (.nii.gz or .nii) and no dataset.csv, "
            "dataset.json or BIDS folders; name the folder of the scans."
        )
    belongs = {
        role: _partners(images, by_role[role], role) for role in ("labels", "mask")
    }
    people = [scan_parts(stem(image))[0] for image in images]
    splits = [_split(image.relative_to(path)) for image in images]
    notes = [
        f"A folder of scans: {len(images)} images, {len(by_role['labels'])} label maps "
        f"and {len(by_role['mask'])} masks, identified by their names."
    ]
    if not all(splits) or len(set(splits)) == 1:
        splits, note = choose_splits(path, people)
        notes.append(note)
    subjects = tuple(
        Subject(
            name=stem(image),
            image=image,
            labels=belongs["labels"].get(image),
            split=str(split),
            modality=scan_parts(stem(image))[1],
            mask=belongs["mask"].get(image),
        )
        for image, split in zip(images, splits, strict=True)
    )
    return Dataset(path, subjects, tuple(notes))


def _is_hidden(relative: Path) -> bool:
    return any(part.startswith(".") for part in relative.parts)


def _role(file: Path, top: Path) -> str:
    """`image`, `labels` or `mask`."""
    folders = file.relative_to(top).parts[:-1]
    for role, (ending, folder) in _ROLES.items():
        if ending.search(stem(file)) or any(folder.match(name) for name in folders):
            return role
    return "image"


def _partners(images: list[Path], files: Iterable[Path], role: str) -> dict[Path, Path]:
    """The file of each image; one that names a person alone belongs to all of theirs.

    Raises:
        DataError: If a file belongs to no image, or two to one.
    """
    ending = _ROLES[role][0]
    found: dict[Path, Path] = {}
    for file in files:
        name = ending.sub("", stem(file))
        exact = [image for image in images if stem(image) == name]
        person = scan_parts(name)
        alike = [
            image
            for image in images
            if scan_parts(stem(image))[0] == person[0]
            and person[1] in (None, scan_parts(stem(image))[1])
        ]
        chosen = _nearest(file, exact or alike)
        if not chosen:
            raise DataError(
                f"{file}: looks like the {role} of an image named {name!r}, which does "
                "not exist; rename the file, move it elsewhere, or list the files in a "
                "dataset CSV."
            )
        for image in chosen:
            if image in found:
                raise DataError(
                    f"{file}: {image} already has the {role} {found[image]}; remove "
                    "one, or list the files in a dataset CSV."
                )
            found[image] = file
    return found


def _nearest(file: Path, images: list[Path]) -> list[Path]:
    """Among images of one name in several folders, those nearest to the file."""

    def shared(image: Path) -> int:
        pairs = zip(image.parts, file.parts, strict=False)
        return sum(one == other for one, other in pairs)

    most = max(map(shared, images), default=0)
    names = [stem(image) for image in images]
    if len(set(names)) == len(names):
        return images
    return [image for image in images if shared(image) == most]


def _split(relative: Path) -> str | None:
    """The split that a folder names."""
    named = (_SPLIT_FOLDERS.get(part.lower()) for part in relative.parts[:-1])
    return next((split for split in named if split), None)
