"""From the bytes of a file to an image of nibabel."""

import logging
import math
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nibabel import imageglobals
from nibabel.nifti1 import Nifti1Header, Nifti1Image
from nibabel.nifti2 import Nifti2Header, Nifti2Image

__all__ = ["LONGEST_HEADER", "header_of", "image_of", "unpacked"]

LONGEST_HEADER = 540
_GZIP = b"\x1f\x8b"


def unpacked(content: bytes) -> tuple[bytes, int]:
    """The content of a file that may be compressed by gzip, whatever its name says.

    Args:
        content: Of the whole file.

    Returns:
        The content, and the number of bytes behind the compressed stream, which are
        ignored as gzip itself does.

    Raises:
        EOFError: If the stream is truncated.
        zlib.error: If it is damaged: its checksum is verified.
    """
    if content[:2] != _GZIP:
        return content, 0
    parts, rest = [], content
    while rest[:2] == _GZIP:
        stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
        parts.append(stream.decompress(rest))
        if not stream.eof:
            raise EOFError("the compressed stream ends too early")
        rest = stream.unused_data
    # Tapes and some programs fill the last block with zeros.
    return parts[0] if len(parts) == 1 else b"".join(parts), len(rest.strip(b"\0"))


def header_of(start: bytes) -> Nifti1Header:
    """The header as it is stored: nibabel's image has one with repairs.

    Args:
        start: The first 540 bytes of the unpacked file, or more.

    Raises:
        HeaderDataError: If it cannot be that of an image.
        WrapStructError: If there are too few bytes.
    """
    kind = _header_class(start)
    block = start[: kind.template_dtype.itemsize]
    with _quiet():
        kind(block, check=True)
    return kind(block, check=False)


def image_of(content: bytes) -> tuple[Nifti1Image, int]:
    """The image in a file of NIfTI-1 or NIfTI-2.

    Args:
        content: Of the unpacked file.

    Returns:
        The image, and the number of bytes behind its last voxel.

    Raises:
        ValueError: If the file has fewer voxels than its header promises; it is found
            before memory is taken.
        HeaderDataError: If the header cannot be that of an image.
    """
    is_second = _header_class(content) is Nifti2Header
    with _quiet():
        image = (Nifti2Image if is_second else Nifti1Image).from_bytes(content)
    proxy: Any = image.dataobj
    voxels = math.prod(map(int, proxy.shape)) * proxy.dtype.itemsize
    needed = voxels + int(proxy.offset)
    if needed > len(content):
        raise ValueError(f"{needed} bytes are needed, {len(content)} are present")
    return image, len(content) - needed


def _header_class(start: bytes) -> type[Nifti1Header]:
    return Nifti2Header if Nifti2Header.may_contain_header(start) else Nifti1Header


@contextmanager
def _quiet() -> Iterator[None]:
    """Neither warnings nor log lines of nibabel: what matters is found here."""
    logger = imageglobals.logger
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logger.setLevel(level)
