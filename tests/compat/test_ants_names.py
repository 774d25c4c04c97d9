"""The names of ANTsPy: keys, kinds of images, order of transforms."""

import numpy as np
import pytest

import autoreg_jax as ar
from autoreg_jax import compat
from autoreg_jax.data import as_given, read_image
from autoreg_jax.errors import ConfigError
from autoreg_jax.geometry import Volume
from autoreg_jax.transforms import Transform

SHAPE, SPACING = (32, 28), np.diag([2.0, 2.0, 1.0, 1.0])


def blob(centre):
    points = np.moveaxis(np.indices(SHAPE), 0, -1) - centre
    return np.exp(-(points**2).sum(-1) / 30).astype(np.float32)


@pytest.fixture(scope="module")
def pair():
    """Two blobs, 3 voxels apart, with the origins of their grids elsewhere."""
    elsewhere = SPACING.copy()
    elsewhere[:2, 3] = 4, -6
    return (blob((15, 13)), SPACING), (blob((18, 13)), elsewhere)


@pytest.fixture(scope="module")
def registered(pair, tmp_path_factory):
    folder = tmp_path_factory.mktemp("out")
    shift = np.eye(4)
    shift[:2, 3] = 9.5, -6.0  # the blobs are 10 mm and -6 mm apart
    start = Transform.affine(shift).write(folder / "start.mat")
    options = {"initial_transform": start, "affine": "none", "refine": 2}
    return ar.registration(*pair, outprefix=f"{folder}/a_", **options)


def test_the_keys_are_those_of_ants(registered, pair):
    assert set(registered) == {
        "warpedmovout",
        "warpedfixout",
        "fwdtransforms",
        "invtransforms",
    }
    (fixed, place), (moving, elsewhere) = pair
    array, affine = registered["warpedmovout"]
    np.testing.assert_array_equal(affine, place)
    assert np.corrcoef(array.ravel(), fixed.ravel())[0, 1] > 0.98
    array, affine = registered["warpedfixout"]
    np.testing.assert_array_equal(affine, elsewhere)
    assert np.corrcoef(array.ravel(), moving.ravel())[0, 1] > 0.98


def test_the_files_give_the_same_images(registered, pair):
    fixed, moving = pair
    forward, inverse = registered["fwdtransforms"], registered["invtransforms"]
    assert [name.rpartition("a_")[2] for name in forward] == [
        "displacement.nii.gz",
        "affine.mat",
    ]
    moved, _ = compat.apply_transforms(fixed, moving, forward)
    np.testing.assert_allclose(moved, registered["warpedmovout"][0], atol=1e-4)
    back, _ = compat.apply_transforms(moving, fixed, inverse)
    np.testing.assert_allclose(back, registered["warpedfixout"][0], atol=1e-4)


def test_a_list_of_affine_and_displacement_is_an_inverse_as_in_ants(tmp_path):
    """`[affine, displacement]` without more is A⁻¹, then the displacement."""
    volume = Volume(blob((15, 13)), SPACING)
    shift = np.eye(4)
    shift[0, 3] = 6.0
    affine = Transform.affine(shift).write(tmp_path / "a.mat")
    still = np.zeros((*SHAPE, 3), np.float32)
    still = Transform.displacement(still, volume.grid)
    still = still.write(tmp_path / "d.nii.gz")
    image = volume.array, volume.affine
    there, _ = compat.apply_transforms(image, image, [still, affine])
    back, _ = compat.apply_transforms(image, image, [affine, still])
    plain, _ = compat.apply_transforms(
        image, image, [affine, still], whichtoinvert=[False, False]
    )
    # φ(x) = x + 6 mm: what is at voxel 15 comes to 12, and by the inverse to 18.
    np.testing.assert_allclose(there[:-3], blob((12, 13))[:-3], atol=1e-5)
    np.testing.assert_allclose(back[6:], blob((18, 13))[6:], atol=1e-5)
    np.testing.assert_allclose(plain[:-6], blob((12, 13))[:-6], atol=1e-5)


def test_labels_and_values_beyond_the_image(tmp_path):
    labels = (blob((15, 13)) > 0.5).astype(np.uint8) * 7
    shift = np.eye(4)
    shift[0, 3] = 20.0
    affine = Transform.affine(shift).write(tmp_path / "a.mat")
    image = labels, SPACING
    for name in ("nearestNeighbor", "genericLabel"):
        moved, _ = compat.apply_transforms(image, image, affine, name)
        np.testing.assert_array_equal(moved[:22], labels[10:])
        assert set(np.unique(moved)) == {0, 7}
    grey = labels.astype(np.float32), SPACING
    moved, _ = compat.apply_transforms(grey, grey, affine, defaultvalue=-5)
    assert np.all(moved[22:] == -5)


def test_the_result_is_of_the_kind_of_the_fixed_image(tmp_path):
    sitk = pytest.importorskip("SimpleITK", reason="pip install autoreg_jax[formats]")
    volume = Volume(blob((15, 13)), SPACING)
    image = sitk.GetImageFromArray(volume.array.T)
    image.SetSpacing([2.0, 2.0])
    affine = Transform.affine(np.eye(4)).write(tmp_path / "a.mat")
    moved = compat.apply_transforms(image, image, [affine])
    assert isinstance(moved, sitk.Image)
    np.testing.assert_allclose(read_image(moved).array, volume.array, atol=1e-6)
    assert as_given(volume.array, moved).GetSpacing() == (2.0, 2.0)


def test_what_is_unknown_is_named(pair):
    with pytest.raises(ConfigError, match="AutoReg, Affine, Rigid, got 'SyN'"):
        ar.registration(*pair, "SyN")
    with pytest.raises(ConfigError, match="linear, nearestNeighbor, genericLabel"):
        compat.apply_transforms(*pair, ["a.mat"], "bSpline")
    with pytest.raises(ConfigError, match="no transform in the list"):
        compat.apply_transforms(*pair, [])
    with pytest.raises(ConfigError, match="for each of the 2 transforms, got 1"):
        compat.apply_transforms(*pair, ["a.mat", "b.mat"], whichtoinvert=[True])
