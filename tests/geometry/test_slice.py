"""A slice as it is looked at: upright, as in radiology, with square pixels."""

import numpy as np
import pytest

from autoreg_jax.geometry import Grid, fullest_slice, slice_axis, slice_grid

RAS = np.diag([1.0, 2.0, 3.0, 1.0])
# Stored from the left to the right, upside down, the axes in another order.
SIR = np.array([[0, 0, -1.0, 9], [0, 2, 0, 0], [-3, 0, 0, 9], [0, 0, 0, 1]])


@pytest.mark.parametrize("affine", [RAS, SIR], ids=["RAS", "other"])
def test_right_is_left_front_is_above(affine):
    grid = Grid((10, 8, 6), affine)
    plane = slice_grid(grid, 2)
    points = plane.points()[:, :, 0]
    steps = np.diff(points, axis=0)[0, 0], np.diff(points, axis=1)[0, 0]
    assert steps[0][1] < 0 == steps[0][0] == steps[0][2]  # down the page: to the back
    assert steps[1][0] < 0 == steps[1][1] == steps[1][2]  # along it: to the left
    assert abs(steps[0][1]) == pytest.approx(abs(steps[1][0]))
    index = grid.to_voxels(points)[..., slice_axis(grid)]
    np.testing.assert_allclose(index, 2)


@pytest.mark.parametrize("shape", [(10, 8, 6), (7, 9)])
@pytest.mark.parametrize("pixels", [160, 4])
def test_the_pixels_cover_the_image(shape, pixels):
    grid = Grid(shape, RAS)
    plane = slice_grid(grid, 0, pixels=pixels)
    assert plane.ndim == grid.ndim
    assert max(plane.shape) <= pixels
    drawn = [axis for axis in range(grid.ndim) if axis != slice_axis(grid)]
    middle = grid.to_voxels(plane.centre)
    np.testing.assert_allclose(
        middle[drawn], [(shape[axis] - 1) / 2 for axis in drawn], atol=1e-12
    )
    area = np.prod(plane.spacing[:2]) * np.prod(plane.shape[:2])
    assert area == pytest.approx(np.prod([grid.spacing[a] * shape[a] for a in drawn]))


def test_seen_from_the_side_the_front_is_left_and_the_head_above():
    affine = np.array([[0, 0, 1.0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
    points = slice_grid(Grid((5, 6), affine), 0).points()
    assert points[0, 0, 2] > points[1, 0, 2]
    assert points[0, 0, 1] > points[0, 1, 1]


def test_the_slice_with_most_in_it():
    array = np.zeros((4, 5, 6))
    array[:, :, 3] = 1
    array[0, 0, 0] = np.nan
    assert fullest_slice(array, Grid(array.shape, RAS)) == 3
    assert fullest_slice(array[..., 3], Grid((4, 5), RAS)) == 0


def test_refuses_a_slice_that_is_not_there():
    with pytest.raises(ValueError, match="slices 0 to 5, got the index -1"):
        slice_grid(Grid((4, 5, 6), RAS), -1)
