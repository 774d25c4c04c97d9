"""Names of the files that a registration writes, checked before it begins."""

import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Literal

from autoreg_jax.data import ENDINGS
from autoreg_jax.errors import ConfigError
from autoreg_jax.transforms import FORMATS

_NAMES = {
    "moved": "moved.nii.gz",
    "displacement": "displacement.nii.gz",
    "affine": "affine.mat",
    "labels": "moved_labels.nii.gz",
    "inverse_displacement": "inverse_displacement.nii.gz",
    "inverse_moved": "inverse_moved.nii.gz",
    "jacobian": "jacobian.nii.gz",
    "grid": "grid.nii.gz",
    "uncertainty": "uncertainty.nii.gz",
    "report": "report.html",
    "summary": "summary.json",
}
# What is written only if it is asked for, by the word that asks for it.
_EXTRA = {
    "inverse": ("inverse_displacement", "inverse_moved"),
    "jacobian": ("jacobian",),
    "grid": ("grid",),
    "uncertainty": ("uncertainty",),
    "report": ("report",),
}
Extra = Literal["inverse", "jacobian", "grid", "uncertainty", "report"]
_LONGEST = 255
_ENDINGS = {
    "displacement": tuple(
        ending for kind in FORMATS if not kind.affine_only for ending in kind.endings
    ),
    "affine": (".mat",),
    "report": (".html",),
    "summary": (".json",),
}


def output_paths(
    prefix: Path | str | None,
    *,
    moved: Path | str | None = None,
    displacement: Path | str | None = None,
    with_labels: bool = False,
    extra: Sequence[Extra] = (),
    inputs: Sequence[Path | str] = (),
    channels: int = 1,
) -> dict[str, Path]:
    """Paths of the results of a registration.

    Args:
        prefix: Prefix of the file names, as in ANTs; a folder if it ends in "/" or is
            an existing folder.
        moved: Another name for the moved image.
        displacement: One file for the whole map instead of a displacement and an affine
            map; `.nii.gz`, or a format of ITK (`.h5`, `.tfm`, `.txt`) or Learn2Reg
            (`.npz`).
        with_labels: Whether moved labels are written.
        extra: What else is written: "inverse", "jacobian", "grid", "uncertainty",
            "report"; needs a prefix.
        inputs: Files that must not be overwritten.
        channels: Moving images, of which the second is "moved_2", and so on.

    Returns:
        Paths by "moved", "displacement", "affine" (written after an alignment alone),
        "labels", "summary" and what is extra, "inverse" as "inverse_displacement" and
        "inverse_moved"; without a prefix only the given names.

    Raises:
        ConfigError: If a name has an unknown ending, is too long or is an input, or if
            there is nothing to write, or if `extra` is unknown or has no prefix.

    Examples:
        >>> [path.name for path in output_paths("out_", moved="m.nii").values()]
        ['m.nii', 'out_displacement.nii.gz', 'out_affine.mat', 'out_summary.json']
        >>> output_paths("brain/")["moved"].as_posix()
        'brain/moved.nii.gz'
    """
    _check_extra(extra, prefix)
    paths = {}
    if prefix is not None:
        asked = {kind for word in extra for kind in _EXTRA[word]}
        asked |= {"labels"} if with_labels else set()
        optional = {"labels", *(kind for kinds in _EXTRA.values() for kind in kinds)}
        paths = _beginning_with(prefix, displacement, channels)
        paths = {k: v for k, v in paths.items() if k in asked or k not in optional}
    for kind, name in (("moved", moved), ("displacement", displacement)):
        if name is not None:
            paths[kind] = Path(name)
    if not paths:
        raise ConfigError("no output; give an output prefix or file.")
    taken = {Path(path).resolve() for path in inputs}
    for kind, path in paths.items():
        _check(kind, path, taken)
        taken.add(path.resolve())
    return paths


def _check_extra(extra: Sequence[Extra], prefix: Path | str | None) -> None:
    """Refuse unknown words, and files that have no name."""
    for word in extra:
        if word not in _EXTRA:
            raise ConfigError(f"extra: must be of {', '.join(_EXTRA)}, got {word!r}.")
        if prefix is None:
            raise ConfigError(
                f"{word}: its file is named by the output prefix; give one (-o)."
            )


def _check(kind: str, path: Path, taken: set[Path]) -> None:
    """Refuse a name that cannot be written, or that is another file's."""
    if is_too_long(path):
        raise ConfigError(
            f"{path.name[:60]}…: the name of this output has more than {_LONGEST} "
            "bytes, which no file may have; rename the images, or give another name."
        )
    allowed = _ENDINGS.get(kind, ENDINGS)
    if not path.name.lower().endswith(allowed):
        what = "a displacement" if kind == "displacement" else "an output image"
        raise ConfigError(
            f"{path}: the name of {what} must end in {' or '.join(allowed)}."
        )
    if path.is_dir():
        raise ConfigError(f"{path}: is a folder; give a file.")
    if path.resolve() in taken:
        raise ConfigError(
            f"{path}: is an input or another output; choose another name."
        )


def moved_kinds(channels: int) -> tuple[str, ...]:
    """The kinds of the moved images, one for each channel.

    Examples:
        >>> moved_kinds(3)
        ('moved', 'moved_2', 'moved_3')
    """
    return ("moved", *(f"moved_{number}" for number in range(2, channels + 1)))


def longest_name(extra: Sequence[Extra]) -> str:
    """The longest of the names that follow a prefix, but for moved labels."""
    kinds = [kind for word in extra for kind in _EXTRA.get(word, ())]
    return max((_NAMES[kind] for kind in ("displacement", *kinds)), key=len)


def written_words(kinds: Collection[str]) -> tuple[str, ...]:
    """The words of `extra` that ask for kinds of files.

    Examples:
        >>> written_words(output_paths("out_", extra=["grid"]))
        ('grid',)
    """
    return tuple(word for word, own in _EXTRA.items() if own[0] in kinds)


def is_too_long(path: Path) -> bool:
    """Whether no file system takes the name of a file."""
    return len(os.fsencode(path.name)) > _LONGEST


def _beginning_with(
    prefix: Path | str, displacement: Path | str | None, channels: int
) -> dict[str, Path]:
    """Default names of all results; no affine map beside a displacement elsewhere."""
    start = str(prefix)
    is_name = not is_too_long(Path(start))
    if is_name and Path(start).is_dir() and not start.endswith("/"):
        start += "/"
    more = {kind: f"{kind}.nii.gz" for kind in moved_kinds(channels)[1:]}
    paths = {kind: Path(start + name) for kind, name in (_NAMES | more).items()}
    # Beside a whole map of the usual name, an affine map of an earlier run is removed.
    given = paths["displacement"] if displacement is None else Path(displacement)
    if given.resolve() != paths["displacement"].resolve():
        del paths["affine"]
    return paths
