"""The subjects of a dataset, their files and splits."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from autoreg_jax.errors import DataError

__all__ = ["SPLITS", "Dataset", "PairList", "SplitSource", "Subject", "check_file"]

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Subject:
    """One image of a dataset and the files that belong to it.

    Attributes:
        name: Unique in the dataset.
        image: Image file.
        labels: Label map on the grid of the image, if any.
        split: `train`, `validation` or `test`.
        modality: Free text such as `t1`; None if unknown.
        mask: Mask on the grid of the image, if any.
        lesion: Mask of what is not to be compared, not 0 where that is, if any.
        landmarks: CSV `name,x,y,z` of landmarks, world millimetres, if any.
        velocity: Stationary velocity of a simulated subject, voxels, if any.
        why: Where its split comes from, such as "column 'split'".
        person: Who the image shows, by the dataset or, beyond doubt, by names.
        more_images: Further images of the same place, channels.
    """

    name: str
    image: Path
    labels: Path | None
    split: str
    modality: str | None = None
    mask: Path | None = None
    lesion: Path | None = None
    landmarks: Path | None = None
    velocity: Path | None = None
    why: str = ""
    person: str | None = None
    more_images: tuple[Path, ...] = ()

    @property
    def channels(self) -> int:
        """How many images there are."""
        return 1 + len(self.more_images)


class SplitSource(NamedTuple):
    """Subjects of one split that are in it for the same reason.

    Attributes:
        split: `train`, `validation` or `test`.
        why: The reason.
        names: Names of the subjects.
    """

    split: str
    why: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class PairList:
    """The only pairs of a dataset that are registered.

    Attributes:
        path: The CSV file that lists them.
        pairs: Names of the moving and of the fixed subject of each, both of one split.
        files: Files that the list names beside the images: for a subject `labels`,
            `mask`, `lesion` or `landmarks`.
    """

    path: Path
    pairs: tuple[tuple[str, str], ...]
    files: Mapping[str, Mapping[str, Path]] = field(default_factory=dict)


@dataclass(frozen=True)
class Dataset:
    """The subjects of a dataset in the order of its lines, or of their names.

    Attributes:
        path: The file or the folder that was read.
        subjects: All subjects.
        notes: What was inferred while reading, in sentences: what the files were taken
            for, how the splits were chosen.
        pair_list: The pairs to be registered; None: any that a run asks for.

    Raises:
        DataError: If a name appears twice, a split has a single subject, or a subject
            has more images than another.
    """

    path: Path
    subjects: tuple[Subject, ...]
    notes: tuple[str, ...] = ()
    pair_list: PairList | None = None

    def __post_init__(self) -> None:
        for name, count in Counter(s.name for s in self.subjects).items():
            if count > 1:
                raise DataError(
                    f"{self.path}: the subject {name!r} appears {count} times; give "
                    "each subject a unique name."
                )
        counts = {s.channels: s.name for s in self.subjects}
        if len(counts) > 1:
            found = " and ".join(f"{name!r} has {n}" for n, name in counts.items())
            raise DataError(
                f"{self.path}: not all subjects have as many images, {found}; give "
                "each the same channels in the same order."
            )
        for name, count in Counter(s.split for s in self.subjects).items():
            if count < 2:
                raise DataError(
                    f"{self.path}: the split {name!r} has {count} subject; a pair "
                    "needs two. Move subjects between the splits or leave this one out."
                )

    @property
    def channels(self) -> int:
        """How many images each subject has."""
        return self.subjects[0].channels if self.subjects else 1

    @property
    def folder(self) -> Path:
        """Folder of the dataset."""
        return self.path if self.path.is_dir() else self.path.parent

    @property
    def sources(self) -> tuple[SplitSource, ...]:
        """The splits in the order of `SPLITS`, and why their subjects are in them."""
        found: dict[tuple[str, str], list[str]] = {}
        for subject in self.subjects:
            found.setdefault((subject.split, subject.why), []).append(subject.name)
        order = sorted(found, key=lambda key: SPLITS.index(key[0]))
        return tuple(SplitSource(*key, tuple(found[key])) for key in order)

    def split(self, name: str) -> tuple[Subject, ...]:
        """Subjects of one split.

        Args:
            name: `train`, `validation` or `test`.

        Returns:
            At least two subjects.

        Raises:
            DataError: If the split has no subjects, or does not exist.
        """
        chosen = tuple(s for s in self.subjects if s.split == name)
        if not chosen:
            present = [n for n in SPLITS if any(s.split == n for s in self.subjects)]
            if self.pair_list is not None:
                raise DataError(
                    f"{self.pair_list.path}: no pair is of the split {name!r}; the "
                    f"splits with pairs are {', '.join(present)}. List a pair of it, "
                    "in the column 'split' or by subjects that are in it."
                )
            raise DataError(
                f"{self.path}: no subject is in the split {name!r}; the splits with "
                f"subjects are {', '.join(present)}. Assign two or more subjects to it "
                "in the column 'split' of a dataset CSV."
            )
        return chosen

    def complete_split(
        self, name: str, atlas: str | None = None
    ) -> tuple[Subject, ...]:
        """Subjects of one split that have the same kinds of files.

        Args:
            name: `train`, `validation` or `test`.
            atlas: Name of a subject that is added as the last one, unless it is in the
                split.

        Raises:
            DataError: As `split`, and if only some of the subjects have label maps,
                velocities or landmarks, or there is no such atlas.
        """
        subjects = self.split(name)
        named = tuple(s for s in self.subjects if s.name == atlas)
        if atlas is not None and not named:
            raise DataError(
                f"{self.path}: no subject is named {atlas!r}, but pairs.fixed asks for "
                "it; set pairs.fixed to a name in the column 'subject', or to null for "
                "pairs of all subjects."
            )
        subjects += tuple(s for s in named if s not in subjects)
        for kind in ("labels", "velocity", "landmarks"):
            without = [s.name for s in subjects if getattr(s, kind) is None]
            if without and len(without) < len(subjects):
                others = any(s.split != name for s in self.subjects)
                where = f"in the split {name!r} " if others else ""
                raise DataError(
                    f"{self.path}: {where}the subject {without[0]!r} "
                    f"has no {kind}, but others have; provide {kind} for all of them "
                    "or for none."
                )
        return subjects


def check_file(path: Path, where: str) -> None:
    """Raise a DataError that says where a path comes from if it is not a file."""
    if path.is_dir():
        raise DataError(f"{where}: {path} is a directory; a file is needed.")
    if path.is_symlink() and not path.exists():
        raise DataError(
            f"{where}: {path} is a link to a file that is not there; get it (with "
            "DataLad: datalad get), or leave it out."
        )
    if not path.is_file():
        raise DataError(f"{where}: {path} does not exist; correct the path.")
