"""JSON of a sane size: what no program of this kind writes is refused, not followed."""

import json
import math
from typing import Any, NoReturn

# Far beyond what any file of ours or of a data set has.
_DEEPEST, _DIGITS = 64, 40


def parse_json(text: str | bytes) -> Any:
    """Parse JSON.

    Args:
        text: UTF-8 where it is bytes.

    Raises:
        ValueError: If it is not JSON, or has NaN, an infinite number, a number of more
            than 40 digits, more than 64 levels, or text that is no Unicode.

    Examples:
        >>> parse_json('{"a": [1, 2.5]}')
        {'a': [1, 2.5]}
    """
    try:
        value = json.loads(
            text, parse_constant=_refuse, parse_int=_whole, parse_float=_finite
        )
    except RecursionError:
        raise ValueError(f"it has more than {_DEEPEST} levels") from None
    _check_depth(value)
    if "\\u" in (text if isinstance(text, str) else text.decode()):
        json.dumps(value, ensure_ascii=False).encode()  # half a character
    return value


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a number of JSON")


def _whole(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise ValueError(f"it has a number of {len(digits)} digits")
    return int(digits)


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"the number {digits[:20]} is too large")
    return value


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(_DEEPEST):
        level = [
            item
            for one in level
            if isinstance(one, dict | list)
            for item in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return
    raise ValueError(f"it has more than {_DEEPEST} levels")
