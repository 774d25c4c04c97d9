"""The errors that a user may meet; each message says what to do."""

_LONGEST = 1200


class AutoRegError(Exception):
    """Base class of all errors that this package raises deliberately.

    Messages quote files, whose names and cells may have any length. A text of more than
    1200 letters is shortened in the middle, because the remedy is at its end.

    Args:
        message: What is wrong, where, what was found, and what to do.

    Examples:
        >>> text = str(AutoRegError(f"found {'x' * 10_000}; remove it."))
        >>> len(text), text[:8], text[-11:]
        (1203, 'found xx', ' remove it.')
    """

    def __init__(self, message: object = "") -> None:
        text, half = str(message), _LONGEST // 2
        if len(text) > _LONGEST:
            text = f"{text[:half]} … {text[-half:]}"
        super().__init__(text)


class ConfigError(AutoRegError):
    """A wrong setting or option: names the file, the key and what is allowed."""


class DataError(AutoRegError):
    """An unusable dataset or image: names the file and what is needed."""


class GeometryError(AutoRegError):
    """Two grids that should agree but do not: names both files and the difference."""


class ArtifactError(AutoRegError):
    """A model, checkpoint or run that is missing, incomplete or of another version."""


class MemoryNeededError(AutoRegError):
    """More memory is needed than there is: says how much, and what would fit."""


class NonFiniteError(AutoRegError):
    """A loss or gradient that became NaN or infinite: names stage, step and term."""


class TransformError(AutoRegError):
    """An unusable transform: names the file, or why a deformation has no inverse."""


class ImageWarning(UserWarning):
    """A file that can be read in several ways: names it, and what was assumed."""
