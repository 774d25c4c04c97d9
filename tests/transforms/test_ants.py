"""Against ANTs itself, if it is installed (extra `peers`)."""

import numpy as np
import pytest
from world import FLIP, lps

from autoreg_jax.data import read_image
from autoreg_jax.transforms import Grid, read_chain

ants = pytest.importorskip("ants", reason="antspyx belongs to the extra `peers`")
pandas = pytest.importorskip("pandas")


def to_ants(array, grid):
    d = grid.ndim
    affine = FLIP @ grid.affine
    spacing = np.linalg.norm(affine[:d, :d], axis=0)
    return ants.from_numpy(
        array.astype(np.float32),
        origin=affine[:d, 3].tolist(),
        spacing=spacing.tolist(),
        direction=affine[:d, :d] / spacing,
    )


@pytest.fixture
def files(case, tmp_path):
    """The two files of a registration by ANTs."""
    warp = case.field.write(tmp_path / "1Warp.nii.gz", layout="ants")
    affine = case.affine.write(tmp_path / "0GenericAffine.mat")
    return [str(warp), str(affine)]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("linear", "linear"),
        ("nearest", "nearestNeighbor"),
        ("label", "genericLabel"),
    ],
)
@pytest.mark.parametrize("order", [1, -1])
def test_images(case, files, ours, theirs, order):
    image = case.image if ours == "linear" else np.floor(4 * case.image)
    expected = ants.apply_transforms(
        to_ants(np.zeros(case.fixed.shape), case.fixed),
        to_ants(image, case.moving),
        files[::order],
        interpolator=theirs,
        whichtoinvert=[False, False],  # it would guess
    ).numpy()
    whole = read_chain(files[::order])
    found = whole.apply(image, case.moving, case.fixed, ours)
    if ours == "linear":
        np.testing.assert_allclose(found, expected, atol=1e-3)
    else:
        assert np.mean(found == expected) > 0.995


@pytest.mark.parametrize("name", ["t.h5", "t.tfm"])
def test_a_composite(case, tmp_path, name):
    expected = ants.apply_transforms(
        to_ants(np.zeros(case.fixed.shape), case.fixed),
        to_ants(case.image, case.moving),
        [str(case.chain.write(tmp_path / name))],
    ).numpy()
    found = case.chain.apply(case.image, case.moving, case.fixed)
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_an_inverted_affine_map(case, files):
    expected = ants.apply_transforms(
        to_ants(np.zeros(case.moving.shape), case.moving),
        to_ants(case.image, case.moving),
        [files[1]],
        whichtoinvert=[True],
    ).numpy()
    whole = read_chain([f"[{files[1]},1]"])
    found = whole.apply(case.image, case.moving, case.moving)
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_points(case, files):
    # ANTs takes points through the map as it is: from fixed to moving.
    points = case.points()
    names = list("xyz")[: case.ndim]
    table = pandas.DataFrame(lps(points), columns=names)
    expected = ants.apply_transforms_to_points(case.ndim, table, files)
    whole = read_chain(files)
    there = lps(expected[names].to_numpy())
    np.testing.assert_allclose(whole(points), there, atol=1e-3)
    np.testing.assert_allclose(whole.points_to_fixed(there), points, atol=1e-2)


def test_a_registration_of_real_images(shared, tmp_path):
    folder = shared / "data" / "hippocampus" / "images"
    fixed, moving = (read_image(path) for path in sorted(folder.iterdir())[:2])
    grids = [Grid(volume.shape, volume.affine) for volume in (fixed, moving)]
    found = ants.registration(
        *(ants.image_read(str(volume.path)) for volume in (fixed, moving)),
        "SyNOnly",
        initial_transform="Identity",
        reg_iterations=(10, 5),
        outprefix=str(tmp_path / "out"),
    )
    moved = read_chain(found["fwdtransforms"]).apply(moving.array, grids[1], grids[0])
    expected = found["warpedmovout"].numpy()
    # Rounding decides about a voxel that comes from the very border.
    apart = np.abs(moved - expected) / np.ptp(expected)
    assert np.quantile(apart, 0.999) < 1e-3
    assert np.quantile(np.abs(moved - moving.array), 0.9) / np.ptp(expected) > 0.01
