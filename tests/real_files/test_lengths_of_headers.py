"""FSL, NiftyReg, MRtrix and AFNI take the lengths of headers as they are."""

import warnings

import nibabel
import numpy as np
import pytest

from autoreg_jax.cli import main
from autoreg_jax.data import read_image
from autoreg_jax.errors import TransformError
from autoreg_jax.geometry import Grid
from autoreg_jax.transforms import ImagePair, Transform, read_chain

UNITS = {"mm": 1.0, "micron": 1e-3, "meter": 1e3}
POINTS = np.array([[0.0, 0, 0], [5, 7, -9]])
FIXED = np.array([[2.0, 0, 0, -30], [0, 2, 0, -30], [0, 0, 2.5, -30], [0, 0, 0, 1]])
MOVING = np.array([[-1.5, 0, 0, 25], [0, 2, 0, -28], [0, 0, 2, -31], [0, 0, 0, 1]])
SHIFT = np.array([3.0, -4, 5])


def image(path, affine, unit="mm", sizes=None):
    """An image whose header has the affine in another unit, and other voxel sizes."""
    stored = affine.copy()
    stored[:3] /= UNITS[unit]
    made = nibabel.Nifti1Image(np.ones((30, 20, 10), np.float32), stored)
    made.set_sform(stored, 1)
    made.set_qform(stored, 1)
    made.header.set_xyzt_units(unit)
    if sizes is not None:
        made.set_qform(None, 0)
        made.header["pixdim"][1:4] = sizes
    made.to_filename(path)
    with warnings.catch_warnings(action="ignore"):
        return read_image(path).grid


def matrix_file(path, shift):
    full = np.eye(4)
    full[:3, 3] = shift
    np.savetxt(path, full)
    return path


def fsl_to_world(affine, sizes):
    """FSL's mm to those of the header, from its definition, for 30 voxels along x."""
    scaled = np.diag([*sizes, 1.0])
    if np.linalg.det(affine) > 0:
        scaled = scaled @ [[-1, 0, 0, 29], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    return affine @ np.linalg.inv(scaled)


def mapped(matrix, points):
    return points @ matrix[:3, :3].T + matrix[:3, 3]


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("other", UNITS)
def test_flirt_counts_in_the_units_of_its_headers(tmp_path, unit, other):
    fixed = image(tmp_path / "f.nii", FIXED, unit)
    moving = image(tmp_path / "m.nii", MOVING, other)
    path = matrix_file(tmp_path / "flirt.mat", SHIFT)
    ours = Transform.read(path, images=ImagePair(moving, fixed))
    scale, from_scale = UNITS[unit], UNITS[other]
    to_fixed = fsl_to_world(FIXED, np.array([2, 2, 2.5]) / scale)
    to_moving = fsl_to_world(MOVING, np.array([1.5, 2, 2]) / from_scale)
    right = to_fixed @ np.loadtxt(path) @ np.linalg.inv(to_moving)
    found = ours.inverse()(mapped(to_moving, POINTS))
    np.testing.assert_allclose(found, mapped(right @ to_moving, POINTS), atol=1e-3)


def test_flirt_counts_voxels_of_pixdim(tmp_path):
    sizes = (2.0, 2.0, 3.0)
    fixed = image(tmp_path / "f.nii", FIXED, sizes=sizes)
    moving = image(tmp_path / "m.nii", MOVING)
    path = matrix_file(tmp_path / "flirt.mat", SHIFT)
    ours = Transform.read(path, images=ImagePair(moving, fixed))
    right = fsl_to_world(FIXED, sizes) @ np.loadtxt(path)
    right = right @ np.linalg.inv(fsl_to_world(MOVING, (1.5, 2, 2)))
    np.testing.assert_allclose(ours.inverse()(POINTS), mapped(right, POINTS), atol=1e-5)


@pytest.mark.parametrize("unit", UNITS)
def test_a_field_of_fnirt_counts_in_the_units_of_its_headers(tmp_path, unit):
    grid = image(tmp_path / "f.nii", FIXED, unit)
    moving = image(tmp_path / "m.nii", MOVING, unit)
    field = nibabel.load(tmp_path / "f.nii")
    vectors = np.broadcast_to((SHIFT / UNITS[unit]).astype("f4"), (*grid.shape, 3))
    field = nibabel.Nifti1Image(vectors, field.affine, field.header)
    field.header["intent_code"] = 2006
    field.to_filename(tmp_path / "field.nii.gz")
    with warnings.catch_warnings(action="ignore"):
        ours = Transform.read(tmp_path / "field.nii.gz", images=ImagePair(moving))
    to_moving = fsl_to_world(MOVING, (1.5, 2, 2))
    right = to_moving @ matrix(SHIFT) @ np.linalg.inv(fsl_to_world(FIXED, (2, 2, 2.5)))
    inside = np.array([[-20.0, -10, -20], [5, -3, -15]])
    np.testing.assert_allclose(ours(inside), mapped(right, inside), atol=1e-3)


def matrix(shift):
    full = np.eye(4)
    full[:3, 3] = shift
    return full


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("name", ["affine.txt", "a.aff12.1D"])
def test_matrices_move_by_the_units_of_the_headers(tmp_path, unit, name):
    fixed = image(tmp_path / "f.nii", FIXED, unit)
    moving = image(tmp_path / "m.nii", MOVING, unit)
    path = tmp_path / name
    matrix_file(path, SHIFT / UNITS[unit])
    signs = np.ones(3)
    if name.endswith("1D"):
        np.savetxt(path, np.loadtxt(path)[:3].reshape(1, 12))
        signs = np.array([-1, -1, 1])
    with warnings.catch_warnings(action="ignore"):
        for images in (ImagePair(moving, fixed), ImagePair(others=(moving, fixed))):
            ours = Transform.read(path, images=images)
            np.testing.assert_allclose(ours(POINTS), POINTS + SHIFT * signs, atol=1e-6)


def test_headers_of_different_units_are_refused(tmp_path):
    fixed = image(tmp_path / "f.nii", FIXED)
    moving = image(tmp_path / "m.nii", MOVING, "micron")
    images = ImagePair(others=(moving, fixed))
    path = matrix_file(tmp_path / "affine.txt", SHIFT)
    with pytest.raises(TransformError, match=r"affine\.txt: .* have different units"):
        Transform.read(path, images=images)
    positions = fixed.points().astype("f4")[:, :, :, None]
    field = nibabel.Nifti1Image(positions, FIXED)
    field.header["descrip"] = b"Deformation"
    field.to_filename(tmp_path / "y.nii.gz")
    with pytest.raises(TransformError, match=r"y\.nii.*set them all to mm"):
        Transform.read(tmp_path / "y.nii.gz", images=images)


@pytest.mark.parametrize(
    "words", [["a.aff12.1D", "id.mat"], ["a.aff12.1D", "--inverse"], ["[a.aff12.1D,1]"]]
)
@pytest.mark.parametrize("oblique", ["-i", "-r"])
def test_afni_refuses_an_oblique_image_anywhere_in_a_chain(
    tmp_path, monkeypatch, capsys, words, oblique
):
    monkeypatch.chdir(tmp_path)
    image("f.nii", FIXED)
    turned = np.eye(4)
    turned[:2, :2] = [[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]]
    image("o.nii", turned @ FIXED)
    np.savetxt("a.aff12.1D", np.eye(4)[:3].reshape(1, 12))
    Transform.affine(np.eye(4)).write("id.mat")
    names = dict.fromkeys(["-i", "-r"], "f.nii") | {oblique: "o.nii"}
    base = [word for pair in names.items() for word in pair]
    assert main(["apply", *base, "-o", "out.nii", "-t", *words]) == 2
    assert "an image here is oblique" in capsys.readouterr().err


def test_a_field_of_afni_refuses_an_oblique_moving_image(tmp_path):
    turned = np.eye(4)
    turned[:2, :2] = [[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]]
    field = nibabel.Nifti1Image(np.zeros((30, 20, 10, 1, 3), "f4"), FIXED)
    field.header["intent_code"] = 1007
    field.header.extensions.append(nibabel.nifti1.Nifti1Extension(4, b"<AFNI />"))
    field.to_filename(tmp_path / "a_WARP.nii.gz")
    grids = [Grid((30, 20, 10), affine) for affine in (FIXED, turned @ FIXED)]
    read_chain([tmp_path / "a_WARP.nii.gz"], images=ImagePair(grids[0], grids[0]))
    with pytest.raises(TransformError, match="oblique"):
        read_chain([tmp_path / "a_WARP.nii.gz"], images=ImagePair(grids[1], grids[0]))
