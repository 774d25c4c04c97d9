"""Names of BIDS files, and which label map or mask belongs to which scan."""

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from autoreg_jax.data.datasets._names import stem
from autoreg_jax.data.images import read_grid
from autoreg_jax.errors import AutoRegError

__all__ = ["NATIVE", "BidsFile", "belonging", "bids_file", "have_one_grid"]

# Spaces of the scans themselves; a file in another one is on a template.
NATIVE = ("", "orig", "T1w", "T2w")
# Entities that say what a file is, not which scan it was made from.
_VERSION = ("space", "res", "desc")
_KIND = ("atlas", "seg", "label", "desc", "den")
# Of kinds that as many scans have: structures before tissues.
_PREFERRED = ("aseg", "aparcaseg")


@dataclass(frozen=True)
class BidsFile:
    """An image with a name of BIDS.

    Attributes:
        path: The file.
        entities: `{"sub": "01", "ses": "2"}` of `sub-01_ses-2_T1w`; numbers without
            leading zeros, except for the person and the session.
        suffix: What it shows, `T1w`.
        folder: Name of its folder, `anat`.
        pipeline: Folder below `derivatives` that it is in; empty outside.
    """

    path: Path
    entities: Mapping[str, str]
    suffix: str
    folder: str
    pipeline: str

    @property
    def version(self) -> tuple[str, ...]:
        """Space, resolution and description."""
        return tuple(self.entities.get(key, "") for key in _VERSION)

    @property
    def scan(self) -> frozenset[tuple[str, str]]:
        """The entities that say which scan it is, or was made from."""
        known = {*_VERSION, *_KIND}
        return frozenset(
            (key, value) for key, value in self.entities.items() if key not in known
        )

    @property
    def kind(self) -> tuple[str, ...]:
        """Who made a label map, and which one it is."""
        return self.pipeline, *(self.entities.get(key, "") for key in _KIND)


def bids_file(path: Path, top: Path) -> BidsFile:
    """A file by its name and its folders below the dataset."""
    *words, suffix = stem(path).split("_")
    pairs = (word.partition("-") for word in words)
    entities = {key: value for key, dash, value in pairs if dash}
    numbers = {
        key: str(int(value))
        for key, value in entities.items()
        if key in ("run", "echo", "inv", "flip", "res") and value.isdecimal()
    }
    folders = path.relative_to(top).parts[:-1]
    pipeline = ""
    if folders[:1] == ("derivatives",):
        # Some have no folder of the pipeline.
        below = [folder for folder in folders[1:2] if not folder.startswith("sub-")]
        pipeline = "".join(below or folders[:1])
    return BidsFile(
        path=path,
        entities=entities | numbers,
        suffix=suffix,
        folder=path.parent.name,
        pipeline=pipeline,
    )


def belonging(
    scans: Sequence[BidsFile], files: Sequence[BidsFile], what: str
) -> tuple[dict[Path, Path], list[str]]:
    """The label map or mask of each scan, all of one kind.

    Args:
        scans: The scans.
        files: All files of this sort.
        what: Their name in the notes, singular.

    Returns:
        File by scan, and sentences on what was chosen and what was not.
    """
    by_kind: dict[tuple[str, ...], dict[Path, Path]] = {}
    unclear: dict[tuple[str, ...], list[Path]] = {}
    for file in files:
        fitting = [scan for scan in scans if _fits(file, scan)]
        if "space" not in file.entities and {s.suffix for s in fitting} > {"T1w"}:
            # Without a space it is that of T1w; it fits others on the same grid.
            fitting = [
                scan
                for scan in fitting
                if scan.suffix == "T1w" or have_one_grid(scan.path, file.path)
            ]
        by_contrast = Counter(scan.suffix for scan in fitting)
        if any(count > 1 for count in by_contrast.values()):
            unclear.setdefault(file.kind, []).append(file.path)
            continue
        pairs = by_kind.setdefault(file.kind, {})
        for scan in fitting:
            if scan.path not in pairs or file.entities.get("space") == scan.suffix:
                pairs[scan.path] = file.path
    notes = []
    chosen = min(
        [*by_kind, *unclear], key=lambda kind: _rank(kind, by_kind), default=()
    )
    if (
        len(counts := {kind: len(pairs) for kind, pairs in by_kind.items() if pairs})
        > 1
    ):
        others = [f"{_words(k)} ({n})" for k, n in counts.items() if k != chosen]
        notes.append(
            f"Each scan can have one {what}: {_words(chosen)} ({counts[chosen]} scans) "
            f"is used, not {', '.join(others)}."
        )
    if chosen in unclear:
        first, *rest = unclear[chosen]
        more = f" and {len(rest)} more" if rest else ""
        notes.append(
            f"{first.name}{more}: fits several scans of a person and names none, so it "
            f"is the {what} of none."
        )
    return by_kind.get(chosen, {}), notes


def have_one_grid(one: Path, other: Path) -> bool:
    """Whether two images lie on one grid; True if one of them cannot be read."""
    try:
        with warnings.catch_warnings(action="ignore"):
            return read_grid(one).grid.matches(read_grid(other).grid)
    except AutoRegError:
        return True


def _fits(file: BidsFile, scan: BidsFile) -> bool:
    """Whether a file may have been made from a scan, and lies in its space."""
    own, its = scan.entities, file.entities
    if its.get("sub") != own["sub"] or its.get("ses") != own.get("ses"):
        return False
    if not file.scan <= scan.scan or its.get("res", own.get("res")) != own.get("res"):
        return False
    space = its.get("space", "")
    if own.get("space", "") in NATIVE:
        return space in ("", "orig", scan.suffix)
    return space == own["space"]


def _rank(
    kind: tuple[str, ...], by_kind: Mapping[tuple[str, ...], Mapping[Path, Path]]
) -> tuple[object, ...]:
    """Most scans first; then FreeSurfer's structures, then by name."""
    description = kind[1 + _KIND.index("desc")]
    known = description in _PREFERRED
    place = _PREFERRED.index(description) if known else len(_PREFERRED)
    return -len(by_kind.get(kind, ())), place, kind


def _words(kind: tuple[str, ...]) -> str:
    """`desc-aseg of fmriprep`."""
    pipeline, *values = kind
    pairs = zip(_KIND, values, strict=True)
    words = "_".join(f"{key}-{value}" for key, value in pairs if value)
    return f"{words or 'the plain one'} of {pipeline}" if pipeline else words or "plain"
