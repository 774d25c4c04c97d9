"""Checks of numbers; those that JAX traces pass, their values are not known."""

from numbers import Real
from operator import index
from typing import Any

import jax.numpy as jnp
from jax.core import Tracer

Number = Any
"""A number: of Python, of NumPy, or a scalar array, traced or not."""


def check_positive(**numbers: Number) -> None:
    """Refuse numbers that are known and not positive, by their names.

    Raises:
        ValueError: If a number is not positive, not a number, or an array of several.
    """
    for name, number in numbers.items():
        if (known := _known(name, number)) is not None and not known > 0:
            raise ValueError(f"{name} must be positive, got {known:g}.")


def check_not_negative(**numbers: Number) -> None:
    """Refuse numbers that are known and negative, by their names.

    Raises:
        ValueError: If a number is negative, not a number, or an array of several.
    """
    for name, number in numbers.items():
        if (known := _known(name, number)) is not None and not known >= 0:
            raise ValueError(f"{name} must not be negative, got {known:g}.")


def check_at_least(least: int, **counts: int) -> None:
    """Refuse counts below a least one, by their names.

    Raises:
        ValueError: If a count is below `least`, no whole number, or traced: the length
            of a loop has to be known when it is compiled.
    """
    for name, count in counts.items():
        if isinstance(count, Tracer):
            raise ValueError(
                f"{name} must be a whole number that is known before compilation, got "
                f"{count}: it is the length of a loop. Make it static or close over it."
            )
        try:
            known = index(count)
        except TypeError:
            raise ValueError(
                f"{name} must be a whole number, as 10, not 10.0, got {count!r}."
            ) from None
        if known < least:
            must = {0: "must not be negative", 1: "must be positive"}
            words = must.get(least, f"must be at least {least}")
            raise ValueError(f"{name} {words}, got {count}.")


def _known(name: str, number: Number) -> float | None:
    """The value, None if it is traced: a comparison inside of a program is, too."""
    if not any((hasattr(number, "dtype"), isinstance(number, Real))):
        kind = type(number).__name__
        raise ValueError(f"{name} must be a number, got {kind}: {number!r:.100}.")
    if jnp.ndim(number):
        raise ValueError(
            f"{name} must be one number, got an array of shape {jnp.shape(number)}; "
            "jax.vmap maps over several."
        )
    return None if isinstance(number, Tracer) else float(number)
