"""Warnings that name the file they are about."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from autoreg_jax.errors import ImageWarning

__all__ = ["named"]


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Put the name of a file before the warnings of the block.

    Args:
        path: The file.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ImageWarning)
        yield
    for warning in caught:
        text = f"{path}: {warning.message}"
        warnings.warn(text, warning.category, stacklevel=4)
