"""Grids and resampling: linear functions of the world survive every change of grid."""

import jax.numpy as jnp
import numpy as np
import pytest

from autoreg_jax.data import Volume
from autoreg_jax.errors import GeometryError
from autoreg_jax.geometry._field_of_view import check_axes
from autoreg_jax.geometry._world import (
    displacement_on,
    resample,
    sample_world,
    working_grid,
    world_coordinates,
)
from autoreg_jax.inference._labels import sample_labels, warp_labels

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


def linear_image(shape, affine):
    values = world_coordinates(shape, affine) @ SLOPE + 7
    return Volume(values.astype(np.float32), affine)


def test_the_grid_of_training_is_its_own_working_grid():
    volume = Volume(np.zeros((5, 6, 7), np.float32), np.diag([2.0, 2, 2, 1]))
    shape, affine = working_grid(volume, "RAS", (2.0, 2.0, 2.0))
    assert shape == volume.shape
    np.testing.assert_array_equal(affine, volume.affine)


def test_a_turned_image_has_the_same_working_grid(pair, turned):
    shape, affine = working_grid(turned(pair[0]), "RAS", (2.0, 2.0, 2.0))
    assert shape == pair[0].shape
    np.testing.assert_allclose(affine, pair[0].affine, atol=1e-12)


def test_working_grid_covers_the_field_of_view():
    fixed = Volume(np.zeros((20, 13, 9), np.float32), oblique())
    shape, affine = working_grid(fixed, "RAS", (2.0, 2.0, 2.0))
    np.testing.assert_allclose(np.linalg.norm(affine[:3, :3], axis=0), 2.0)
    assert np.all(np.diag(affine)[:3] > 0)
    middles = [
        a[:3, :3] @ ((np.array(s) - 1) / 2) + a[:3, 3]
        for s, a in ((fixed.shape, fixed.affine), (shape, affine))
    ]
    np.testing.assert_allclose(*middles, atol=1e-9)
    extent, needed = 2.0 * np.array(shape), np.array([20, 1.5 * 13, 27])
    assert np.all(extent >= needed - 1e-9)
    assert np.all(extent < needed + 2)


def test_resampling_keeps_a_linear_image_inside():
    image = linear_image((24, 24, 16), oblique())
    middle = image.affine[:3, :3] @ np.array([11.5, 11.5, 7.5]) + image.affine[:3, 3]
    affine = np.diag([1.3, 0.8, 2.0, 1.0])
    affine[:3, 3] = middle - np.array([2.6, 1.6, 4.0])
    found = resample(image, (5, 5, 5), affine)
    expected = linear_image((5, 5, 5), affine).array
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_resampling_to_a_coarser_grid_averages():
    rng = np.random.default_rng(0)
    noise = Volume(rng.standard_normal((48, 48, 48)).astype(np.float32), np.eye(4))
    affine = np.diag([4.0, 4, 4, 1])
    affine[:3, 3] = 1.5
    found = resample(noise, (12, 12, 12), affine)
    assert found.std() < 0.25  # one voxel in 64 alone has 1, linear interpolation 0.35


def test_voxels_on_the_border_survive_a_turn(pair, turned):
    found = resample(turned(pair[0]), pair[0].shape, pair[0].affine)
    np.testing.assert_allclose(found, pair[0].array, rtol=1e-5)


def test_displacement_is_the_same_field_on_any_grid():
    fixed = Volume(np.zeros((20, 13, 9), np.float32), oblique())
    shape, affine = working_grid(fixed, "RAS", (2.0, 2.0, 2.0))
    matrix = np.array([[0.1, 0.02, 0], [0, -0.1, 0.03], [0.05, 0, 0.1]])
    vectors = world_coordinates(shape, affine) @ matrix.T + np.array([1, 2, 3])
    voxels = vectors @ np.linalg.inv(affine[:3, :3]).T
    found = displacement_on(fixed, voxels.astype(np.float32), affine)
    expected = world_coordinates(fixed.shape, fixed.affine) @ matrix.T + [1, 2, 3]
    inside = (slice(2, -2),) * 3
    np.testing.assert_allclose(found[inside], expected[inside], atol=1e-3)


def test_labels_agree_with_the_device():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, (6, 7, 8)).astype(np.int32)
    u = rng.uniform(-3, 3, (6, 7, 8, 3)).astype(np.float32)
    volume = Volume(labels, np.eye(4))
    points = world_coordinates(labels.shape, np.eye(4)) + u
    on_device = np.asarray(
        warp_labels(jnp.asarray(labels)[None], jnp.asarray(u)[None], 4)
    )
    agree = sample_labels(volume, points) == on_device[0]
    assert agree.mean() > 0.999  # equal shares may be decided by rounding


def test_labels_far_outside_are_background():
    volume = Volume(np.full((3, 3), 5, np.int32), np.eye(4))
    points = np.array([[1.0, 1, 0], [-40, 1, 0], [1, 2.4, 0], [1, 2.6, 0]])
    assert sample_labels(volume, points).tolist() == [5, 0, 5, 0]
    assert sample_world(volume, points, 0).tolist() == [5, 0, 5, 0]


def test_planes_of_different_directions_are_refused():
    axial = Volume(np.zeros((8, 8), np.float32), np.eye(4))
    coronal = Volume(np.zeros((8, 8), np.float32), np.eye(4)[[0, 2, 1, 3]])
    with pytest.raises(GeometryError, match="different planes"):
        check_axes(axial, coronal)
    with pytest.raises(GeometryError, match="its plane is not"):
        working_grid(coronal, "RAS", (1.0, 1.0))
    assert working_grid(coronal, "RSA", (1.0, 1.0))[0] == (8, 8)
