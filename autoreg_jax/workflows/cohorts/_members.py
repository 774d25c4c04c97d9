"""The images of a cohort, one a subject, and their label maps."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autoreg_jax.data import (
    Image,
    check_contrast,
    is_image_name,
    read_dataset,
    read_image,
    read_labels,
)
from autoreg_jax.errors import ConfigError, DataError, GeometryError

__all__ = ["Member", "check_members", "find_members"]

_BYTES = 255 - len("_displacement.nii.gz")


@dataclass(frozen=True, eq=False)
class Member:
    """A subject of a cohort.

    Attributes:
        name: Unique; files are named by it.
        image: A file, or an image in memory.
        labels: Label map of the image, on its grid, if any.
    """

    name: str
    image: Image
    labels: Image | None = None

    @property
    def path(self) -> Path | None:
        """The file of the image, if it has one."""
        found = getattr(self.image, "path", self.image)
        return Path(found) if isinstance(found, Path | str) else None


def find_members(
    images: Path | str | Sequence[Image], labels: Sequence[Image] | None = None
) -> tuple[Member, ...]:
    """The subjects of a dataset, or images that are listed.

    Args:
        images: A dataset as `data.read_dataset` reads it, all splits of it; or images.
        labels: The label map of each image, if images are listed.

    Raises:
        ConfigError: If labels are given beside a dataset, or not one for each image.
        DataError: If there is a single image, or two have the same name.
    """
    if isinstance(images, Path | str):
        if labels is not None:
            raise ConfigError(
                "labels: a dataset names its own label maps; list the images, or leave "
                "the labels out."
            )
        dataset = read_dataset(images, held_out=True)
        if dataset.channels > 1:
            raise ConfigError(
                f"{dataset.path}: has {dataset.channels} images of each subject; a "
                "template is of one, leave out the columns of the others."
            )
        members = [
            Member(subject.name, subject.image, subject.labels)
            for subject in dataset.subjects
        ]
    else:
        maps = [None] * len(images) if labels is None else list(labels)
        if len(maps) != len(images):
            raise ConfigError(
                f"labels: {len(maps)} label maps for {len(images)} images; give one "
                "for each image, in the same order."
            )
        members = [
            Member(_name(Member("", image), number), image, own)
            for number, (image, own) in enumerate(zip(images, maps, strict=True))
        ]
    if len(members) < 2:
        raise DataError(f"a cohort has at least 2 images, got {len(members)}.")
    for name, count in Counter(_file_name(member.name) for member in members).items():
        if count > 1:
            raise DataError(
                f"{count} images have the name {name!r}, by which their results are "
                "named; rename them, or list them with names of your own in a CSV "
                "(subject,image)."
            )
    return tuple(Member(_file_name(m.name), m.image, m.labels) for m in members)


def check_members(members: Sequence[Member]) -> dict[str, str]:
    """Read every file once, so that one that is damaged is found before the work.

    Returns:
        A digest of each image and its labels, by name.

    Raises:
        DataError: If an image or a label map cannot be used.
        GeometryError: If the images differ in their number of axes.
    """
    found, axes = {}, {}
    for member in members:
        image = read_image(member.image)
        check_contrast(image)
        axes[image.ndim] = member.name
        content: list[Any] = [image.array.tobytes(), image.affine.tobytes()]
        if member.labels is not None:
            content.append(read_labels(member.labels, image).array.tobytes())
        digest = hashlib.sha256()
        for part in content:
            digest.update(part)
        found[member.name] = digest.hexdigest()
    if len(axes) > 1:
        names = " and ".join(f"{name} has {ndim} axes" for ndim, name in axes.items())
        raise GeometryError(f"{names}; a cohort is of slices or of volumes.")
    return found


def _name(member: Member, number: int) -> str:
    if member.path is None:
        return f"image{number:03d}"
    name = member.path.name
    while is_image_name(name):
        name = Path(name).stem
    return name


def _file_name(name: str) -> str:
    """A name without folders, which is no longer than a file name may be."""
    plain = name.replace("/", "_").replace("\\", "_")
    if len(plain.encode(errors="surrogateescape")) > _BYTES or plain.strip(".") == "":
        raise DataError(f"{name[:60]!r}: files cannot be named so; rename the image.")
    return plain
