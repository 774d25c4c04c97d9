"""Warnings about files, kept for the record of a registration."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from autoreg_jax.errors import ImageWarning

__all__ = ["heard"]


@contextmanager
def heard() -> Iterator[list[str]]:
    """A list to which each `ImageWarning` of the block is added, and still shown."""
    found: list[str] = []
    with warnings.catch_warnings():
        show = warnings.showwarning

        def note(message, category, *place, **more) -> None:
            if issubclass(category, ImageWarning) and str(message) not in found:
                found.append(str(message))
            show(message, category, *place, **more)

        warnings.showwarning = note
        yield found
