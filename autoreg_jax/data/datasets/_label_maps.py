"""Which files are label maps or masks, by their names or by what they hold."""

import re
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from autoreg_jax.data.datasets._names import stem
from autoreg_jax.data.images import read_image
from autoreg_jax.errors import AutoRegError

__all__ = ["core", "holds_labels", "named_role", "unnamed_label_maps"]

_LABELS = (
    r"(?:a?parc(?:[+.]?aseg)?|[ad]?segs?|labels?|label_?maps?|lbls?|gt|segm"
    r"|segmentations?|ground_?truth|annotations?|parcellations?|rois?)"
)
_MASK = r"(?:brain_?|lung_?|body_?)?masks?"
_FOLDER = "(tr|ts|va|val|valid|validation|train|training|test|testing)?"
# What the end or the start of a name, or the folder of a file, says about its role.
_ROLES = {
    role: (
        re.compile(rf"[_\-. ]{words}(?:(?<=seg)\d+)?$", re.IGNORECASE),
        re.compile(rf"^{words}(?=[_\-. ]|\d|$)[_\-. ]?", re.IGNORECASE),
        re.compile(rf"^{words}[_\- ]?{_FOLDER}$", re.IGNORECASE),
    )
    for role, words in (("labels", _LABELS), ("mask", _MASK))
}
_IMAGE_START = re.compile(
    r"^(?:images?|img|scan|vol|volume)(?=[_\-. ]|\d|$)[_\-. ]?", re.I
)
# A label map has few values, and most neighbours inside it are equal.
_MOST_VALUES, _LEAST_EQUAL = 256, 0.6


def named_role(file: Path, folders: Sequence[str] = ()) -> str:
    """`labels`, `mask` or `image`, by the name of a file and of its folders.

    Examples:
        >>> named_role(Path("a_seg.nii")), named_role(Path("label0001.nii.gz"))
        ('labels', 'labels')
        >>> named_role(Path("a.nii"), ["labelsTr"]), named_role(Path("segovia.nii"))
        ('labels', 'image')
    """
    for role, (ending, start, folder) in _ROLES.items():
        name = stem(file)
        if ending.search(name) or start.match(name) or any(map(folder.match, folders)):
            return role
    return "image"


def core(name: str, role: str) -> str:
    """A stem without the words for its role: what an image and its label map share.

    Examples:
        >>> core("img0001", "image"), core("label0001", "labels")
        ('0001', '0001')
    """
    if role == "image":
        return _IMAGE_START.sub("", name)
    ending, start, _ = _ROLES[role]
    return _IMAGE_START.sub("", start.sub("", ending.sub("", name)))


def holds_labels(file: Path) -> bool:
    """Whether the voxels of a file are those of a label map: few whole numbers.

    A file that cannot be read is none; whoever reads it says why.
    """
    try:
        with warnings.catch_warnings(action="ignore"):
            array = read_image(file).array
    except AutoRegError:
        return False
    if array.min() < 0 or np.any(array != np.round(array)) or not array.any():
        return False
    if len(np.unique(array)) > _MOST_VALUES:
        return False
    equal = inside = 0
    for axis in range(array.ndim):
        one, other = (np.delete(array, end, axis) for end in (0, -1))
        both = (one > 0) & (other > 0)
        inside += np.count_nonzero(both)
        equal += np.count_nonzero(one[both] == other[both])
    return bool(inside == 0 or equal >= _LEAST_EQUAL * inside)


def unnamed_label_maps(images: Sequence[Path]) -> list[Path]:
    """Files that are called as another with a word more, and hold labels.

    Such as `s1_structures.nii.gz` beside `s1.nii.gz`. Only these are read.
    """
    names = {stem(image) for image in images}

    def extends_another(name: str) -> bool:
        ends = (found.start() for found in re.finditer(r"[_\-. ]", name))
        return any(name[:end] in names for end in ends)

    found = [image for image in images if extends_another(stem(image))]
    return [image for image in found if holds_labels(image)]
