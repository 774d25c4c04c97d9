"""Pictures of the slices of a pair: before and after, squares, borders, folds."""

import base64
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Shaped, UInt8
from matplotlib import colormaps
from matplotlib.image import imsave
from scipy import ndimage

from autoreg_jax.report.slices._planes import Plane, choose_planes

# Parts of the grey range of the fixed image whose borders are drawn.
_LEVELS = (0.2, 0.55)
# Squares across the longest side of a slice.
_SQUARES = 8
_YELLOW, _MAGENTA = (255, 194, 10), (204, 0, 204)


@dataclass(frozen=True)
class SlicePictures:
    """The pictures of one slice, each a data URI.

    Attributes:
        title: Which slice.
        ratio: Width by height, in mm.
        fixed, before, moved: Grey values; before is as the headers place it.
        squares: Fixed and moved image in turn.
        borders: Borders of the fixed image on the moved one.
        jacobian: Change of volume, folds marked.
    """

    title: str
    ratio: float
    fixed: str
    before: str
    moved: str
    squares: str
    borders: str
    jacobian: str


def slice_pictures(
    fixed: Float[np.ndarray, "*space"],
    before: Float[np.ndarray, "*space"],
    moved: Float[np.ndarray, "*space"],
    change: Float[np.ndarray, "*space"],
    *,
    moving: Float[np.ndarray, "..."],
    spacing: Sequence[float],
    affine: Float[np.ndarray, "4 4"] | None,
) -> Iterator[SlicePictures]:
    """Draw the slices that show most of the fixed image.

    Args:
        fixed: The fixed image.
        before: The moving image on its grid, as the headers place it.
        moved: The moving image after the registration.
        change: Jacobian determinant of the map, on the same grid.
        moving: The moving image on its own grid, whose grey range is used.
        spacing: mm along each axis.
        affine: Voxels to world; None if that is not known.

    Yields:
        Three orthogonal slices, or the whole of an image of one plane.
    """
    volumes = _grey(fixed, fixed), _grey(before, moving), _grey(moved, moving)
    for plane in choose_planes(fixed, None, affine):
        still, placed, after = (_upright(plane, volume) for volume in volumes)
        height, width = (
            size * spacing[axis]
            for size, axis in zip(
                still.shape, (plane.vertical, plane.horizontal), strict=True
            )
        )
        rows, columns = (
            np.arange(size) * length / size // (max(height, width) / _SQUARES)
            for size, length in zip(still.shape, (height, width), strict=True)
        )
        is_still = np.add.outer(rows, columns) % 2 == 0
        borders = np.stack([after] * 3, -1)
        borders[_borders(still)] = _YELLOW
        yield SlicePictures(
            title=plane.title.replace("\n", ", "),
            ratio=width / height,
            fixed=_encoded(still),
            before=_encoded(placed),
            moved=_encoded(after),
            squares=_encoded(np.where(is_still, still, after)),
            borders=_encoded(borders),
            jacobian=_encoded(_coloured(_upright(plane, change))),
        )


def _grey(
    array: Shaped[np.ndarray, "*space"], whole: Shaped[np.ndarray, "..."]
) -> UInt8[np.ndarray, "*space"]:
    """Grey values from 0 to 255, by the percentiles of the whole image."""
    low, high = np.percentile(whole, (0.5, 99.5))
    width = high - low if high > low else 1.0
    return np.rint(255 * np.clip((array - low) / width, 0, 1)).astype(np.uint8)


def _upright(
    plane: Plane, volume: Shaped[np.ndarray, "*space"]
) -> Shaped[np.ndarray, "rows columns"]:
    """A slice as it is seen: rows from the top, columns from the left."""
    image = plane.take(volume)
    image = image[::-1] if plane.flip_horizontal else image
    image = image if plane.flip_vertical else image[:, ::-1]
    return image.T


def _borders(image: UInt8[np.ndarray, "rows columns"]) -> np.ndarray:
    """Where the smoothed image crosses a level, a pixel wide."""
    smooth = ndimage.gaussian_filter(image.astype(np.float32), 1.0)
    found = np.zeros(image.shape, bool)
    for level in _LEVELS:
        above = smooth > 255 * level
        inner = ndimage.binary_erosion(above, border_value=1)
        found |= above & np.logical_not(inner)
    return found


def _coloured(change: np.ndarray) -> UInt8[np.ndarray, "rows columns 3"]:
    """Halved in blue, doubled in red, folded in magenta."""
    is_folded = change <= 0
    logarithm = np.log2(np.where(is_folded, 1.0, change))
    colours = colormaps["RdBu_r"](np.clip(0.5 + logarithm / 2, 0, 1))
    picture = np.rint(255 * colours[..., :3]).astype(np.uint8)
    picture[is_folded] = _MAGENTA
    return picture


def _encoded(picture: UInt8[np.ndarray, "rows columns *rgb"]) -> str:
    """A picture as a PNG in a data URI, always in the same way."""
    buffer = io.BytesIO()
    rgb = picture if picture.ndim == 3 else np.stack([picture] * 3, -1)
    imsave(buffer, rgb, format="png", metadata={"Software": "autoreg_jax"})
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
