"""The table of candidate operations: everything that is known of one is its row."""

from collections.abc import Sequence
from dataclasses import dataclass

from autoreg_jax.search_space._operations import (
    DilatedConvolution,
    Operation,
    PlainConvolution,
    SeparableConvolution,
)


@dataclass(frozen=True)
class Candidate:
    """One row of a table of operations.

    Attributes:
        name: Key in `genotype.json` and in the tree of the weights.
        description: Words of the report.
        module: Class of the operation.
        size: Taps on each axis, odd.
        dilation: Distance between taps.
        joint: Labels at stride 1 and at stride 2, for subclasses of
            `LeadingConvolution` of one dilation: the first convolutions of candidates
            with the same label are computed as one, which is faster. Empty: alone.
        is_searched: Whether α weighs it; otherwise only a genotype can contain it.
    """

    name: str
    description: str
    module: type[Operation]
    size: int = 1
    dilation: int = 1
    joint: tuple[str, str] = ("", "")
    is_searched: bool = True


def _plain(size: int, label: str) -> Candidate:
    words = f"convolution, width {size}"
    return Candidate(f"conv_{size}", words, PlainConvolution, size, 1, (label, label))


def _separable(size: int, label: str) -> Candidate:
    words = f"separable convolution, width {size}"
    labels = label, "separable"  # Their first convolutions never have stride 2.
    return Candidate(f"sep_conv_{size}", words, SeparableConvolution, size, 1, labels)


def _dilated(size: int, label: str, dilation: int = 2) -> Candidate:
    reach = 1 + dilation * (size - 1)
    words = f"dilated convolution, width {size} (reach {reach})"
    name = f"dil_conv_{size}" + (f"_{dilation}" if dilation != 2 else "")
    is_searched = dilation == 2  # Dilation 8: fixed cells of the published code.
    return Candidate(
        name, words, DilatedConvolution, size, dilation, (label, label), is_searched
    )


# In the order of the last axis of α.
CANDIDATES = (
    _plain(1, "small"),
    _plain(3, "small"),
    _plain(5, "large"),
    _separable(3, "small"),
    _separable(5, "large"),
    _dilated(3, "dilated"),
    _dilated(5, "dilated"),
    _dilated(7, "widest"),
    _dilated(3, "", dilation=8),
)


def searched_names(candidates: Sequence[Candidate]) -> tuple[str, ...]:
    """Names of the operations that α weighs, in the order of its last axis."""
    return tuple(row.name for row in candidates if row.is_searched)


OPERATIONS = searched_names(CANDIDATES)


def make_operation(
    name: str,
    channels: int,
    features: int,
    ndim: int,
    stride: int = 1,
    gain: float = 1.0,
    candidates: Sequence[Candidate] = CANDIDATES,
) -> Operation:
    """Build one operation by its name.

    Args:
        name: Name of a row of the table.
        channels: Input channels.
        features: Output channels.
        ndim: Number of spatial axes.
        stride: 1 or 2.
        gain: Factor on the standard deviation of the last kernel at initialisation.
        candidates: Table of operations.

    Returns:
        A module named `name`; names are part of the checkpoint format.

    Raises:
        ValueError: If the table has no such row.
    """
    check_names([name], candidates)
    row = next(row for row in candidates if row.name == name)
    geometry = channels, features, ndim, row.size, row.dilation, stride
    return row.module(*geometry, gain, name=name)


def check_names(names: Sequence[str], candidates: Sequence[Candidate]) -> None:
    """Refuse names that the table does not have.

    Args:
        names: Names of operations.
        candidates: Table of operations.

    Raises:
        ValueError: If a name is unknown.
    """
    known = [row.name for row in candidates]
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise ValueError(f"unknown operations {unknown}; known are {known}.")
