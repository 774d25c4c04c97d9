"""Chooses the working grid of a dataset within the memory."""

import math

import numpy as np
from jaxtyping import Float
from nibabel.orientations import io_orientation, ornt_transform

from autoreg_jax.config import GridConfig
from autoreg_jax.data import Fingerprint, Scan
from autoreg_jax.geometry import Grid
from autoreg_jax.workflows.planning._choices import Choice

# Margin for content that the sample does not show, mm on each side.
_MARGIN_MM = 2.0
# The pyramid of the network needs a few voxels on each axis.
_FEWEST = 8


def choose_grid(found: Fingerprint, affine: str, most_voxels: float) -> Choice:
    """The grid of the images if they share one, else one that covers their content.

    Unless the alignment is `none`, the content of all images is moved onto that of the
    reference. Voxels grow until `most_voxels` suffice, along their shortest edges
    first: slices that are thick already stay as they are while the others are finer.
    """
    orientation = found.reference.orientation
    if found.has_one_grid:
        grid = found.scans[0].grid
        shape, spacing, centre = grid.shape, grid.spacing, grid.centre
        reason = "All images are on this grid; nothing has to be resampled. "
    else:
        shape, spacing, centre = _cover(found, affine)
        centre = np.round(centre, 2)
        names = ", ".join(f"{n} {name}" for name, n in found.orientations.items())
        few, many = (" × ".join(map(str, shape)) for shape in found.shapes)
        reason = (
            f"The images have different grids (from {few} to {many} voxels; "
            f"orientations {names}). This one has the axes of the reference and the "
            "median voxel size, and covers the content of the "
            f"{len(found.scans)} sampled images. "
        )
    if math.prod(shape) > most_voxels:
        shape, spacing = _coarser(shape, spacing, most_voxels)
        reason += "Voxels are larger than in the images: finer ones need more memory. "
    size = " × ".join(f"{s * n:.0f}" for s, n in zip(spacing, shape, strict=True))
    return Choice(
        GridConfig(
            shape=tuple(map(int, shape)),
            spacing=tuple(map(float, spacing)),
            orientation=orientation,
            centre=(float(centre[0]), float(centre[1]), float(centre[2])),
        ),
        f"{reason}Shape times spacing is the field of view, {size} mm; centre is its "
        "centre in the world.",
    )


def _coarser(
    shape: tuple[int, ...], spacing: tuple[float, ...], most_voxels: float
) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """The same field of view with fewer voxels; the shortest edges grow."""
    lengths = np.asarray(shape) * spacing
    fine, edge = np.argsort(spacing), 0.0
    # The finest axes get edges of one length; the next axis joins once it is shorter.
    for count in range(1, len(shape) + 1):
        axes, others = fine[:count], fine[count:]
        left = most_voxels / np.prod(np.asarray(shape)[others])
        edge = (np.prod(lengths[axes]) / left) ** (1 / count)
        if not len(others) or edge <= spacing[others[0]]:
            break
    wanted = np.maximum(edge, spacing)
    new = np.maximum(_FEWEST, np.floor(lengths / wanted + 1e-6).astype(int))
    return tuple(new.tolist()), tuple((lengths / new).tolist())


def _cover(
    found: Fingerprint, affine: str
) -> tuple[tuple[int, ...], tuple[float, ...], Float[np.ndarray, "3"]]:
    """Shape, spacing and centre of a grid along the axes of the reference."""
    reference, ndim = found.reference, found.ndim
    directions = reference.grid.affine[:3, :3].copy()
    directions /= np.linalg.norm(directions, axis=0)
    to_axes = np.linalg.inv(directions)
    sizes = [_spacing_along(scan.grid, reference.grid) for scan in found.scans]
    spacing = np.round(np.median(sizes, 0), 4)
    boxes = []
    for scan in found.scans:
        offset = np.zeros(3)
        if affine != "none":
            offset = reference.content.centre - scan.content.centre
        corners = _corners(scan) + offset
        along = corners @ to_axes.T
        boxes.append([along.min(0), along.max(0)])
    low = np.min([box[0] for box in boxes], 0) - _MARGIN_MM
    high = np.max([box[1] for box in boxes], 0) + _MARGIN_MM
    low, high = _whole_voxels(low, high, spacing, reference.grid, to_axes)
    shape = np.ceil((high - low)[:ndim] / spacing - 1e-3).astype(int)
    middle = (low + high) / 2
    if ndim == 2:  # in the plane of the reference
        middle[2] = (to_axes @ reference.grid.centre)[2]
    shape = np.maximum(shape, _FEWEST)
    return tuple(shape.tolist()), tuple(spacing.tolist()), directions @ middle


def _whole_voxels(
    low: Float[np.ndarray, "3"],
    high: Float[np.ndarray, "3"],
    spacing: Float[np.ndarray, " d"],
    reference: Grid,
    to_axes: Float[np.ndarray, "3 3"],
) -> tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3"]]:
    """The box, widened to whole voxels of the reference along axes of its voxel size.

    Images that share these voxels then keep their values. Halfway between them they
    would be blurred, and the nearest label would depend on the way a map is stored.
    """
    low, high, ndim = low.copy(), high.copy(), reference.ndim
    own = np.asarray(reference.spacing)
    corner = (to_axes @ reference.affine[:3, 3])[:ndim] - own / 2
    first = corner + own * np.floor((low[:ndim] - corner) / own + 1e-3)
    last = corner + own * np.ceil((high[:ndim] - corner) / own - 1e-3)
    is_same = np.isclose(own, spacing, rtol=1e-3)
    low[:ndim] = np.where(is_same, first, low[:ndim])
    high[:ndim] = np.where(is_same, last, high[:ndim])
    return low, high


def _corners(scan: Scan) -> Float[np.ndarray, "8 3"]:
    """World positions of the corners of the content, inside the field of view."""
    small = scan.content.small
    inside = np.argwhere(scan.content.inside)
    low, high = np.quantile(inside, [0.005, 0.995], axis=0)
    ends = np.zeros((2, 3))
    ends[:, : small.ndim] = [low - 0.5, high + 0.5]
    grid = np.stack(np.meshgrid(*ends.T, indexing="ij"), -1).reshape(-1, 3)
    return grid @ small.affine[:3, :3].T + small.affine[:3, 3]


def _spacing_along(grid: Grid, reference: Grid) -> Float[np.ndarray, " d"]:
    """Voxel size along the closest axes of the reference."""
    turn = ornt_transform(io_orientation(grid.affine), io_orientation(reference.affine))
    spacing = np.empty(3)
    full = np.ones(3)
    full[: grid.ndim] = grid.spacing
    spacing[turn[:, 0].astype(int)] = full
    return spacing[: reference.ndim]
