"""Arrays of the subjects of a split that are read from files when they are used."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["StoredArray"]


@dataclass(frozen=True, eq=False)
class StoredArray:
    """One array a subject, like a NumPy array of all of them but read on demand.

    Nothing is kept: an index reads its subjects, and only those. `numpy.asarray` reads
    all of them.

    Attributes:
        shape: That of all subjects together, `(n, ...)`.
        dtype: Type of what is read.
        read: The array of a subject, by its place; may be called by several threads.

    Examples:
        >>> squares = StoredArray(
        ...     (3, 2), np.dtype(int), lambda place: np.array([place, place**2])
        ... )
        >>> squares[2].tolist(), squares[[1, 2], 1].tolist()
        ([2, 4], [1, 4])
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    read: Callable[[int], np.ndarray]

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of all subjects, once they are read."""
        return int(np.prod(self.shape)) * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> np.ndarray:
        """Read subjects: a number, a slice or numbers, and what follows of the axes."""
        first, *rest = key if isinstance(key, tuple) else (key,)
        if first is Ellipsis:
            first, rest = slice(None), [Ellipsis, *rest]
        places = np.arange(len(self))[first]
        if places.ndim == 0:
            found = self.read(int(places))
            return found[tuple(rest)] if rest else found
        found = np.empty((places.size, *self.shape[1:]), self.dtype)
        for row, place in zip(found, places.ravel().tolist(), strict=True):
            row[...] = self.read(place)
        found = found.reshape(*places.shape, *self.shape[1:])
        return found[(slice(None),) * places.ndim + tuple(rest)]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Read all subjects."""
        del copy  # it always is one
        return self[:].astype(dtype or self.dtype, copy=False)
