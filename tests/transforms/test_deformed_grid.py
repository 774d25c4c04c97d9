"""The picture of a transform: a regular grid, deformed."""

import numpy as np

from autoreg_jax.geometry import Grid
from autoreg_jax.transforms import Transform
from autoreg_jax.transforms._deformed_grid import deformed_grid

GRID = Grid((32, 32), np.diag([1.0, 1.0, 1.0, 1.0]))


def lines(transform):
    """Where the lines across the columns are, in the middle between two of the rows."""
    opacity = deformed_grid(transform.links, GRID)[..., 3]
    assert opacity.shape == (224, 224)
    return opacity[7]


def test_the_identity_leaves_the_grid_regular():
    found = np.flatnonzero(lines(Transform()) == 255)
    np.testing.assert_array_equal(found, 14 * np.arange(1 + 223 // 14))


def test_a_shift_moves_the_lines():
    # Half a square, of two pixels of the image: one millimetre. Columns go to the left.
    by = Transform.affine(np.array([[1.0, 0, 1], [0, 1, 0], [0, 0, 1]]))
    found, usual = lines(by).astype(int), lines(Transform())
    np.testing.assert_allclose(found[7:], usual[:-7], atol=1)


def test_lines_are_as_wide_where_the_map_is_steep():
    double = Transform.affine(np.diag([2.0, 1.0, 1.0]))
    found, usual = (lines(t).sum(dtype=int) for t in (double, Transform()))
    assert abs(found / usual - 2) < 0.1  # twice as many


def test_an_image_of_one_row_is_drawn():
    row = Grid((300, 1), np.eye(4))
    assert deformed_grid((), row)[..., 3].max() == 255
