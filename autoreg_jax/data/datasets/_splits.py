"""Splits: as the dataset gives them, and where it does not, chosen by name."""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from autoreg_jax.data.datasets._dataset import SPLITS
from autoreg_jax.errors import DataError

__all__ = [
    "NOT_GIVEN",
    "Assigned",
    "Choose",
    "choose_splits",
    "given_splits",
    "is_of_dataset",
    "split_named",
]

HELD_OUT = 0.2  # fraction of the people in each of validation and test
_WORDS = {
    "train": "train|training|tr",
    "validation": "validation|valid|val|va",
    "test": "test|testing|ts",
}
_NAMED = {word: split for split, words in _WORDS.items() for word in words.split("|")}
# `imagesTr`, `test_set`, `registration_val`: what is left without these words.
_CONTENT = re.compile(
    "images?|imgs?|scans?|labels?|masks?|paire?d?s?|data|set|cases?|files?|registration",
    re.IGNORECASE,
)
_BY_HASH, _REST = "hash of the names", "not held out"
NOT_GIVEN = "all is held out"
"""Why a subject is for test that the dataset gives no split for, by `given_splits`."""


class Assigned(NamedTuple):
    """The split of an image.

    Attributes:
        split: `train`, `validation` or `test`.
        why: Where it comes from.
    """

    split: str
    why: str


Choose = Callable[..., tuple[list[Assigned], str]]
"""`choose_splits` or `given_splits`."""


def given_splits(
    path: Path,
    people: Sequence[str],
    given: Sequence[Assigned | None] | None = None,
) -> tuple[list[Assigned], str]:
    """The splits that a dataset gives; what it gives none for is for test.

    Arguments and results are those of `choose_splits`; any number of people will do.

    Examples:
        >>> given_splits(Path("x.csv"), ["p1"], [None])[0][0].split
        'test'
    """
    del path
    given = [None] * len(people) if given is None else given
    return [known or Assigned("test", NOT_GIVEN) for known in given], ""


def split_named(name: str) -> str | None:
    """The split that the name of a folder or of a list means.

    Examples:
        >>> split_named("imagesTs"), split_named("Test_Set"), split_named("images")
        ('test', 'test', None)
        >>> split_named("registration_val"), split_named("training_paired_images")
        ('validation', 'train')
    """
    return _NAMED.get(_CONTENT.sub("", name).strip("_- .").lower())


def is_of_dataset(name: str) -> bool:
    """Whether a folder says what is in it or for what, and not whom it shows.

    Examples:
        >>> is_of_dataset("imagesTr"), is_of_dataset("scans"), is_of_dataset("anna")
        (True, True, False)
    """
    rest = _CONTENT.sub("", name).strip("_- .")
    return not rest or split_named(name) is not None


def choose_splits(
    path: Path,
    people: Sequence[str],
    given: Sequence[Assigned | None] | None = None,
) -> tuple[list[Assigned], str]:
    """Complete the splits of a dataset by the people on its images.

    What is given for validation and test stays. A split that nothing is given for is
    chosen among the other people, ordered by a hash of their names: the first fifth of
    them is for test, the next for validation, the rest for training. All images of a
    person that are chosen are in one split, on every machine and in every order of the
    files.

    Args:
        path: The dataset, for messages.
        people: Name of the person on each image.
        given: The split of each image, if the dataset gives one.

    Returns:
        The split of each image, and a sentence on how they were chosen, empty if all
        were given.

    Raises:
        DataError: If there are too few people for splits of two images each, or a
            person is given for several splits.

    Examples:
        >>> chosen, note = choose_splits(Path("x.csv"), [f"p{i}" for i in range(10)])
        >>> splits = [split for split, why in chosen]
        >>> splits.count("train"), splits.count("validation"), splits.count("test")
        (6, 2, 2)
    """
    given = [None] * len(people) if given is None else given
    held = _held_out(path, people, given)
    given_splits = {known.split for known in held.values()}
    missing = [name for name in ("test", "validation") if name not in given_splits]
    free = [person for person in people if person not in held]
    chosen = _by_hash(path, free, missing)
    assigned = []
    for person, known in zip(people, given, strict=True):
        if person in held:
            assigned.append(held[person])
        elif chosen[person] != "train" or known is None:
            assigned.append(Assigned(chosen[person], _BY_HASH if missing else _REST))
        else:
            assigned.append(known)
    if not missing:
        return assigned, ""
    start = f"Nothing is given for {' and '.join(reversed(missing))}"
    if not any(given):
        start = "No splits are given"
    return assigned, f"{start}: {_in_words(chosen)}, chosen by a hash of their names."


def _held_out(
    path: Path, people: Sequence[str], given: Sequence[Assigned | None]
) -> dict[str, Assigned]:
    """The people that the dataset gives for validation or test, with all images."""
    held: dict[str, Assigned] = {}
    for person, known in zip(people, given, strict=True):
        if known is None or known.split == "train":
            continue
        if held.setdefault(person, known).split != known.split:
            raise DataError(
                f"{path}: {person!r} is in {held[person].split} "
                f"({held[person].why}) and in {known.split} ({known.why}); a subject "
                "may be in one split only. Correct one of them."
            )
    return held


def _by_hash(path: Path, people: Sequence[str], missing: list[str]) -> dict[str, str]:
    """A split for each person: one of `missing`, or train."""
    images = Counter(people)
    names = sorted(
        images,
        key=lambda name: hashlib.sha256(
            name.encode(errors="surrogateescape")
        ).hexdigest(),
    )
    number = len(missing) + 1
    if not missing or len(names) >= 2 * number:
        size = max(2, round(HELD_OUT * len(names)))
    elif len(names) >= number and all(count > 1 for count in images.values()):
        size = 1
    else:
        wanted = [split for split in SPLITS if split in ("train", *missing)]
        raise DataError(
            f"{path}: has images of {len(names)} subjects and no splits for them; at "
            f"least {2 * number} are needed, two for each of {', '.join(wanted)}. Add "
            "subjects, or assign them in the column 'split' of a dataset CSV."
        )
    chosen = dict.fromkeys(names, "train")
    for turn, split in enumerate(missing):
        chosen |= dict.fromkeys(names[turn * size : (turn + 1) * size], split)
    return chosen


def _in_words(chosen: dict[str, str]) -> str:
    """`6 of 10 subjects train, 2 validate, 2 test`."""
    counts = Counter(chosen.values())
    verbs = {"train": "train", "validation": "validate", "test": "test"}
    first, *others = [f"{counts[s]} {verbs[s]}" for s in SPLITS if s in counts]
    number, verb = first.split(" ")
    return ", ".join([f"{number} of {len(chosen)} subjects {verb}", *others])
