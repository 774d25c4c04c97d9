"""Against ANTs itself, if it is installed (extra `peers`)."""

import numpy as np
import pytest
from world import FLIP, lps

from autoreg_jax.transforms import read_chain

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
    np.testing.assert_allclose(whole.apply_to_points(there), points, atol=1e-2)


@pytest.mark.slow
def test_a_registration_of_ants(case, tmp_path):
    fixed = case.chain.apply(case.image, case.moving, case.fixed)
    found = ants.registration(
        to_ants(fixed, case.fixed),
        to_ants(case.image, case.moving),
        "SyN",
        reg_iterations=(20, 10),
        outprefix=str(tmp_path / "out"),
    )
    expected = found["warpedmovout"].numpy()
    whole = read_chain(found["fwdtransforms"])
    moved = whole.apply(case.image, case.moving, case.fixed)
    # Rounding decides about a voxel that comes from the very border.
    assert np.quantile(np.abs(moved - expected), 0.99) < 1e-3
