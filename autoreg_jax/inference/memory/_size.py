"""Amounts of memory as people write them."""

import math
import re

from autoreg_jax.errors import ConfigError

__all__ = ["bytes_of", "size_in_words"]

_WRITTEN = re.compile(r"(\d+\.?\d*|\.\d+)\s*([kmgt])(i?b)?", re.IGNORECASE)


def bytes_of(size: str | float) -> float:
    """An amount of memory in bytes.

    Args:
        size: Bytes, or text with a unit: KB, MB, GB and TB count by 1000, with an i
            (GiB) or without B (G) by 1024.

    Raises:
        ConfigError: If it is none, or not above 0.

    Examples:
        >>> bytes_of("8GiB") / 2**30, bytes_of("1.5 GB"), bytes_of(4096)
        (8.0, 1500000000.0, 4096.0)
    """
    number = math.nan
    if not isinstance(size, str):
        number = float(size)
    elif found := _WRITTEN.fullmatch(size.strip()):
        amount, letter, rest = found.groups()
        base = 1000 if (rest or "").lower() == "b" else 1024
        number = float(amount) * base ** (1 + "kmgt".index(letter.lower()))
    if not 0 < number < math.inf:
        raise ConfigError(
            "max_memory: must be an amount of memory with its unit, as 8GiB or 500MB, "
            f"got {size!r}."
        )
    return number


def size_in_words(size: float) -> str:
    """`7.5 GiB`, or `12 MiB` below a tenth of one.

    Examples:
        >>> size_in_words(7.5 * 2**30), size_in_words(12e6)
        ('7.5 GiB', '11 MiB')
    """
    if size < 0.1 * 2**30:
        return f"{size / 2**20:.0f} MiB"
    return f"{size / 2**30:.1f} GiB"
