"""Checks of single settings; each error begins with the name of the field."""

import math
import typing
from numbers import Integral, Real
from typing import Any

from autoreg_jax.errors import ConfigError


def check_range(
    settings: Any,
    *names: str,
    above: float | None = None,
    at_least: float | None = None,
    at_most: float | None = None,
    below: float | None = None,
) -> None:
    """Check that the named fields are None, or numbers inside a range.

    They must be finite, and whole where the field is declared so.
    """
    bounds = {">": above, ">=": at_least, "<=": at_most, "<": below}
    wanted = " and ".join(f"{k} {v:g}" for k, v in bounds.items() if v is not None)
    hints = typing.get_type_hints(type(settings))
    for name in names:
        value = getattr(settings, name)
        if value is None:
            continue
        _check_number(name, value, hints[name])
        if not math.isfinite(value):
            raise ConfigError(f"{name}: must be finite and {wanted}, got {value!r}.")
        inside = (
            (above is None or value > above)
            and (at_least is None or value >= at_least)
            and (at_most is None or value <= at_most)
            and (below is None or value < below)
        )
        if not inside:
            raise ConfigError(f"{name}: must be {wanted}, got {value!r}.")


def _check_number(name: str, value: Any, hint: Any) -> None:
    is_whole = float not in (hint, *typing.get_args(hint))
    kind, word = (Integral, "whole number") if is_whole else (Real, "number")
    if isinstance(value, bool) or not isinstance(value, kind):
        raise ConfigError(
            f"{name}: must be a {word}, got {value!r} ({type(value).__name__})."
        )


def check_choice(settings: Any, name: str, choices: tuple[str, ...]) -> None:
    """Check that a named field is one of a few words."""
    value = getattr(settings, name)
    if value not in choices:
        raise ConfigError(
            f"{name}: must be one of {', '.join(choices)}, got {value!r}."
        )
