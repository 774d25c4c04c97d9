"""Grids and resampling: linear functions of the world survive every change of grid."""

import numpy as np
import pytest

from autoreg_jax.errors import GeometryError
from autoreg_jax.geometry import (
    Grid,
    Volume,
    check_axes,
    displacement_on,
    resample,
    working_grid,
)

SLOPE = np.array([0.3, -0.2, 0.5])


def oblique():
    """An oblique, anisotropic, left-posterior grid."""
    angle = 0.2
    turn = np.array(
        [
            [np.cos(angle), -np.sin(angle), 0],
            [np.sin(angle), np.cos(angle), 0],
            [0, 0, 1],
        ]
    )
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([-1.0, -1.5, 3.0])
    affine[:3, 3] = 20, 30, -5
    return affine


@pytest.fixture
def image():
    """Noise on a grid that is not cubic."""
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = -10, 4, 7
    array = np.random.default_rng(1).random((16, 14, 12)).astype(np.float32)
    return Volume(array, affine)


@pytest.fixture
def turned():
    """Permute and flip the axes of a volume without moving it in the world."""

    def turn(volume):
        array = np.transpose(volume.array, (2, 0, 1))[:, ::-1]
        step = np.zeros((4, 4))
        step[2, 0] = step[1, 2] = step[3, 3] = 1
        step[0, 1], step[0, 3] = -1, volume.shape[0] - 1
        return Volume(array, volume.affine @ step)

    return turn


def linear_image(shape, affine):
    values = Grid(shape, affine).points() @ SLOPE + 7
    return Volume(values.astype(np.float32), affine)


def test_the_grid_of_training_is_its_own_working_grid():
    volume = Volume(np.zeros((5, 6, 7), np.float32), np.diag([2.0, 2, 2, 1]))
    grid = working_grid(volume, "RAS", (2.0, 2.0, 2.0))
    assert grid.shape == volume.shape
    np.testing.assert_array_equal(grid.affine, volume.affine)


def test_a_turned_image_has_the_same_working_grid(image, turned):
    grid = working_grid(turned(image), "RAS", (2.0, 2.0, 2.0))
    assert grid.shape == image.shape
    np.testing.assert_allclose(grid.affine, image.affine, atol=1e-12)


def test_working_grid_covers_the_field_of_view():
    fixed = Volume(np.zeros((20, 13, 9), np.float32), oblique())
    grid = working_grid(fixed, "RAS", (2.0, 2.0, 2.0))
    shape, affine = grid.shape, grid.affine
    np.testing.assert_allclose(np.linalg.norm(affine[:3, :3], axis=0), 2.0)
    assert np.all(np.diag(affine)[:3] > 0)
    np.testing.assert_allclose(grid.centre, fixed.grid.centre, atol=1e-9)
    extent, needed = 2.0 * np.array(shape), np.array([20, 1.5 * 13, 27])
    assert np.all(extent >= needed - 1e-9)
    assert np.all(extent < needed + 2)


def test_resampling_keeps_a_linear_image_inside():
    image = linear_image((24, 24, 16), oblique())
    affine = np.diag([1.3, 0.8, 2.0, 1.0])
    affine[:3, 3] = image.grid.centre - np.array([2.6, 1.6, 4.0])
    found = resample(image, Grid((5, 5, 5), affine))
    expected = linear_image((5, 5, 5), affine).array
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_resampling_to_a_coarser_grid_averages():
    rng = np.random.default_rng(0)
    noise = Volume(rng.standard_normal((48, 48, 48)).astype(np.float32), np.eye(4))
    affine = np.diag([4.0, 4, 4, 1])
    affine[:3, 3] = 1.5
    found = resample(noise, Grid((12, 12, 12), affine))
    assert found.std() < 0.25  # one voxel in 64 alone has 1, linear interpolation 0.35


def test_voxels_on_the_border_survive_a_turn(image, turned):
    found = resample(turned(image), image.grid)
    np.testing.assert_allclose(found, image.array, rtol=1e-5)


def test_displacement_is_the_same_field_on_any_grid():
    fixed = Volume(np.zeros((20, 13, 9), np.float32), oblique())
    grid = working_grid(fixed, "RAS", (2.0, 2.0, 2.0))
    matrix = np.array([[0.1, 0.02, 0], [0, -0.1, 0.03], [0.05, 0, 0.1]])
    vectors = grid.points() @ matrix.T + np.array([1, 2, 3])
    voxels = vectors @ np.linalg.inv(grid.affine[:3, :3]).T
    found = displacement_on(voxels.astype(np.float32), grid, fixed.grid)
    expected = fixed.grid.points() @ matrix.T + [1, 2, 3]
    inside = (slice(2, -2),) * 3
    np.testing.assert_allclose(found[inside], expected[inside], atol=1e-3)


def test_grid_distance_of_a_shift_and_of_a_rotation():
    at_zero = Grid((5, 5, 5), np.diag([2.0, 2, 2, 1]))
    shift = at_zero.affine.copy()
    shift[:3, 3] = 0, 6, 8
    assert at_zero.distance(Grid(at_zero.shape, shift)) == pytest.approx(5)
    flip = at_zero.affine @ np.diag([-1.0, 1, 1, 1])
    assert at_zero.distance(Grid(at_zero.shape, flip)) == pytest.approx(8)


def test_planes_of_different_directions_are_refused():
    axial = Volume(np.zeros((8, 8), np.float32), np.eye(4))
    coronal = Volume(np.zeros((8, 8), np.float32), np.eye(4)[[0, 2, 1, 3]])
    with pytest.raises(GeometryError, match="different planes"):
        check_axes(axial, coronal)
    with pytest.raises(GeometryError, match="its plane is not"):
        working_grid(coronal, "RAS", (1.0, 1.0))
    assert working_grid(coronal, "RSA", (1.0, 1.0)).shape == (8, 8)


def test_grids_that_match():
    grid = Grid((4, 5), np.diag([2.0, 3.0, 1.0, 1.0]))
    moved = grid.affine.copy()
    moved[0, 3] = 0.01
    assert grid.matches(Grid((4, 5), moved))
    moved[0, 3] = 0.1
    assert not grid.matches(Grid((4, 5), moved))
    assert not grid.matches(Grid((5, 4), grid.affine))


def test_microscopic_grids():
    grid = Grid((4, 5, 6), np.diag([1e-5, 1e-5, 1e-5, 1.0]))
    assert grid.to_voxels(grid.points())[1, 2, 3].tolist() == pytest.approx([1, 2, 3])


@pytest.mark.parametrize(
    ("shape", "affine", "message"),
    [
        ((4,), np.eye(4), "two or three axes"),
        ((4, 4), np.eye(2), "3×3 or 4×4"),
        ((4, 4), np.zeros((4, 4)), "ends with the row"),
        ((4, 4), np.full((4, 4), np.nan), "finite"),
        ((4, 4, 4), np.diag([1.0, 0, 1, 1]), "singular"),
    ],
)
def test_what_is_no_grid(shape, affine, message):
    with pytest.raises(ValueError, match=message):
        Grid(shape, affine)
