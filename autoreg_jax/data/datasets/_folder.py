"""A folder of scans as a dataset: the name of a file says what it is."""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from autoreg_jax.data.datasets._dataset import Dataset, Subject
from autoreg_jax.data.datasets._label_maps import core, named_role, unnamed_label_maps
from autoreg_jax.data.datasets._names import (
    is_image_file,
    scan_parts,
    stem,
)
from autoreg_jax.data.datasets._people import in_words, is_kind, people_of_files
from autoreg_jax.data.datasets._splits import (
    Assigned,
    Choose,
    choose_splits,
    split_named,
)
from autoreg_jax.data.images import ENDINGS
from autoreg_jax.errors import DataError

__all__ = ["names_of", "read_folder"]


def read_folder(path: Path, choose: Choose = choose_splits) -> Dataset:
    """Read a folder of NIfTI images, with or without label maps and masks.

    A label map has the name of its image with `_seg`, `label` or the like at one end,
    or the same name in a folder `labels`, or more words in its name and few whole
    numbers in its voxels; a mask ends in `_mask` or is in a folder `masks`. Endings
    such as `_t1` or `_T2w` give the modality. Images in folders `train`, `validation`
    or `test` (also `imagesTr`, `imagesTs`) are in these splits. Where each person has a
    folder and the files in them have the same names, the folders name the subjects.

    Args:
        path: The folder; subfolders are read too.
        choose: Completes the splits, as `choose_splits` does.

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
        by_role[named_role(file, file.relative_to(path).parts[:-1])].append(file)
    unnamed = unnamed_label_maps(by_role["image"])
    images = [file for file in by_role["image"] if file not in unnamed]
    by_role["labels"] += unnamed
    if not images:
        others = f" but {len(files)} label maps and masks" if files else ""
        raise DataError(
            f"{path}: contains no images ({', '.join(ENDINGS)}){others} and no "
            "dataset.csv, dataset.json or BIDS folders; name the folder of the scans."
        )
    belongs = {
        role: _partners(images, by_role[role], role) for role in ("labels", "mask")
    }
    names = names_of(images)
    relative = [image.relative_to(path) for image in images]
    people = people_of_files(
        names, [*map(stem, images)], [place.parts[:-1] for place in relative]
    )
    splits, note = choose(path, people, [*map(_split, relative)])
    notes = [
        f"A folder of scans: {len(images)} images, {len(by_role['labels'])} label maps "
        f"and {len(by_role['mask'])} masks, identified by their names."
    ]
    if unnamed:
        notes.append(
            f"{_listed(unnamed)}: taken for label maps, since they hold few whole "
            "numbers and are named after an image."
        )
    notes += filter(None, [in_words(people, names)])
    subjects = tuple(
        Subject(
            name=name,
            image=image,
            labels=belongs["labels"].get(image),
            split=split,
            modality=scan_parts(stem(image))[1],
            mask=belongs["mask"].get(image),
            why=why,
            person=person,
        )
        for name, image, person, (split, why) in zip(
            names, images, people, splits, strict=True
        )
    )
    return Dataset(path, subjects, (*notes, *filter(None, [note])))


def _is_hidden(relative: Path) -> bool:
    return any(part.startswith(".") for part in relative.parts)


def _listed(files: list[Path]) -> str:
    """The names of a few files."""
    more = f" and {len(files) - 3} more" if len(files) > 3 else ""
    return ", ".join(file.name for file in files[:3]) + more


def names_of(images: list[Path]) -> list[str]:
    """A name for each image: its own, with its folders where the names repeat."""
    names = [stem(image) for image in images]
    counts = Counter(names)
    # One folder a person or a time, with files of the same names in each.
    if not all(n > 1 or is_kind(name) for name, n in counts.items()):
        return names
    found, deepest = names, 1
    if all(map(is_kind, counts)):  # anna/2019/t1
        deepest = max(len(image.parts) for image in images) - 1
    for depth in range(1, deepest + 1):
        if len(set(found)) == len(found):
            return found
        folders = [image.parts[-1 - depth : -1] for image in images]
        found = ["_".join((*f, n)) for f, n in zip(folders, names, strict=True)]
    return found if len(set(found)) == len(found) else names


def _partners(images: list[Path], files: Iterable[Path], role: str) -> dict[Path, Path]:
    """The file of each image; one that names a person alone belongs to all of theirs.

    Raises:
        DataError: If a file belongs to no image, or two to one.
    """
    found: dict[Path, Path] = {}
    for file in files:
        name = core(stem(file), role)
        exact = [image for image in images if core(stem(image), "image") == name]
        person = scan_parts(name)
        alike = [
            image
            for image in images
            if scan_parts(stem(image))[0] == person[0]
            and person[1] in (None, scan_parts(stem(image))[1])
        ]
        if not name:  # `seg.nii.gz` in the folder of a person
            alike = [image for image in images if image.parent == file.parent]
        chosen = _nearest(file, exact or alike or _longest_beside(images, file))
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


def _longest_beside(images: list[Path], file: Path) -> list[Path]:
    """The image in the same folder whose name is the longest start of another."""
    starts = [
        image
        for image in images
        if image.parent == file.parent
        and re.match(re.escape(stem(image)) + r"[_\-. ]", stem(file))
    ]
    return sorted(starts, key=lambda image: len(stem(image)))[-1:]


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


def _split(relative: Path) -> Assigned | None:
    """The split that a folder names."""
    for part in relative.parts[:-1]:
        if split := split_named(part):
            return Assigned(split, f"folder {part}")
    return None
