"""The page of one registered pair: what was found, slice by slice, and how."""

import base64
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Shaped, UInt8
from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib import colormaps
from matplotlib.image import imsave
from scipy import ndimage

from autoreg_jax.alignment import Alignment
from autoreg_jax.inference import Registered
from autoreg_jax.report._slices import Plane, choose_planes
from autoreg_jax.report._words import duration
from autoreg_jax.transforms import Transform

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


def pair_page(found: Registered, summary: Mapping[str, Any]) -> str:
    """Make the HTML of a registered pair, a self-contained page.

    Args:
        found: The registration.
        summary: Its numbers, as summary.json holds them.
    """
    environment = Environment(
        loader=PackageLoader("autoreg_jax.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("pair.html.jinja").render(
        moving=_name(summary["moving"], "moving image"),
        fixed=_name(summary["fixed"], "fixed image"),
        slices=list(_slices(found)),
        decisions=list(_decisions(found)),
        warnings=[*summary["warnings"], *_flags(summary)],
        rows=list(_rows(summary)),
    )


def _flags(summary: Mapping[str, Any]) -> Iterator[str]:
    """What is unusual about the result, as sentences."""
    for flag in summary.get("trust_flags", ()):
        yield f"Doubtful: {flag}."


def _name(path: Any, without: str) -> str:
    return str(path) if path else without


def _slices(found: Registered) -> Iterator[SlicePictures]:
    """The slices that show most of the fixed image."""
    fixed, moving = found.fixed, found.moving
    before = Transform().apply(moving.array, moving.grid, fixed.grid)
    volumes = [
        _grey(fixed.array, fixed.array),
        _grey(before, moving.array),
        _grey(found.moved.array, moving.array),
    ]
    changes = found.jacobian_determinant()
    for plane in choose_planes(fixed.array, None, fixed.affine):
        still, placed, moved = (_upright(plane, volume) for volume in volumes)
        height, width = (
            size * fixed.spacing[axis]
            for size, axis in zip(
                still.shape, (plane.vertical, plane.horizontal), strict=True
            )
        )
        rows, columns = (
            np.arange(size) * length / size // (max(height, width) / _SQUARES)
            for size, length in zip(still.shape, (height, width), strict=True)
        )
        is_still = np.add.outer(rows, columns) % 2 == 0
        borders = np.stack([moved] * 3, -1)
        borders[_borders(still)] = _YELLOW
        yield SlicePictures(
            title=plane.title.replace("\n", ", "),
            ratio=width / height,
            fixed=_encoded(still),
            before=_encoded(placed),
            moved=_encoded(moved),
            squares=_encoded(np.where(is_still, still, moved)),
            borders=_encoded(borders),
            jacobian=_encoded(_coloured(_upright(plane, changes))),
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


def _decisions(found: Registered) -> Iterator[str]:
    """What was done to the pair, and why."""
    alignment, steps = found.alignment, found.refined_steps
    if alignment is None:
        yield "No alignment was sought: the images were taken as they were placed."
    elif found.is_aligned:
        trust = "" if alignment.is_trusted else f" Not trusted: {alignment.reason}"
        yield f"Aligned first: {_agreement(alignment)}.{trust}"
    else:
        why = "which is not clearly better"
        if not alignment.is_trusted:
            why = f"which is not trusted: {alignment.reason}"
        yield f"An alignment was found and not used: {_agreement(alignment)}, {why}"
    optimised = f"optimised for this pair, {steps} steps at each resolution at most"
    if found.model is None and not steps:
        yield "No displacement was sought, the alignment alone."
    elif found.model is None:
        yield f"The displacement was {optimised}, without a model."
    else:
        then = f", and then {optimised}" if steps else ""
        yield f"The displacement is that of the model {found.model}{then}."
    if found.compared_by:
        yield f"Compared by {found.compared_by.name}. {found.compared_by.reason}"
    if found.smoothness != 1:
        yield f"The smoothness has {found.smoothness:g} times its usual weight."


def _agreement(alignment: Alignment) -> str:
    return (
        f"agreement ({alignment.metric}) {alignment.score_before:.3f} by the headers, "
        f"{alignment.score:.3f} by the alignment"
    )


def _rows(summary: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The numbers of the pair that are known, in words."""
    wanted = (
        ("Dice overlap", "dice", "{:.3f}", 1),
        ("Distance from the true position, mm", "displacement_error", "{:.2f}", 1),
        ("Local correlation", "similarity", "{:.3f}", 1),
        ("Mean displacement, mm", "displacement_mean_mm", "{:.2f}", 1),
        ("Largest displacement, mm", "displacement_max_mm", "{:.2f}", 1),
        ("Folded voxels, %", "folding_fraction", "{:.4f}", 100),
        ("Trust, from 0 to 1", "trust", "{:.2f}", 1),
        ("Inverse consistency, mean, mm", "inverse_error_mean_mm", "{:.4f}", 1),
        ("Inverse consistency, largest, mm", "inverse_error_max_mm", "{:.4f}", 1),
    )
    for label, key, form, factor in wanted:
        values = [summary.get(name) for name in (f"{key}_before", key)]
        known = [form.format(factor * value) for value in values if value is not None]
        if known:
            yield label, " → ".join(known)
    yield "Time, with compilation", duration(summary["seconds"])
