"""Pictures as PNG, written here: they are shown where no drawing library is."""

import struct
import zlib

import numpy as np
from jaxtyping import Num, UInt8

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Kinds of colour of the format, by the number of channels: grey, RGB, RGBA.
_KINDS = {1: 0, 3: 2, 4: 6}
# Each byte less its left neighbour, which compresses better.
_FILTER = 1
# Values that the range of an image is taken from, about.
_LOOKED_AT = 1_000_000


def encode_png(picture: UInt8[np.ndarray, "rows columns *colour"]) -> bytes:
    """The file of a picture.

    Args:
        picture: Grey values, or three channels for RGB, four for RGBA; rows from the
            top.

    Returns:
        Content of a PNG file, always the same for the same picture.

    Raises:
        ValueError: If it is not uint8, is empty, or has other channels.

    References:
        Portable Network Graphics (PNG) Specification, W3C.
    """
    channels = picture.shape[2] if picture.ndim == 3 else 1
    is_known = picture.ndim in (2, 3) and channels in _KINDS and picture.size > 0
    if picture.dtype != np.uint8 or not is_known:
        raise ValueError(
            "a picture is uint8 with rows, columns and no, three or four channels, got "
            f"{picture.dtype} of the shape {picture.shape}."
        )
    rows, columns = picture.shape[:2]
    pixels = picture.reshape(rows, columns, channels)
    before = np.pad(pixels[:, :-1], ((0, 0), (1, 0), (0, 0)))
    lines = (pixels - before).reshape(rows, -1)  # modulo 256, as the format wants it
    content = np.pad(lines, ((0, 0), (1, 0)), constant_values=_FILTER).tobytes()
    head = struct.pack(">IIBBBBB", columns, rows, 8, _KINDS[channels], 0, 0, 0)
    parts = (b"IHDR", head), (b"IDAT", zlib.compress(content, 9)), (b"IEND", b"")
    return _SIGNATURE + b"".join(_chunk(*part) for part in parts)


def _chunk(kind: bytes, content: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + check


def grey_values(
    values: Num[np.ndarray, "*shape"], whole: Num[np.ndarray, "..."]
) -> UInt8[np.ndarray, "*shape"]:
    """Values as grey levels, black to white from the 0.5th to the 99.5th percentile.

    Args:
        values: What is shown, such as a slice.
        whole: What the range is taken from, such as the image of the slice; NaN and
            infinite values have no part in it.

    Returns:
        0 to 255; NaN is black.

    Examples:
        >>> grey_values(np.array([0.0, 5.0, 20.0]), np.linspace(0, 10, 1001)).tolist()
        [0, 128, 255]
    """
    known = np.ravel(whole)[:: max(1, np.size(whole) // _LOOKED_AT)]
    known = known[np.isfinite(known)]
    low, high = np.percentile(known, (0.5, 99.5)) if known.size else (0.0, 1.0)
    width = high - low if high > low else 1.0
    shares = np.nan_to_num((values - low) / width, nan=0.0)
    return np.rint(255 * np.clip(shares, 0, 1)).astype(np.uint8)
