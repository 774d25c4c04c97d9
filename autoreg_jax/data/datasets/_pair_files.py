"""Pairs of image files to be registered: from a CSV, or from two folders."""

import logging
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autoreg_jax.data.datasets._label_maps import holds_labels, named_role
from autoreg_jax.data.datasets._names import is_image_file, stem
from autoreg_jax.data.datasets._table import existing_files, read_table
from autoreg_jax.data.images import ENDINGS
from autoreg_jax.errors import DataError, ImageWarning

logger = logging.getLogger(__name__)

__all__ = ["PairFiles", "match_images", "read_pairs"]

REQUIRED = ("fixed", "moving")
OPTIONAL = (
    "fixed_labels",
    "moving_labels",
    "fixed_mask",
    "moving_mask",
    "displacement",
    "init",
    "fixed_landmarks",
    "moving_landmarks",
    "fixed_lesion",
    "moving_lesion",
)
# Further images of a subject, by side.
CHANNELS = {
    side: tuple(f"{side}_{number}" for number in (2, 3, 4)) for side in REQUIRED
}


@dataclass(frozen=True)
class PairFiles:
    """The files of one pair.

    Attributes:
        fixed: Fixed image.
        moving: Moving image.
        fixed_labels: Label map of the fixed image, if any.
        moving_labels: Label map of the moving image, if any.
        fixed_mask: Where the fixed image is compared, if not everywhere.
        moving_mask: Where the moving image is compared, if not everywhere.
        displacement: The true displacement of the fixed grid, if it is known: a file
            that `transforms` reads.
        init: Transform from which the registration begins, if not the headers.
        fixed_landmarks: Points of the fixed image, if any.
        moving_landmarks: The same places in the moving image, in the same order.
        fixed_lesion: Where the fixed image is not compared, if anywhere.
        moving_lesion: Where the moving image is not compared, if anywhere.
        more_fixed: Further images of the fixed subject, channels.
        more_moving: Those of the moving subject, in the same order.
    """

    fixed: Path
    moving: Path
    fixed_labels: Path | None = None
    moving_labels: Path | None = None
    fixed_mask: Path | None = None
    moving_mask: Path | None = None
    displacement: Path | None = None
    init: Path | None = None
    fixed_landmarks: Path | None = None
    moving_landmarks: Path | None = None
    fixed_lesion: Path | None = None
    moving_lesion: Path | None = None
    more_fixed: tuple[Path, ...] = ()
    more_moving: tuple[Path, ...] = ()

    @property
    def channels(self) -> int:
        """How many images there are of each subject."""
        return 1 + max(len(self.more_fixed), len(self.more_moving))

    @property
    def name(self) -> str:
        """Name of the results, MOVING_to_FIXED without extensions."""
        return f"{stem(self.moving)}_to_{stem(self.fixed)}"

    @property
    def files(self) -> tuple[Path, ...]:
        """All files of the pair."""
        columns = (*REQUIRED, *OPTIONAL)
        found = (getattr(self, column) for column in columns)
        more = (*self.more_fixed, *self.more_moving)
        return (*(path for path in found if path is not None), *more)


def read_pairs(path: Path | str) -> tuple[PairFiles, ...]:
    """Read a CSV of pairs and check that every file exists.

    The columns are `fixed,moving` and optionally `fixed_labels`, `moving_labels`,
    `fixed_mask`, `moving_mask`, `displacement` (the true one), `init` (where to begin),
    `fixed_landmarks`, `moving_landmarks`, `fixed_lesion` and `moving_lesion`. Further
    images of both subjects, channels, are `fixed_2` and `moving_2` up to `fixed_4` and
    `moving_4`. Paths are relative to the CSV file.

    Args:
        path: The CSV file, UTF-8, comma separated, with a line of column names.

    Returns:
        The pairs in the order of the lines.

    Raises:
        DataError: If the file is not such a table, a file does not exist, a pair has
            fixed labels but no moving ones, landmarks of one image only or more images
            of one subject, or two pairs have the same name.
    """
    path = Path(path)
    pairs, optional = [], (*OPTIONAL, *CHANNELS["fixed"], *CHANNELS["moving"])
    for line, cells in read_table(path, REQUIRED, optional):
        where = f"{path}, line {line}"
        files = existing_files(path, cells, (*REQUIRED, *optional), where)
        more = {
            f"more_{side}": tuple(files.pop(name) for name in names if name in files)
            for side, names in CHANNELS.items()
        }
        if len({*map(len, more.values())}) > 1:
            raise DataError(
                f"{where}: more images of one subject than of the other; fill the "
                "columns fixed_2 and moving_2, and so on, for both."
            )
        if "fixed_labels" in files and "moving_labels" not in files:
            raise DataError(
                f"{where}: fixed_labels has nothing to be compared with; add "
                "moving_labels, too."
            )
        if ("fixed_landmarks" in files) != ("moving_landmarks" in files):
            raise DataError(
                f"{where}: landmarks of one image only; add those of the other one."
            )
        given: dict[str, Any] = files | more
        pairs.append(PairFiles(**given))
    return _distinct(pairs, path)


def match_images(fixed: Path | str, moving: Path | str) -> tuple[PairFiles, ...]:
    """Pair images where one side, or both, is a folder.

    Two folders: images of the same name form a pair. A folder and an image: that image
    with each of the folder. Hidden files, label maps and masks of a folder are left
    out; which ones is logged. A file that is a label map by its voxels alone is left
    out with a warning.

    Args:
        fixed: Folder of fixed images, or a fixed image.
        moving: Folder of moving images, or a moving image.

    Returns:
        The pairs, by name.

    Raises:
        DataError: If a folder contains no images, or two folders do not contain images
            of the same names.
    """
    fixed, moving = Path(fixed), Path(moving)
    if not moving.is_dir():
        return _distinct([PairFiles(image, moving) for image in _images(fixed)], fixed)
    movings = _images(moving)
    if not fixed.is_dir():
        return _distinct([PairFiles(fixed, image) for image in movings], moving)
    fixeds = _images(fixed)
    _distinct([PairFiles(image, image) for image in fixeds], fixed)
    by_name = {stem(image): image for image in fixeds}
    differing = sorted(set(by_name) ^ {stem(image) for image in movings})
    if differing:
        raise DataError(
            f"{fixed} and {moving}: {differing[0]} is in one of the folders only; give "
            "the images of a pair the same name, or list the pairs in a CSV."
        )
    return _distinct(
        [PairFiles(by_name[stem(image)], image) for image in movings], moving
    )


def _images(folder: Path) -> list[Path]:
    """The images of a folder, without label maps, masks and hidden files."""
    files = sorted(filter(is_image_file, folder.iterdir()))
    images = [file for file in files if named_role(file) == "image"]
    by_voxels = [file for file in images if holds_labels(file)]
    if by_voxels and len(by_voxels) < len(images):
        warnings.warn(
            f"{folder}: {_listed(by_voxels)} hold few whole numbers and were taken for "
            "label maps; to register them, list the pairs in a CSV.",
            ImageWarning,
            stacklevel=3,
        )
        images = [file for file in images if file not in by_voxels]
    if not images:
        found = f", but label maps and masks ({_listed(files)})" if files else ""
        raise DataError(
            f"{folder}: the folder contains no images ({' or '.join(ENDINGS)})"
            f"{found}; name another folder, or list the pairs in a CSV."
        )
    left_out = [file for file in files if named_role(file) != "image"]
    if left_out:
        logger.info("%s: not registered: %s", folder, _listed(left_out))
    return images


def _listed(files: Sequence[Path]) -> str:
    """The names of a few files."""
    more = f" and {len(files) - 3} more" if len(files) > 3 else ""
    return ", ".join(file.name for file in files[:3]) + more


def _distinct(pairs: Sequence[PairFiles], source: Path) -> tuple[PairFiles, ...]:
    """The pairs, unless two have the same name."""
    for name, count in Counter(pair.name for pair in pairs).items():
        if count > 1:
            raise DataError(
                f"{source}: {count} pairs would be written as {name}; give images "
                "different names, or register these pairs one by one."
            )
    return tuple(pairs)
