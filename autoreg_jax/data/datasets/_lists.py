"""The lists of a `dataset.json`, and the splits that their names mean."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autoreg_jax.data.datasets._dataset import SPLITS
from autoreg_jax.data.datasets._names import is_image_file
from autoreg_jax.data.datasets._splits import split_named
from autoreg_jax.data.images import is_image_name

__all__ = ["PAIRS", "lists_images", "lists_of", "unused"]

# Beginning of the names of the lists of pairs.
PAIRS = "registration"


def lists_images(content: Any) -> bool:
    """Whether there is a list of images for training."""
    return isinstance(content, dict) and "train" in lists_of(content).values()


def lists_of(content: Mapping[str, Any]) -> dict[str, str]:
    """The names of the lists and their splits; those of pairs last, test after all."""
    found = {
        key: split
        for key, value in content.items()
        if isinstance(value, list | dict) and (split := split_named(key))
    }
    return dict(
        sorted(
            found.items(),
            key=lambda item: (item[0].startswith(PAIRS), SPLITS.index(item[1])),
        )
    )


def unused(path: Path, content: Mapping[str, Any], used: set[Path]) -> list[str]:
    """Sentences on lists without a split, and on images that are in no list."""
    notes = [
        f"The list {key!r} names no split and is not used."
        for key, value in content.items()
        if isinstance(value, list) and split_named(key) is None and _has_image(value)
    ]
    known = {file.resolve() for file in used}
    for folder in sorted(path.parent.glob("images*")):
        files = {f for f in folder.glob("*") if is_image_file(f)}
        if others := sorted(f.name for f in files if f.resolve() not in known):
            notes.append(
                f"{len(others)} images of {folder.name} are in no list and not used, "
                f"such as {others[0]}."
            )
    return notes


def _has_image(listed: list[Any]) -> bool:
    """Whether the first entry of a list is an image or a pair of images."""
    first = listed[0] if listed else None
    values = first.values() if isinstance(first, dict) else [first]
    return any(isinstance(value, str) and is_image_name(value) for value in values)
