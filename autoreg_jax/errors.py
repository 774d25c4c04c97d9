"""The errors that a user may meet, each with its own remedy in the message."""


class AutoRegError(Exception):
    """Base of every error that this package raises on purpose."""


class ConfigError(AutoRegError):
    """A configuration or option: names the file, the key and what is allowed."""


class DataError(AutoRegError):
    """A data set or an image: names the file, what was found and what is needed."""


class GeometryError(AutoRegError):
    """Two grids that should agree: names both files and how far they differ."""


class ArtifactError(AutoRegError):
    """A model, checkpoint or run that is missing, partial or of another version."""


class NonFiniteError(AutoRegError):
    """A loss or gradient became NaN or infinite: names the stage, step and term."""


class TransformError(AutoRegError):
    """A spatial transform: names the file, or why a deformation has no inverse."""
