"""The splits of subjects whose pairs are listed."""

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from autoreg_jax.data.datasets._dataset import SPLITS, Subject
from autoreg_jax.data.datasets._splits import NOT_GIVEN, Assigned, choose_splits
from autoreg_jax.errors import DataError

__all__ = ["ListedPair", "splits_of"]


@dataclass(frozen=True)
class ListedPair:
    """A line of a list of pairs.

    Attributes:
        moving: Name of the moving subject.
        fixed: Name of the fixed subject.
        split: As the line says it, or empty.
        where: File and line, for messages.
    """

    moving: str
    fixed: str
    split: str
    where: str


def splits_of(
    path: Path,
    pairs: Sequence[ListedPair],
    subjects: Sequence[Subject],
    *,
    held_out: bool = False,
) -> tuple[list[Assigned], str]:
    """The split of each subject, such that both of a pair are in the same one.

    Where the dataset gives no split, the list does: a subject is in the split of its
    pairs. If there is no such column either, splits are chosen, and pairs that share an
    image or a person stay together.

    Args:
        path: The list.
        pairs: Its pairs.
        subjects: The subjects of the pairs, read by `given_splits`.
        held_out: Subjects without a split are for test.

    Returns:
        As `choose_splits`.

    Raises:
        DataError: If a split is unknown, a pair or a subject is in two splits, a split
            is given for some of the pairs only, or too few pairs have nothing in common
            to choose splits.
    """
    known = {
        one.name: Assigned(one.split, one.why)
        for one in subjects
        if one.why != NOT_GIVEN
    }
    _as_listed(path, pairs, known)
    _spread(pairs, known)
    _check_crossing(pairs, known)
    note = ""
    if held_out:
        for one in subjects:
            known.setdefault(one.name, Assigned("test", one.why))
    elif any(one.name not in known for one in subjects):
        known, note = _chosen(path, pairs, subjects, known)
    return [known[one.name] for one in subjects], note


def _as_listed(
    path: Path, pairs: Iterable[ListedPair], known: dict[str, Assigned]
) -> None:
    """Add the splits that the lines give."""
    for pair in pairs:
        if pair.split not in ("", *SPLITS):
            raise DataError(
                f"{pair.where}: unknown split {pair.split!r}; write one of "
                f"{', '.join(SPLITS)}."
            )
        given = Assigned(pair.split, f"column 'split' of {path.name}")
        for name in (pair.moving, pair.fixed) if pair.split else ():
            before = known.setdefault(name, given)
            if before.split != pair.split:
                raise DataError(
                    f"{pair.where}: the pair {pair.moving} to {pair.fixed} is listed "
                    f"for {pair.split!r}, but {name!r} is in {before.split!r} "
                    f"({before.why}); an image may be in one split only. Correct one "
                    "of them, or leave the pair out."
                )


def _spread(pairs: Iterable[ListedPair], known: dict[str, Assigned]) -> None:
    """Give subjects without a split that of those they are paired with."""
    others: dict[str, list[str]] = defaultdict(list)
    for pair in pairs:
        others[pair.moving].append(pair.fixed)
        others[pair.fixed].append(pair.moving)
    waiting = deque(name for name in others if name in known)
    while waiting:
        name = waiting.popleft()
        for other in others[name]:
            if other not in known:
                known[other] = Assigned(known[name].split, f"paired with {name}")
                waiting.append(other)


def _check_crossing(pairs: Iterable[ListedPair], known: dict[str, Assigned]) -> None:
    """Refuse a pair whose images are in two splits."""
    for pair in pairs:
        if pair.moving not in known:
            continue
        moving, fixed = known[pair.moving], known[pair.fixed]
        if moving.split != fixed.split:
            raise DataError(
                f"{pair.where}: {pair.moving!r} is in {moving.split!r} ({moving.why}) "
                f"and {pair.fixed!r} in {fixed.split!r} ({fixed.why}); both images of "
                "a pair must be in one split. Move one of them, or leave the pair out; "
                "one image that is fixed in every pair is named by pairs.fixed instead."
            )


def _chosen(
    path: Path,
    pairs: Sequence[ListedPair],
    subjects: Sequence[Subject],
    known: dict[str, Assigned],
) -> tuple[dict[str, Assigned], str]:
    """Splits where neither the dataset nor the list gives all of them."""
    without = next(pair for pair in pairs if pair.moving not in known)
    if any(pair.split for pair in pairs):
        raise DataError(
            f"{without.where}: no split is given for the pair {without.moving} to "
            f"{without.fixed}, but for others; complete the column 'split'."
        )
    groups = _groups(pairs, subjects)
    try:
        given = [known.get(one.name) for one in subjects]
        splits, note = choose_splits(path, groups, given)
    except DataError as error:
        if known:
            raise
        raise DataError(
            f"{path}: no splits are given, and the {len(pairs)} pairs form "
            f"{len(set(groups))} groups that share no image and no person, too few to "
            "choose train, validation and test among them; add a column 'split'."
        ) from error
    names = [one.name for one in subjects]
    together = "Pairs that share an image or a person are in one split."
    return dict(zip(names, splits, strict=True)), f"{note} {together}"


def _groups(pairs: Iterable[ListedPair], subjects: Iterable[Subject]) -> list[str]:
    """A name for each subject, the same for those in a chain of pairs and people."""
    leader: dict[str, str] = {}

    def first(name: str) -> str:
        while leader.setdefault(name, name) != name:
            leader[name] = name = leader[leader[name]]
        return name

    of_person: dict[str, str] = {}
    for pair in pairs:
        leader[first(pair.moving)] = first(pair.fixed)
    for one in subjects:
        if one.person is not None:
            leader[first(one.name)] = first(of_person.setdefault(one.person, one.name))
    smallest: dict[str, str] = {}
    for one in subjects:
        root = first(one.name)
        smallest[root] = min(smallest.get(root, one.name), one.name)
    return [smallest[first(one.name)] for one in subjects]
