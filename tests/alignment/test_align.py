"""Alignment of images whose map is known."""

import numpy as np
import pytest
from scipy import ndimage

from autoreg_jax import alignment
from autoreg_jax.errors import ConfigError, GeometryError
from autoreg_jax.geometry import Volume


def blobs(ndim, seed=3):
    """A function of the world: an ellipsoid with structure, without symmetry, 0 beside.

    It is defined everywhere, so that a moved image needs no interpolation.
    """
    rng = np.random.default_rng(seed)
    centres = rng.uniform(-22, 22, (14, ndim))
    heights, widths = rng.uniform(0.3, 1, 14), rng.uniform(6, 11, 14)

    def image(points):
        points = points[..., :ndim]
        value = np.full(points.shape[:-1], 0.3)
        for centre, height, width in zip(centres, heights, widths, strict=True):
            distance = np.sum((points - centre) ** 2, -1)
            value += height * np.exp(-distance / (2 * width**2))
        edge = 1 - np.sum((points / np.array([34, 28, 22])[:ndim]) ** 2, -1)
        return 100 * value * np.clip(6 * edge, 0, 1)

    return image


def world(shape, affine):
    index = np.stack(np.indices(shape), -1)
    return index @ affine[:3, : len(shape)].T + affine[:3, 3]


def turn(degrees, plane=(0, 1)):
    matrix = np.eye(4)
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    a, b = plane
    matrix[a, a] = matrix[b, b] = cos
    matrix[a, b], matrix[b, a] = -sin, sin
    return matrix


def grid(shape, spacing, centre):
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = centre
    middle = (np.array([*shape, 1, 1][:3]) - 1) / 2
    affine[:3, 3] -= affine[:3, :3] @ middle
    return affine


def error(found, wanted, points):
    difference = (found - wanted)[:3]
    moved = points @ difference[:, :3].T + difference[:, 3]
    return np.linalg.norm(moved, axis=-1).mean()


@pytest.fixture(scope="module")
def image():
    return blobs(3)


@pytest.fixture(scope="module")
def fixed(image):
    affine = grid((26, 22, 20), (3.0, 3.0, 3.0), (5.0, -3.0, 8.0))
    return Volume(image(world((26, 22, 20), affine) - [5, -3, 8]), affine)


@pytest.fixture(scope="module")
def carried(image):
    """The object turned, shifted and stretched, on an anisotropic oblique grid."""
    matrix = turn(35, (0, 2)) @ turn(-20) @ np.diag([1.1, 0.95, 1.05, 1])
    matrix[:3, 3] = 30, -45, 12
    centre = matrix[:3, :3] @ [5, -3, 8] + matrix[:3, 3]
    affine = turn(10, (1, 2)) @ grid((28, 36, 30), (-2.9, 2.4, 3.2), (0, 0, 0))
    affine[:3, 3] += centre
    inverse = np.linalg.inv(matrix)
    points = world((28, 36, 30), affine) @ inverse[:3, :3].T + inverse[:3, 3]
    return Volume(image(points - [5, -3, 8]), affine), matrix


def points_of(fixed):
    return world(fixed.shape, fixed.affine)[fixed.array > 0]


def test_an_affine_map_is_found(fixed, carried):
    moving, matrix = carried
    found = alignment.align(fixed, moving)
    # A fifth of a voxel.
    assert error(found.matrix, matrix, points_of(fixed)) < 0.6
    assert found.is_trusted, found.reason
    assert found.is_needed
    assert found.score > 0.9 > found.score_before
    assert found.overlap == pytest.approx(1, abs=1e-3)


def test_the_metrics_agree_and_contrast_does_not_matter_to_information(fixed, carried):
    moving, matrix = carried
    by_ncc = alignment.align(fixed, moving, metric="ncc")
    assert error(by_ncc.matrix, matrix, points_of(fixed)) < 0.4
    assert by_ncc.metric == "ncc"
    inside = moving.array > 5
    inverted = np.where(inside, 300 - moving.array, 0)
    by_mi = alignment.align(fixed, Volume(inverted, moving.affine), metric="mi")
    assert error(by_mi.matrix, matrix, points_of(fixed)) < 1
    assert by_mi.is_trusted, by_mi.reason


def test_a_rigid_map_is_rigid(fixed, image):
    matrix = turn(25, (1, 2)) @ turn(15)
    moving = Volume(fixed.array, matrix @ fixed.affine)
    found = alignment.align(fixed, moving, kind="rigid")
    linear = found.matrix[:3, :3]
    np.testing.assert_allclose(linear @ linear.T, np.eye(3), atol=1e-5)
    assert np.linalg.det(linear) > 0
    assert error(found.matrix, matrix, points_of(fixed)) < 0.2


def test_aligned_images_need_nothing(fixed, image):
    affine = grid((30, 24, 26), (2.8, 3.1, 2.7), (5.0, -3.0, 8.0))
    moving = Volume(image(world((30, 24, 26), affine) - [5, -3, 8]), affine)
    found = alignment.align(fixed, moving)
    assert error(found.matrix, np.eye(4), points_of(fixed)) < 0.6
    assert not found.is_needed


@pytest.mark.parametrize(("part", "is_needed"), [(0.65, True), (0.75, False)])
def test_headers_with_most_of_the_information_are_good_enough(part, is_needed):
    # Information of Gaussian intensities of correlation r: −log(1 − r²) / 2.
    best = 0.9
    before = np.sqrt(1 - (1 - best**2) ** part)
    found = alignment.Alignment(np.eye(4), best, before, True, "", "ncc", 1.0)
    assert found.is_needed is is_needed


def test_the_order_of_the_axes_of_a_file_does_not_matter(fixed, carried, turned):
    moving, _ = carried
    straight = alignment.align(fixed, moving).matrix
    both = alignment.align(turned(fixed), turned(moving)).matrix
    np.testing.assert_allclose(both, straight, atol=1e-5)


def test_a_part_is_found_in_the_whole_with_a_mask(fixed, image):
    """Beside its mask the moving image shows something else."""
    affine = fixed.affine
    noise = np.random.default_rng(0).random(fixed.shape) * 200
    is_left = np.indices(fixed.shape)[0] < 19
    matrix = turn(12)
    array = np.where(is_left, fixed.array, ndimage.gaussian_filter(noise, 1))
    moving = Volume(array, matrix @ affine)
    mask = Volume(is_left.astype(np.int32), matrix @ affine)
    found = alignment.align(fixed, moving, masks=(None, mask), kind="rigid")
    assert error(found.matrix, matrix, points_of(fixed)) < 0.6


@pytest.mark.parametrize("flip", [False, True])
def test_slices(flip):
    image = blobs(2)
    affine = grid((44, 40), (2.0, 2.0, 4.0), (3.0, 6.0, 50.0))
    fixed = Volume(image(world((44, 40), affine)[..., :2]), affine)
    matrix = turn(30)
    matrix[:2, 3] = 20, -8
    moving = Volume(fixed.array, matrix @ affine)
    if flip:
        step = np.diag([-1.0, 1, 1, 1])
        step[0, 3] = 43
        moving = Volume(moving.array[::-1], moving.affine @ step)
    found = alignment.align(fixed, moving)
    assert error(found.matrix, matrix, world(fixed.shape, affine)) < 0.3
    assert found.is_trusted, found.reason
    np.testing.assert_allclose(found.matrix[2], [0, 0, 1, 0], atol=1e-9)


def test_what_cannot_be_aligned_is_flagged(fixed):
    rng = np.random.default_rng(1)
    noise = Volume(ndimage.gaussian_filter(rng.random((24, 22, 20)), 1.5), fixed.affine)
    for moving in (noise, Volume(np.full((20, 20, 20), 7.0), fixed.affine)):
        found = alignment.align(fixed, moving)
        assert not found.is_trusted
        assert found.reason
        assert np.isfinite(found.matrix).all()
    flat = Volume(np.zeros(fixed.shape), fixed.affine)
    assert not alignment.align(flat, fixed).is_trusted
    assert not alignment.align(flat, flat).is_trusted


def test_too_little_overlap_is_flagged(fixed):
    piece = Volume(fixed.array[:, 9:13], fixed.affine @ np.diag([1.0, 1, 1, 1]))
    found = alignment.align(fixed, piece)
    assert not found.is_trusted


def test_wrong_options_and_dimensions(fixed):
    with pytest.raises(ConfigError, match="kind"):
        alignment.align(fixed, fixed, kind="projective")
    with pytest.raises(ConfigError, match="metric"):
        alignment.align(fixed, fixed, metric="ssd")
    with pytest.raises(GeometryError, match="two slices or two volumes"):
        alignment.align(fixed, Volume(fixed.array[0], fixed.affine))
