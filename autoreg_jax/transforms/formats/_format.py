"""What a file format of transforms has to provide."""

import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, Protocol

from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError
from scipy.io.matlab import MatReadError

from autoreg_jax.geometry import Grid
from autoreg_jax.transforms.links import Link

__all__ = ["DAMAGED", "Format", "ImagePair", "Layout", "damaged"]

Layout = Literal["ants", "ras", "positions", "learn2reg", "fsl"]

# What nibabel, NumPy, SciPy, h5py and gzip raise for damaged files.
DAMAGED = (
    AttributeError,
    EOFError,
    HeaderDataError,
    ImageFileError,
    LookupError,
    MatReadError,
    MemoryError,
    OSError,
    OverflowError,
    RuntimeError,
    TypeError,
    ValueError,
    WrapStructError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True)
class ImagePair:
    """The two images that a file maps between, for programs whose files need them.

    FSL counts millimetres from a corner of each image, AFNI along axes without
    obliquity.

    Attributes:
        source: Grid of the image that is moved (`flirt -in`), if it is known.
        reference: Grid of the image it is moved to (`flirt -ref`), if it is known.
        assumed: Nobody said that these are the images; they are the input and the
            reference of a command.
        others: More images of the command, between which the file may map.
    """

    source: Grid | None = None
    reference: Grid | None = None
    assumed: bool = False
    others: tuple[Grid, ...] = ()

    @property
    def known(self) -> tuple[Grid, ...]:
        """All images that are known."""
        found = (self.source, self.reference, *self.others)
        return tuple(grid for grid in found if grid is not None)

    def unit(self) -> float:
        """Millimetres in a unit of their headers, which most programs take for mm.

        Raises:
            ValueError: If their headers have different units.
        """
        units = {grid.stated.unit for grid in self.known if grid.stated is not None}
        if len(units) > 1:
            raise ValueError(
                "its program takes the lengths of headers for mm, and the images here "
                "have different units (xyzt_units); set them all to mm."
            )
        return units.pop() if units else 1.0


class Reader(Protocol):
    """Reads the content of a file; raises `ValueError` if it cannot be used.

    What could be read in two ways is said by `warnings.warn(text, ImageWarning)`; the
    name of the file is put before the text.
    """

    def __call__(
        self,
        content: bytes,
        *,
        layout: Layout | None,
        grid: Grid | None,
        images: ImagePair,
    ) -> tuple[Link, ...]:
        """The chain of maps in the file, the last of which is applied first."""
        ...


class Writer(Protocol):
    """Makes the content of a file; raises `ValueError` if it cannot hold the chain."""

    def __call__(
        self, links: Sequence[Link], *, layout: Layout | None, grid: Grid | None
    ) -> bytes:
        """The whole file."""
        ...


@dataclass(frozen=True)
class Format:
    """A file format of transforms.

    Whoever reads and writes files with it takes care of paths, of errors that name the
    file, of gzip (a compressed content is unpacked; a name that ends in ".gz" is
    compressed) and of files that are never half written.

    Attributes:
        name: For messages, as "NIfTI displacement".
        endings: Of the file names, in small letters, as `(".nii", ".nii.gz")`.
        read: `(content, *, layout, grid, images) -> links`. The last three are what
            the user gave, see `Transform.read`; most formats ignore them.
        write: `(links, *, layout, grid) -> content`; None for a format that is read
            only.
        affine_only: The format cannot hold a displacement.
    """

    name: str
    endings: tuple[str, ...]
    read: Reader
    write: Writer | None = None
    affine_only: bool = False


@contextmanager
def damaged(name: str) -> Iterator[None]:
    """Turn what a library raises for a damaged file into one clear `ValueError`.

    Args:
        name: What the file should be.
    """
    try:
        yield
    except DAMAGED as error:
        if isinstance(error, OSError) and error.errno:
            raise ValueError(
                f"cannot be read ({error.strerror}); check its permissions and the "
                "disk."
            ) from error
        reason = str(error).partition("\n")[0].partition(". ")[0]
        raise ValueError(
            f"not a readable {name} ({reason or type(error).__name__}); it may be "
            "truncated or of another format. Copy or write it again."
        ) from error
