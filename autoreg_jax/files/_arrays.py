"""Arrays from archives of NumPy, whatever has happened to them."""

import io
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

_UNREADABLE = (
    ArithmeticError,
    EOFError,  # an empty file
    LookupError,
    MemoryError,  # a size that nobody wrote
    NotImplementedError,  # an unknown compression
    RecursionError,
    RuntimeError,  # a password
    SyntaxError,  # in the header of an array
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)


def read_arrays(path: Path | str) -> "dict[str, np.ndarray]":
    """Read all arrays of an `.npz` file.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it is no such file or is damaged.

    Examples:
        >>> import tempfile
        >>> import numpy as np
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.savez(f"{folder}/a.npz", x=np.arange(3))
        ...     read_arrays(f"{folder}/a.npz")
        {'x': array([0, 1, 2])}
    """
    import numpy as np  # the command line imports this package to show its help

    # From memory: NumPy leaves the file open where it is no archive.
    content = io.BytesIO(Path(path).read_bytes())
    try:
        with np.load(content, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except AttributeError:  # a single array has no names
        raise ValueError("it is no archive of arrays") from None
    except _UNREADABLE as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ValueError(f"not a whole archive of arrays: {reason}") from error
