"""Transforms as ITK stores them: a kind and two lists of numbers, in LPS."""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from nibabel.affines import voxel_sizes

from autoreg_jax.geometry import Grid, homogeneous
from autoreg_jax.transforms.formats._itk_matrices import LINEAR, linear_matrix
from autoreg_jax.transforms.links import Affine, Displacement, Link, as_displacement

__all__ = ["COMPOSITE", "Record", "links_from_records", "records_from_links"]

COMPOSITE = "CompositeTransform"
_FIELD = "DisplacementFieldTransform"
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
        kinds, records = kinds[1:], records[1:]
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
    parts = [
        _affine_record(link.full, d)
        if isinstance(link, Affine)
        else _field_record(as_displacement((link,)), d)
        for link in links
    ]
    if len(parts) == 1:
        return parts
    nothing = np.zeros(0)
    return [Record(f"{COMPOSITE}_double_{d}_{d}", nothing, nothing), *parts]


def _kind(name: str) -> tuple[str, int]:
    """Kind and dimension of a transform."""
    match = re.fullmatch(r"(\w+?)_(?:double|float)_(\d)_(\d)", name)
    if not match or match[2] != match[3] or match[2] not in "23":
        raise ValueError(
            f"{name!r} is no transform of the plane or of space, as "
            "AffineTransform_double_3_3 is."
        )
    kind, dimension = match[1], int(match[2])
    if kind not in (COMPOSITE, _FIELD, *LINEAR):
        raise ValueError(
            f"transforms of the kind {kind} are not known; turn it into a displacement "
            f"field with the program that wrote it. Known are {_FIELD}, {COMPOSITE} "
            f"and {', '.join(LINEAR)}."
        )
    return kind, dimension


def _link(kind: str, d: int, record: Record) -> Link:
    """The map of one record, in RAS."""
    numbers = np.concatenate([record.parameters, record.fixed])
    if not np.isfinite(numbers).all():
        raise ValueError(f"{kind} has parameters that are not finite.")
    if kind == COMPOSITE:
        raise ValueError("it contains a composite inside a composite.")
    if kind == _FIELD:
        return _field(d, record)
    matrix = homogeneous(linear_matrix(kind, d, record.parameters, record.fixed))
    kept = [0, 1, 3] if d == 2 else [0, 1, 2, 3]
    return Affine((_FLIP @ matrix @ _FLIP)[np.ix_(kept, kept)])


def _field(d: int, record: Record) -> Displacement:
    """A displacement field; size, origin, spacing and direction are fixed."""
    fixed = record.fixed
    size = fixed[:d].astype(int)
    needed = d * int(np.prod(size)) if len(fixed) == d * (3 + d) else None
    if needed is None or needed != len(record.parameters) or needed == 0:
        raise ValueError(
            f"{_FIELD} in {d}-D has {d * (3 + d)} fixed parameters and {d} for each "
            f"voxel of its grid, found {len(fixed)} and {len(record.parameters)}; the "
            "file is damaged."
        )
    affine = np.eye(4)
    affine[:d, :d] = fixed[3 * d :].reshape(d, d) * fixed[2 * d : 3 * d]
    affine[:d, 3] = fixed[d : 2 * d]
    # x runs fastest, the components together.
    vectors = record.parameters.reshape(*size[::-1], d)
    vectors = vectors.transpose(*range(d - 1, -1, -1), d) * np.diag(_FLIP)[:d]
    grid = Grid(tuple(size), _FLIP @ affine)
    squeezed = grid.shape[:2] if grid.shape[2:] == (1,) else grid.shape
    return Displacement(vectors.reshape(*squeezed, d), Grid(squeezed, grid.affine))


def _affine_record(full: Float[np.ndarray, "4 4"], d: int) -> Record:
    """An affine map about the origin."""
    flipped = _FLIP @ full @ _FLIP
    parameters = np.concatenate([flipped[:d, :d].ravel(), flipped[:d, 3]])
    return Record(f"AffineTransform_double_{d}_{d}", parameters, np.zeros(d))


def _field_record(field: Displacement, d: int) -> Record:
    """A displacement field."""
    affine = _FLIP @ field.grid.affine
    spacing = voxel_sizes(affine)[:d]
    size = (*field.grid.shape, 1)[:d]
    direction = affine[:d, :d] / spacing
    fixed = [size, affine[:d, 3], spacing, direction.ravel()]
    vectors = field.vectors.reshape(*size, 3)[..., :d] * np.diag(_FLIP)[:d]
    parameters = vectors.transpose(*range(d - 1, -1, -1), d).ravel()
    return Record(
        f"{_FIELD}_double_{d}_{d}",
        parameters.astype(np.float64),
        np.concatenate(fixed).astype(np.float64),
    )
