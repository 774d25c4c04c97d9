"""Transforms as ITK stores them: a kind and two lists of numbers, in LPS."""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from nibabel.affines import voxel_sizes

from autoreg_jax.geometry import Grid, homogeneous
from autoreg_jax.transforms.formats._itk_matrices import LINEAR, linear_matrix
from autoreg_jax.transforms.links import (
    Affine,
    Displacement,
    Link,
    Spline,
    as_displacement,
    grid_of,
)

__all__ = ["COMPOSITE", "Record", "links_from_records", "records_from_links"]

COMPOSITE = "CompositeTransform"
_FIELD = "DisplacementFieldTransform"
_SPLINE = "BSplineTransform"
# Of the first versions of ITK, with the same numbers.
_SPLINES = (_SPLINE, "BSplineDeformableTransform")
# From RAS to LPS and back.
_FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])


class Record(NamedTuple):
    """One transform of a file.

    Attributes:
        name: As "AffineTransform_double_3_3".
        parameters: What a registration finds.
        fixed: What it does not: a centre, a grid.
    """

    name: str
    parameters: Float[np.ndarray, " p"]
    fixed: Float[np.ndarray, " f"]


def links_from_records(records: list[Record]) -> tuple[Link, ...]:
    """The chain that a file holds.

    Args:
        records: One transform, or a composite and its parts, the last of which is
            applied first.

    Returns:
        The maps in the same order.

    Raises:
        ValueError: If a kind or a dimension is unknown, numbers are missing, or there
            are several transforms and no composite.
    """
    if not records:
        raise ValueError("it contains no transform.")
    kinds = [_kind(record.name) for record in records]
    if kinds[0][0] == COMPOSITE:
        # A composite in a composite only groups: the order of the maps is the same.
        parts = [
            pair for pair in zip(kinds, records, strict=True) if pair[0][0] != COMPOSITE
        ]
        kinds, records = [kind for kind, _ in parts], [record for _, record in parts]
    elif len(records) > 1:
        raise ValueError(
            f"it holds {len(records)} transforms that are not one composite; write "
            "them into files of their own, and give those in the order you want."
        )
    if len({dimension for _, dimension in kinds}) > 1:
        raise ValueError("it mixes transforms of the plane and of space.")
    pairs = zip(kinds, records, strict=True)
    return tuple(_link(kind, d, record) for (kind, d), record in pairs)


def records_from_links(links: Sequence[Link], *, compose: bool = True) -> list[Record]:
    """What a file of a chain has to hold.

    Args:
        links: The maps, of which the last is applied first.
        compose: Whether several are held by a composite; otherwise they must be affine,
            and become one.

    Returns:
        One record, or a composite and its parts.

    Raises:
        ValueError: If they are not affine and have to be.
    """
    d = max((link.ndim for link in links), default=3)
    if any(_has_height(grid) for link in links if (grid := grid_of(link)) is not None):
        d = 3
    affine = [link for link in links if isinstance(link, Affine)]
    if not compose or not links:
        if len(affine) < len(links):
            raise ValueError(
                "this format holds an affine map and no displacement; write .h5, .tfm "
                "or .nii.gz."
            )
        product = np.eye(4)
        for link in affine:
            product = product @ link.full
        return [_affine_record(product, d)]
    parts = [_record(link, d) for link in links]
    if len(parts) == 1:
        return parts
    nothing = np.zeros(0)
    return [Record(f"{COMPOSITE}_double_{d}_{d}", nothing, nothing), *parts]


def _has_height(grid: Grid) -> bool:
    """Whether a plane is a slice of space, which a transform of the plane cannot hold.

    Of a plane at z = 0 with voxels 1 mm thick nothing is lost.
    """
    return bool(np.any(grid.affine[2] != [0, 0, 1, 0]) or np.any(grid.affine[:2, 2]))


def _kind(name: str) -> tuple[str, int]:
    """Kind and dimension of a transform."""
    match = re.fullmatch(r"(\w+?)_(?:double|float)_(\d)_(\d)(_\d)?", name)
    if not match or match[2] != match[3] or match[2] not in "23":
        raise ValueError(
            f"{name!r} is no transform of the plane or of space, as "
            "AffineTransform_double_3_3 is."
        )
    if match[4]:
        raise ValueError(
            f"it holds splines of the order {match[4][1:]} ({name}), and only order 3 "
            "is known; make it a displacement field with the program that wrote it."
        )
    kind, dimension = match[1], int(match[2])
    if kind not in (COMPOSITE, _FIELD, *_SPLINES, *LINEAR):
        raise ValueError(
            f"transforms of the kind {kind} are not known; turn it into a displacement "
            f"field with the program that wrote it. Known are {_FIELD}, {_SPLINE}, "
            f"{COMPOSITE} and {', '.join(LINEAR)}."
        )
    return kind, dimension


def _link(kind: str, d: int, record: Record) -> Link:
    """The map of one record, in RAS."""
    numbers = np.concatenate([record.parameters, record.fixed])
    if not np.isfinite(numbers).all():
        raise ValueError(f"{kind} has parameters that are not finite.")
    if kind in (_FIELD, *_SPLINES):
        return _field(kind, d, record)
    matrix = homogeneous(linear_matrix(kind, d, record.parameters, record.fixed))
    kept = [0, 1, 3] if d == 2 else [0, 1, 2, 3]
    return Affine((_FLIP @ matrix @ _FLIP)[np.ix_(kept, kept)])


def _field(kind: str, d: int, record: Record) -> Displacement | Spline:
    """A displacement field or splines; size, origin, spacing, direction are fixed."""
    fixed = record.fixed
    size = fixed[:d].astype(int)
    needed = d * int(np.prod(size)) if len(fixed) == d * (3 + d) else None
    if needed is None or needed != len(record.parameters) or needed == 0:
        raise ValueError(
            f"{kind} in {d}-D has {d * (3 + d)} fixed parameters and {d} for each "
            f"voxel of its grid, found {len(fixed)} and {len(record.parameters)}; the "
            "file is damaged."
        )
    affine = np.eye(4)
    affine[:d, :d] = fixed[3 * d :].reshape(d, d) * fixed[2 * d : 3 * d]
    affine[:d, 3] = fixed[d : 2 * d]
    # x runs fastest; the components of a field are together, those of splines apart.
    if kind == _FIELD:
        vectors = record.parameters.reshape(*size[::-1], d)
    else:
        vectors = np.moveaxis(record.parameters.reshape(d, *size[::-1]), 0, -1)
    vectors = vectors.transpose(*range(d - 1, -1, -1), d) * np.diag(_FLIP)[:d]
    grid = Grid(tuple(size), _FLIP @ affine)
    if kind != _FIELD:
        return Spline(vectors, grid)
    squeezed = grid.shape[:2] if grid.shape[2:] == (1,) else grid.shape
    return Displacement(vectors.reshape(*squeezed, d), Grid(squeezed, grid.affine))


def _record(link: Link, d: int) -> Record:
    """The record of one map."""
    if isinstance(link, Affine):
        return _affine_record(link.full, d)
    if isinstance(link, Spline):
        return _field_record(_SPLINE, link.coefficients, link.knots, d)
    field = as_displacement((link,))
    return _field_record(_FIELD, field.vectors, field.grid, d)


def _affine_record(full: Float[np.ndarray, "4 4"], d: int) -> Record:
    """An affine map about the origin."""
    flipped = _FLIP @ full @ _FLIP
    parameters = np.concatenate([flipped[:d, :d].ravel(), flipped[:d, 3]])
    return Record(f"AffineTransform_double_{d}_{d}", parameters, np.zeros(d))


def _field_record(
    kind: str, vectors: Float[np.ndarray, "*space 3"], grid: Grid, d: int
) -> Record:
    """A displacement field or splines."""
    affine = _FLIP @ grid.affine
    spacing = voxel_sizes(affine)[:d]
    size = (*grid.shape, 1)[:d]
    direction = affine[:d, :d] / spacing
    fixed = [size, affine[:d, 3], spacing, direction.ravel()]
    stored = vectors.reshape(*size, 3)[..., :d] * np.diag(_FLIP)[:d]
    stored = stored.transpose(*range(d - 1, -1, -1), d)
    if kind == _SPLINE:
        stored = np.moveaxis(stored, -1, 0)
    return Record(
        f"{kind}_double_{d}_{d}",
        stored.ravel().astype(np.float64),
        np.concatenate(fixed).astype(np.float64),
    )
