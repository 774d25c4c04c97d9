"""Gzip, quickly."""

import zlib

_WITH_HEADER = 31
_PART = 2**24


def compressed(content: bytes, *, is_float: bool = False) -> bytes | bytearray:
    """Compress by gzip at the fastest level; the bytes depend on the content alone.

    Args:
        content: What to compress.
        is_float: It is mostly floating-point numbers. Their bytes repeat only where a
            number is 0: looking for other repetitions takes 2.5 times as long and saves
            6 % of a displacement.

    Returns:
        One stream, without name and time.

    Examples:
        >>> import gzip
        >>> gzip.decompress(compressed(b"to and fro"))
        b'to and fro'
    """
    strategy = zlib.Z_RLE if is_float else zlib.Z_DEFAULT_STRATEGY
    stream = zlib.compressobj(1, wbits=_WITH_HEADER, strategy=strategy)
    # Parts go to one buffer: two results and their sum would be as large as all of it.
    whole, found = memoryview(content), bytearray()
    for begin in range(0, len(whole), _PART):
        found += stream.compress(whole[begin : begin + _PART])
    found += stream.flush()
    return found
