"""Convolution along the first axis with fewer products (Winograd's short algorithms).

`m` neighbouring outputs of an `r`-tap correlation need `m·r` products directly, but
only `n = m + r − 1` between sums of the inputs and sums of the taps,

    y = Aᵀ [(G w) ⊙ (Bᵀ x)],

the evaluation and interpolation of polynomials at `n − 1` points and infinity. Here a
"product" is a 2-D convolution of a plane, so the sums cost little next to it. The
gradient of the kernel is the same identity read the other way,
`∂w = Gᵀ [(A ∂y) ⊙ (Bᵀ x)]`.

References:
    Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016.
    Points: Barabasz et al., "Error Analysis and Improving the Accuracy of Winograd
    Convolution for Deep Neural Networks", ACM TOMS 2020.
"""

from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from typing import NamedTuple

import numpy as np
from jax import Array

# Near ±1, each with its reciprocal: the sums neither grow nor cancel much.
_POINTS = tuple(map(Fraction, ("0", "1", "-1", "1/2", "-2", "-1/2", "2")))
_MOST_PRODUCTS = len(_POINTS) + 1


class Tile(NamedTuple):
    """One short algorithm; rows and columns as in the module's equation.

    Attributes:
        outputs: m.
        products: n.
        of_image: Bᵀ, `(n, n)`.
        of_kernel: G, `(n, r)`.
        of_output: Aᵀ, `(m, n)`.
    """

    outputs: int
    products: int
    of_image: np.ndarray
    of_kernel: np.ndarray
    of_output: np.ndarray


def _monic(roots: Sequence[Fraction]) -> list[Fraction]:
    """Coefficients of Π (x − root), lowest first."""
    coefficients = [Fraction(1)]
    for root in roots:
        shifted = [Fraction(0), *coefficients]
        scaled = [*(root * c for c in coefficients), Fraction(0)]
        coefficients = [s - c for s, c in zip(shifted, scaled, strict=True)]
    return coefficients


@cache
def tile(outputs: int, taps: int) -> Tile:
    """The algorithm for `outputs` values of a correlation with `taps` taps."""
    products = outputs + taps - 1
    points = _POINTS[: products - 1]
    of_image = np.zeros((products, products))
    of_kernel, of_output = np.zeros((products, taps)), np.zeros((outputs, products))
    for i, point in enumerate(points):
        others = [p for p in points if p != point]
        polynomial = _monic(others)
        of_image[i, :-1] = [float(c) for c in polynomial]
        value = sum(c * point**k for k, c in enumerate(polynomial))
        of_kernel[i] = [float(point**k / value) for k in range(taps)]
        of_output[:, i] = [float(point**k) for k in range(outputs)]
    of_image[-1] = [float(c) for c in _monic(points)]
    of_kernel[-1, -1] = of_output[-1, -1] = 1.0
    return Tile(outputs, products, of_image, of_kernel, of_output)


def best_tile(length: int, taps: int, phases: int) -> Tile | None:
    """The tile with the fewest products for `length` outputs in `phases` phases.

    None if none saves a quarter of the direct products: the sums would cost as much.
    """
    best, fewest = None, 0.75 * length * taps
    for outputs in range(2, _MOST_PRODUCTS - taps + 2):
        blocks = -(-length // (outputs * phases))
        products = blocks * phases * (outputs + taps - 1)
        if products < fewest:
            best, fewest = tile(outputs, taps), products
    return best


def combine(row: np.ndarray, arrays: Sequence[Array]) -> Array:
    """Σ row[i] · arrays[i] without the terms that are zero."""
    terms = [
        array if factor == 1 else float(factor) * array
        for factor, array in zip(row, arrays, strict=True)
        if factor != 0
    ]
    return sum(terms[1:], terms[0])
