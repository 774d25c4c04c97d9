"""Splits where none are given: decided by the names alone, so always the same."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from autoreg_jax.errors import DataError

__all__ = ["SPLITS", "choose_splits"]

SPLITS = ("train", "validation", "test")
HELD_OUT = 0.2  # part of the people in each of validation and test


def choose_splits(path: Path, people: Sequence[str]) -> tuple[list[str], str]:
    """Assign images to splits by the people whom they show.

    The people are ordered by a hash of their names; the first fifth is for test, the
    next for validation, the rest for training. All images of a person are in one split,
    on every machine and in every order of the files.

    Args:
        path: What was read, for messages.
        people: Name of the person on each image.

    Returns:
        The split of each image, and a sentence that says how they were chosen.

    Raises:
        DataError: If there are too few people for three splits of two images each.

    Examples:
        >>> splits, note = choose_splits(Path("x.csv"), [f"p{i}" for i in range(10)])
        >>> splits.count("train"), splits.count("validation"), splits.count("test")
        (6, 2, 2)
    """
    images = Counter(people)
    names = sorted(images, key=_hash)
    has_several = all(count > 1 for count in images.values())
    if len(names) >= 2 * len(SPLITS):
        size = max(2, round(HELD_OUT * len(names)))
    elif len(names) >= len(SPLITS) and has_several:
        size = 1
    else:
        raise DataError(
            f"{path}: has images of {len(names)} subjects and no splits; at least "
            f"{2 * len(SPLITS)} are needed, two for each of {', '.join(SPLITS)}. Add "
            "subjects, or assign them in the column 'split' of a dataset CSV."
        )
    chosen = dict.fromkeys(names, "train")
    chosen |= dict.fromkeys(names[:size], "test")
    chosen |= dict.fromkeys(names[size : 2 * size], "validation")
    note = (
        f"No splits are given: {len(names) - 2 * size} of {len(names)} subjects train, "
        f"{size} validate, {size} test, chosen by a hash of their names."
    )
    return [chosen[person] for person in people], note


def _hash(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
