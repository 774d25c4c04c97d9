"""Who the images of a dataset show, as far as names and folders say it for certain."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from autoreg_jax.data.datasets._names import CHANNEL, MODALITIES, PLAIN, scan_parts
from autoreg_jax.data.datasets._splits import is_of_dataset

__all__ = ["in_words", "is_kind", "people_of", "people_of_files"]

# Channels begin at 0000 and are few; other numbers count the people.
_MOST_CHANNELS = 8
_BIDS = re.compile(r"sub-[^_]+(?=_)")
# When an image was made. Short numbers alone, v01 or m01 may count people.
_NUMBERED = (
    "visit|ses|session|tp|time|time[_-]?point|day|week|month|year|phase|frame|"
    "follow[_-]?up|fu"
)
_WORDS = (
    r"baseline|bl|follow[_-]?up|fu|(?:pre|post|intra)(?:[_-]?op)?|before|after|"
    r"inhale|exhale|insp|exp|inspiration|expiration|systole|diastole|"
    rf"(?:{_NUMBERED})[_-]?\d+|t\d"
)
_YEAR = r"(?:19[89]|20[0-9])\d"
_DATE = rf"{_YEAR}(?:[_-]?[01]\d(?:[_-]?[0-3]\d)?)?"
_KINDS = rf"{MODALITIES}|{'|'.join(PLAIN)}"


def people_of(names: Sequence[str]) -> list[str]:
    """The person of each scan of a dataset: all sessions and images of one are equal.

    Args:
        names: Stems.

    Returns:
        What the names begin with where they end in a modality, a channel or an
        occasion, such as `anna_t2`, `anna_0001`, `anna_followup` or `anna_2021`;
        otherwise the name. Numbers that may count people are no years.

    Examples:
        >>> people_of(["sub-01_ses-1_T1w", "sub-01_ses-2", "p2_0000", "p2_0001"])
        ['sub-01', 'sub-01', 'p2', 'p2']
        >>> people_of(["L2R_0001", "L2R_0002"])
        ['L2R_0001', 'L2R_0002']
        >>> people_of(["anna_2019", "anna_2021_t1", "bo_pre", "bo_post", "cy"])
        ['anna', 'anna', 'bo', 'bo', 'cy']
    """
    people = [_BIDS.match(name) for name in names]
    heads = [scan_parts(name)[0] for name in names]
    channels: dict[str, set[str]] = {}
    for name, head in zip(names, heads, strict=True):
        channels.setdefault(head, set()).add(name[len(head) :])
    known = [
        bids[0] if bids else head if _are_channels(channels[head]) else name
        for bids, head, name in zip(people, heads, names, strict=True)
    ]
    years = _years([name for name in known if not _BIDS.match(f"{name}_")])
    known = [
        name if bids else _without_occasion(name, years) or name
        for bids, name in zip(people, known, strict=True)
    ]
    return known if len(set(known)) > 1 else list(names)


def people_of_files(
    names: Sequence[str], stems: Sequence[str], folders: Sequence[Sequence[str]]
) -> list[str]:
    """The person of each image of a folder, where its folders say it, too.

    Args:
        names: Unique names of the images.
        stems: Names of their files.
        folders: Names of the folders in which they are, below that of the dataset.

    Returns:
        The folder of images that are named after their occasion or modality alone; the
        stem where a folder is; and otherwise as `people_of`.

    Examples:
        >>> names = ["anna_baseline", "anna_followup", "bo_baseline"]
        >>> stems = ["baseline", "followup", "baseline"]
        >>> people_of_files(names, stems, [["anna"], ["anna"], ["bo"]])
        ['anna', 'anna', 'bo']
        >>> names = ["pre_anna", "post_anna", "pre_bo"]
        >>> stems = ["anna", "anna", "bo"]
        >>> people_of_files(names, stems, [["pre"], ["post"], ["pre"]])
        ['anna', 'anna', 'bo']
        >>> people_of_files(["a_1", "b_1"], ["1", "1"], [["a"], ["b"]])
        ['a_1', 'b_1']
    """
    by_name = people_of(names)
    parts = [
        [part for part in parents if not is_of_dataset(part)] for parents in folders
    ]
    years = _years(
        ["_".join((*parents, name)) for parents, name in zip(parts, stems, strict=True)]
    )
    is_repeated = len(set(stems)) < len(stems)
    found = []
    for person, name, parents in zip(by_name, stems, parts, strict=True):
        kept = [part for part in parents if not _is_occasion(part, years)]
        head = "" if _is_occasion(name, years) else name
        is_sorted = is_repeated and len(kept) < len(parents)
        if (kept and not head) or (head and is_sorted):
            own = _without_occasion(scan_parts(head)[0], years) or head
            person = "_".join(filter(None, (*kept, own)))
        found.append(person)
    return found if len(set(found)) > 1 else list(names)


def in_words(people: Iterable[str | None], names: Sequence[str]) -> str:
    """A sentence on who was taken for whom; empty if each image is of another person.

    Examples:
        >>> in_words(["a", "b", "a"], ["a_2019", "b_2019", "a_2021"])
        'Taken for images of one person: a_2019 and a_2021.'
    """
    of: dict[str, list[str]] = {}
    for person, name in zip(people, names, strict=True):
        if person is not None:
            of.setdefault(person, []).append(name)
    several = [" and ".join(own) for own in of.values() if len(own) > 1]
    if not several:
        return ""
    more = f"; and {len(several) - 3} more" if len(several) > 3 else ""
    return f"Taken for images of one person: {'; '.join(several[:3])}{more}."


def is_kind(name: str) -> bool:
    """Whether a name says when or how an image was made, and not whom it shows.

    Examples:
        >>> is_kind("baseline"), is_kind("2019-03_t1"), is_kind("anna_t1")
        (True, True, False)
    """
    return _is_occasion(name, _DATE)


def _are_channels(endings: set[str]) -> bool:
    """Whether the endings of the names of one person are no numbers of persons."""
    numbers = [ending for ending in endings if CHANNEL.search(ending)]
    return not numbers or ("_0000" in numbers and len(numbers) <= _MOST_CHANNELS)


def _years(names: Sequence[str]) -> str:
    """The pattern of years and dates, if numbers at the end of names are such.

    They are not if some are no years, or if one name has more of them than there are
    names before them: so are people counted.
    """
    ends = [re.search(r"^(.*?)[_\-. ]((?:\d+[_-]?)+)$", name) for name in names]
    numbers = [end for end in ends if end]
    if not all(re.fullmatch(_DATE, end[2]) for end in numbers):
        return ""
    most = max(Counter(end[1] for end in numbers).values(), default=1)
    heads = {end[1] if end else name for end, name in zip(ends, names, strict=True)}
    return _DATE if len(heads) >= most else ""


def _without_occasion(name: str, years: str) -> str:
    """The name without occasions, modalities and plain words at its end."""
    words = "|".join(filter(None, (_WORDS, years)))
    occasion = re.compile(rf"(?:^|[_\-. ])(?:{words})$", re.IGNORECASE)
    while found := occasion.search(name):
        name = scan_parts(name[: found.start()])[0]
    return name


def _is_occasion(name: str, years: str) -> bool:
    """Whether a name has occasions, modalities and plain words, and nothing else."""
    words = "|".join(filter(None, (_WORDS, _KINDS, years)))
    return bool(re.fullmatch(rf"(?:(?:{words})(?:[_\-. ]|$))+", name, re.IGNORECASE))
