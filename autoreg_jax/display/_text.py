"""Numbers and tables as text."""

import math
from collections.abc import Iterable, Sequence

MISSING = "–"


def by(sizes: Iterable[float], digits: int = 3) -> str:
    """Numbers along the axes of an array.

    Args:
        sizes: One number an axis.
        digits: Significant digits of those that are not whole.

    Returns:
        The numbers with "×" between them.

    Examples:
        >>> by((160, 192)), by((1.0, 0.9375))
        ('160 × 192', '1 × 0.938')
    """
    return " × ".join(number(size, digits) for size in sizes)


def number(value: float | None, digits: int = 3) -> str:
    """A number for people.

    Args:
        value: The number; None and NaN stand for what is not known.
        digits: Significant digits, ≥ 1; whole numbers have all of theirs.

    Returns:
        Its text, never with an exponent where that is longer.

    Examples:
        >>> number(0.41234), number(15012), number(2e-7), number(None)
        ('0.412', '15012', '2e-07', '–')
    """
    if value is None or math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    is_whole = float(value).is_integer() and abs(value) < 1e15
    is_large = abs(value) >= 10**digits
    return f"{value:.0f}" if is_whole or is_large else f"{value:.{digits}g}"


def text_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of text in columns: the first to the left, the others to the right.

    Args:
        header: Title of each column.
        rows: Cells, as many as titles.

    Returns:
        Lines without a newline at the end.

    Examples:
        >>> print(text_table(("name", "error"), [("one step", "0.866"), ("cg", "0")]))
        name      error
        one step  0.866
        cg            0
    """
    lines = [tuple(header), *map(tuple, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )
