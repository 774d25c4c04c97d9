"""Rigid, similarity and affine maps as exponentials of their parameters."""

import itertools
from functools import partial
from typing import Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

AffineKind = Literal["rigid", "similarity", "affine"]

# Taylor terms and squarings of the exponential: for rotations up to π the argument of
# the series is below 0.1, and its seventh term below the rounding of float32.
_TERMS, _SQUARINGS = 6, 5
# The fast products of some accelerators are wrong by a tenth of a voxel.
_product = partial(jnp.matmul, precision="highest")


def affine_generators(
    num_axes: int, kind: AffineKind
) -> Float[np.ndarray, "k {num_axes+1} {num_axes+1}"]:
    """The directions in which a map of some kind can leave the identity.

    Translations come first, then rotations (of each pair of axes), then for
    "similarity" the scale, or for "affine" the scales of the axes and the shears
    (symmetric, of each pair of axes).

    Args:
        num_axes: d, 2 or 3.
        kind: "rigid", "similarity" or "affine".

    Returns:
        Homogeneous matrices G; exp(Σ p G) is a map of that kind for any p.

    Raises:
        ValueError: If `kind` is unknown.

    Examples:
        >>> [len(affine_generators(3, kind)) for kind in ("rigid", "affine")]
        [6, 12]
    """
    if kind not in ("rigid", "similarity", "affine"):
        raise ValueError(
            f'kind must be "rigid", "similarity" or "affine", got {kind!r}.'
        )
    pairs = list(itertools.combinations(range(num_axes), 2))
    entries = [{(axis, num_axes): 1.0} for axis in range(num_axes)]
    entries += [{(b, a): 1.0, (a, b): -1.0} for a, b in pairs]
    if kind == "similarity":
        entries += [{(axis, axis): 1.0 for axis in range(num_axes)}]
    if kind == "affine":
        entries += [{(axis, axis): 1.0} for axis in range(num_axes)]
        entries += [{(b, a): 1.0, (a, b): 1.0} for a, b in pairs]
    generators = np.zeros((len(entries), num_axes + 1, num_axes + 1), np.float32)
    for generator, places in zip(generators, entries, strict=True):
        for place, value in places.items():
            generator[place] = value
    return generators


def affine_exponential(
    logarithm: Float[Array, "*batch n n"],
) -> Float[Array, "*batch n n"]:
    """Matrix exponential by scaling and squaring, for maps within reach of a rotation.

    Args:
        logarithm: Of norm up to about 4.

    Returns:
        exp(logarithm), to the precision of float32.
    """
    small = logarithm / 2**_SQUARINGS
    identity = jnp.broadcast_to(
        jnp.eye(small.shape[-1], dtype=small.dtype), small.shape
    )
    series = identity
    for term in range(_TERMS, 0, -1):
        series = identity + _product(small, series) / term
    for _ in range(_SQUARINGS):
        series = _product(series, series)
    return series


def affine_matrix(
    parameters: Float[Array, " k"],
    centre: Float[Array, " d"],
    kind: AffineKind = "affine",
) -> Float[Array, "d+1 d+1"]:
    """The map c + exp(Σ p G) (x − c) of a vector of parameters.

    Args:
        parameters: In the order of `affine_generators`: mm, radians, logarithms of
            scales. Zeros give the identity.
        centre: c, mm; what turns and scales leave where it is.
        kind: "rigid", "similarity" or "affine".

    Returns:
        Homogeneous matrix, differentiable everywhere; its determinant is positive.

    Raises:
        ValueError: If `kind` is unknown.

    Examples:
        >>> quarter_turn = jnp.array([0, 0, jnp.pi / 2])
        >>> matrix = affine_matrix(quarter_turn, jnp.array([1.0, 0.0]), "rigid")
        >>> print(apply_affine(matrix, jnp.array([[2.0, 0.0]])).round(3))
        [[1. 1.]]
    """
    generators = jnp.asarray(affine_generators(len(centre), kind), parameters.dtype)
    inner = affine_exponential(jnp.sum(parameters[:, None, None] * generators, 0))
    size = len(centre)
    shift = jnp.eye(size + 1, dtype=parameters.dtype).at[:size, size].set(centre)
    back = jnp.eye(size + 1, dtype=parameters.dtype).at[:size, size].set(-centre)
    return _product(_product(shift, inner), back)


def apply_affine(
    matrix: Float[Array, "m+1 d+1"], points: Float[Array, "*n d"]
) -> Float[Array, "*n m"]:
    """Map points by a homogeneous matrix.

    Args:
        matrix: Its last row is (0 … 0 1) and is not read.
        points: Positions.

    Returns:
        Their images.
    """
    flat = points.reshape(-1, points.shape[-1])
    moved = _product(flat, matrix[:-1, :-1].T)
    moved = moved + matrix[:-1, -1][None]
    return moved.reshape(*points.shape[:-1], moved.shape[-1])
