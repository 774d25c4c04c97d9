"""Surface distances against brute force, a second implementation and closed forms."""

import itertools

import numpy as np
import pytest
from scipy import ndimage

from autoreg_jax.metrics import surface_distances

SPACING = (1.0, 2.5, 0.7)


def blobs(shape, num_classes, seed):
    """Smooth random structures, some of which touch the border."""
    noise = np.random.default_rng(seed).random((num_classes, *shape))
    noise = ndimage.gaussian_filter(noise, (0, *(1.2,) * len(shape)))
    return np.argmax(noise, axis=0).astype(np.int32)


def surface_points(mask, spacing):
    """World positions of the voxels with a face neighbour outside, one by one."""
    points = []
    for index in np.argwhere(mask):
        for axis, step in itertools.product(range(mask.ndim), (-1, 1)):
            other = index.copy()
            other[axis] += step
            if not 0 <= other[axis] < mask.shape[axis] or not mask[tuple(other)]:
                points.append(index * spacing)
                break
    return np.array(points)


def brute_force(fixed, moved, spacing):
    """HD95 and ASSD from all pairs of surface voxels."""
    one, other = (surface_points(mask, np.asarray(spacing)) for mask in (fixed, moved))
    table = np.linalg.norm(one[:, None] - other[None], axis=-1)
    there, back = table.min(1), table.min(0)
    hd95 = max(np.percentile(there, 95), np.percentile(back, 95))
    return hd95, (there.sum() + back.sum()) / (there.size + back.size)


@pytest.mark.parametrize(
    ("shape", "spacing"), [((9, 7, 8), SPACING), ((14, 11), (3.0, 0.8))]
)
def test_brute_force(shape, spacing):
    fixed, moved = blobs(shape, 4, 0), blobs(shape, 4, 1)
    found = surface_distances(fixed, moved, 4, spacing)
    for index in range(1, 4):
        expected = brute_force(fixed == index, moved == index, spacing)
        assert found.hd95[index - 1] == pytest.approx(expected[0])
        assert found.assd[index - 1] == pytest.approx(expected[1])


def test_simpleitk():
    sitk = pytest.importorskip("SimpleITK")
    shape, spacing = (9, 7, 8), SPACING
    fixed, moved = (np.pad(blobs(shape, 2, seed), 1) for seed in (0, 1))

    def to_surface(mask):
        image = sitk.GetImageFromArray(mask.T.astype(np.uint8))
        image.SetSpacing(spacing)
        return sitk.LabelContour(image, fullyConnected=False)

    surfaces = [to_surface(mask) for mask in (fixed, moved)]
    distances = []
    for one, other in (surfaces, surfaces[::-1]):
        field = sitk.SignedMaurerDistanceMap(
            other, squaredDistance=False, useImageSpacing=True
        )
        field = np.abs(sitk.GetArrayFromImage(field))
        distances.append(field[sitk.GetArrayFromImage(one) > 0])
    found = surface_distances(fixed, moved, 2, spacing)
    hd95 = max(np.percentile(part, 95) for part in distances)
    assert found.hd95[0] == pytest.approx(hd95, rel=1e-5)
    assert found.assd[0] == pytest.approx(np.concatenate(distances).mean(), rel=1e-5)


def test_a_shifted_box():
    fixed, moved = np.zeros((2, 20, 20), np.int32)
    fixed[4:10, 5:15] = moved[8:14, 5:15] = 1
    hd95, assd = surface_distances(fixed, moved, 2, (2.0, 1.0))
    # Four rows of 2 mm: the far edge, more than 5 % of the surface, is 8 mm away.
    assert hd95[0] == 8
    assert 0 < assd[0] < 8
    same = surface_distances(fixed, fixed, 2, (2.0, 1.0))
    assert (same.hd95[0], same.assd[0]) == (0, 0)


def test_neither_axes_nor_roles_nor_other_structures_matter():
    fixed, moved = blobs((9, 7, 8), 3, 2), blobs((9, 7, 8), 3, 3)
    expected = surface_distances(fixed, moved, 3, SPACING)
    turned = [np.transpose(x, (2, 0, 1))[:, ::-1] for x in (fixed, moved)]
    spacing = (SPACING[2], SPACING[0], SPACING[1])
    for found in (
        surface_distances(*turned, 3, spacing),
        surface_distances(moved, fixed, 3, SPACING),
        surface_distances(np.pad(fixed, 3), np.pad(moved, 3), 3, SPACING),
    ):
        np.testing.assert_allclose(found, expected)
    twice = surface_distances(fixed, moved, 3, [2 * size for size in SPACING])
    np.testing.assert_allclose(twice, 2 * np.asarray(expected))


def test_an_empty_structure_has_no_distance():
    fixed = np.array([[1, 1, 0], [3, 0, 0]])
    moved = np.array([[2, 1, 0], [0, 0, 0]])
    found = surface_distances(fixed, moved, 5, (1.0, 1.0))
    for values in found:
        np.testing.assert_array_equal(np.isnan(values), [False, True, True, True])
    assert surface_distances(fixed, moved, 1, (1.0, 1.0)).hd95.shape == (0,)


def test_what_does_not_match_is_refused():
    with pytest.raises(ValueError, match="do not match"):
        surface_distances(np.zeros((2, 3)), np.zeros((3, 2)), 2, (1.0, 1.0))
    with pytest.raises(ValueError, match="do not match"):
        surface_distances(np.zeros((2, 3)), np.zeros((2, 3)), 2, (1.0, 1.0, 1.0))
