"""Matrices of FSL, FreeSurfer, AFNI, NiftyReg and MINC: arithmetic and nitransforms."""

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from nitransforms.io.afni import AFNILinearTransform
from nitransforms.io.fsl import FSLLinearTransform
from nitransforms.io.lta import FSLinearTransformArray
from world import make_grid

from autoreg_jax.errors import ImageWarning, TransformError
from autoreg_jax.geometry import Grid
from autoreg_jax.transforms import ImagePair, Transform, read_chain

MATRIX = np.eye(4)
MATRIX[:3] = [
    [1.02, 0.1, -0.03, 12.5],
    [-0.09, 0.97, 0.05, -8.25],
    [0.04, -0.06, 1.1, 3],
]
POINTS = np.random.default_rng(0).uniform(-60, 60, (30, 3))
LPS = np.diag([-1.0, -1, 1, 1])


def affine(matrix, points):
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def rows(matrix, name="%.10f"):
    return "\n".join("  ".join(name % value for value in row) for row in matrix) + "\n"


def image_of(grid):
    return nibabel.Nifti1Image(np.zeros(grid.shape, np.uint8), grid.affine)


def fsl_to_world(grid, mm):
    """World positions of FSL's millimetres, straight from their definition."""
    index = mm / grid.spacing
    if np.linalg.det(grid.affine[:3, :3]) > 0:
        index[..., 0] = grid.shape[0] - 1 - index[..., 0]
    return grid.to_world(index)


@pytest.mark.parametrize("mirrors", [(1, 1), (1, -1), (-1, 1), (-1, -1)])
@pytest.mark.parametrize("angles", [(0, 0, 0), (0.1, -0.2, 0.3)])
def test_flirt_goes_from_millimetres_of_the_moving_image_to_the_fixed_one(
    tmp_path, mirrors, angles
):
    fixed = make_grid((20, 30, 25), (2.0, 1.5, 3.0), angles, (3, 4, 5), mirrors[0])
    moving = make_grid(
        (26, 18, 40), (1.1, 2.2, 0.7), (0, 0.2, 0), (1, 2, 9), mirrors[1]
    )
    path = tmp_path / "flirt.mat"
    path.write_text(rows(MATRIX))
    ours = Transform.read(path, images=ImagePair(moving, fixed))
    mm = np.random.default_rng(1).uniform(0, 30, (20, 3))
    here, there = fsl_to_world(moving, mm), fsl_to_world(fixed, affine(MATRIX, mm))
    np.testing.assert_allclose(ours(there), here, atol=1e-6)
    theirs = FSLLinearTransform.from_string(path.read_text())
    matrix = theirs.to_ras(moving=image_of(moving), reference=image_of(fixed))
    np.testing.assert_allclose(ours.links[0].full, matrix, atol=1e-5)


def test_flirt_needs_its_two_images(tmp_path):
    path = tmp_path / "flirt.mat"
    path.write_text(rows(MATRIX))
    grid = make_grid((20, 30, 25), (2.0, 1.5, 3.0), (0, 0, 0), (3, 4, 5))
    for images, option in ((None, "source"), (ImagePair(grid), "reference")):
        with pytest.raises(TransformError, match=f"give --fsl-{option} IMAGE"):
            Transform.read(path, images=images)
    with pytest.raises(TransformError, match="convert_xfm -omat one"):
        read_chain([path, f"[{path},1]"], images=ImagePair(grid, grid))
    with pytest.warns(ImageWarning, match="matrix of FSL from the input"):
        Transform.read(path, images=ImagePair(grid, grid, assumed=True))
    flat = Grid((20, 30), np.eye(4))
    with pytest.raises(TransformError, match="for volumes"):
        Transform.read(path, images=ImagePair(flat, flat))


def test_mat_is_of_itk_or_fsl_by_its_content(tmp_path):
    ours = Transform.affine(MATRIX)
    path = ours.write(tmp_path / "0GenericAffine.mat")
    np.testing.assert_allclose(Transform.read(path)(POINTS), ours(POINTS), atol=1e-9)
    for text, message in (
        ("1 0 0\n0 1 0\n0 0 1\n", "text with 3 rows of numbers; a matrix of FSL"),
        ("hello", "not a readable MATLAB file of ITK"),
    ):
        path.write_text(text)
        with pytest.raises(TransformError, match=message):
            Transform.read(path)


def test_txt_of_niftyreg_maps_fixed_to_moving_in_r_a_s(tmp_path):
    path = tmp_path / "affine.txt"
    path.write_text(rows(MATRIX))
    with pytest.warns(ImageWarning, match=r"affine\.txt: .* matrix of NiftyReg"):
        ours = Transform.read(path)
    path.write_text(f"#command_history: mrregister a b\n{rows(MATRIX)}")
    with pytest.warns(ImageWarning, match="or MRtrix"):
        assert np.allclose(Transform.read(path).links[0].full, ours.links[0].full)
    np.testing.assert_allclose(ours(POINTS), affine(MATRIX, POINTS), atol=1e-6)


GEOMETRY = """valid = {valid}  # volume info {what}valid
filename = {name}
volume = {shape}
voxelsize = {size}
xras   = {x}
yras   = {y}
zras   = {z}
cras   = {centre}
"""
MOVING = make_grid((30, 20, 41), (1.1, 2.2, 0.7), (0.1, 0.2, 0), (1, 2, 9), -1.0)
FIXED = make_grid((21, 32, 24), (2.0, 1.5, 3.0), (0, -0.1, 0.2), (3, 4, 5))


def text(numbers):
    return " ".join(f"{value:.15e}" for value in numbers)


def geometry(grid, valid=1, name="/data/an image #2.mgz"):
    axes = (grid.affine[:3, :3] / grid.spacing).T
    # The centre of FreeSurfer is the voxel shape / 2, not the middle of the grid.
    centre = grid.to_world(np.array(grid.shape) / 2)
    return GEOMETRY.format(
        valid=valid,
        what="" if valid else "in",
        name=name,
        shape=" ".join(map(str, grid.shape)),
        size=text(grid.spacing),
        x=text(axes[0]),
        y=text(axes[1]),
        z=text(axes[2]),
        centre=text(centre),
    )


def lta(path, kind, matrix, *, count=1, **options):
    one = "mean      = 0.0 0.0 0.0\nsigma     = 1.0\n1 4 4\n" + rows(matrix)
    one += f"src volume info\n{geometry(MOVING, **options)}"
    one += f"dst volume info\n{geometry(FIXED, **options)}"
    path.write_text(
        f"# transform file {path}\n# created by nobody\n\n"
        f"type      = {kind} # LINEAR\nnxforms   = {count}\n{one}"
        "subject fsaverage\nfscale 0.15\n"
    )
    return path


@pytest.mark.parametrize("kind", [0, 1])
def test_lta_goes_from_the_moving_image_to_the_fixed_one(tmp_path, kind):
    matrix = MATRIX
    if kind == 0:
        matrix = np.linalg.inv(FIXED.affine) @ MATRIX @ MOVING.affine
    path = lta(tmp_path / "a.lta", kind, matrix)
    ours = Transform.read(path)
    np.testing.assert_allclose(ours(affine(MATRIX, POINTS)), POINTS, atol=1e-5)
    commas = path.read_text().replace("30 20 41", "30, 20, 41")
    (tmp_path / "fastsurfer.lta").write_text(commas)
    again = Transform.read(tmp_path / "fastsurfer.lta")
    np.testing.assert_array_equal(again.links[0].full, ours.links[0].full)
    # nitransforms reads no names with a space.
    path = lta(tmp_path / "b.lta", kind, matrix, name="/data/image.mgz")
    theirs = FSLinearTransformArray.from_string(path.read_text()).to_ras()[0]
    np.testing.assert_allclose(ours.links[0].full, theirs, atol=1e-3)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (14, {}, "of the type 14"),
        (21, {}, "lta_convert --inlta"),
        (1, {"count": 2}, r"holds 2 transform\(s\)"),
        (0, {"valid": 0}, "valid = 1"),
    ],
)
def test_other_lta_files_are_refused_with_a_command(tmp_path, kind, options, message):
    path = lta(tmp_path / "a.lta", kind, MATRIX, **options)
    with pytest.raises(TransformError, match=message):
        Transform.read(path)


def test_lta_between_voxels_without_geometry_is_refused(tmp_path):
    path = lta(tmp_path / "a.lta", 0, MATRIX)
    path.write_text(path.read_text().partition("src volume")[0])
    with pytest.raises(TransformError, match="does not describe its two images"):
        Transform.read(path)


def test_lta_in_the_world_needs_no_geometry(tmp_path):
    ours = Transform.read(lta(tmp_path / "a.lta", 1, MATRIX, valid=0))
    np.testing.assert_allclose(ours(affine(MATRIX, POINTS)), POINTS, atol=1e-6)


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"type = 1\nnxforms = 1\n1 4 4\n1 0 0 0\n"]
)
def test_damaged_lta_files(tmp_path, content):
    (tmp_path / "a.lta").write_bytes(content)
    with pytest.raises(TransformError, match="not a readable LTA file"):
        Transform.read(tmp_path / "a.lta")


def test_xfm_of_itk_is_as_its_other_files(tmp_path):
    theirs = sitk.AffineTransform(3)
    theirs.SetMatrix(MATRIX[:3, :3].ravel())
    theirs.SetTranslation(MATRIX[:3, 3])
    path = str(tmp_path / "itk.xfm")
    sitk.WriteTransform(theirs, path)
    again, ours = sitk.ReadTransform(path), Transform.read(path)
    signs = np.array([-1, -1, 1])
    right = [signs * again.TransformPoint((signs * one).tolist()) for one in POINTS]
    np.testing.assert_allclose(ours(POINTS), right, atol=1e-3)


XFM = """MNI Transform File
% avi2talxfm

Transform_Type = Linear;
Linear_Transform =
{rows};
"""


def test_xfm_goes_from_the_moving_image_to_the_fixed_one(tmp_path):
    path = tmp_path / "talairach.xfm"
    path.write_text(XFM.format(rows=rows(MATRIX[:3]).rstrip()))
    found = Transform.read(path)(affine(MATRIX, POINTS))
    np.testing.assert_allclose(found, POINTS, atol=1e-6)
    path.write_text(XFM.replace("Linear;", "Grid_Transform;"))
    with pytest.raises(TransformError, match="one linear transform is needed"):
        Transform.read(path)
    path.write_text("hello")
    with pytest.raises(TransformError, match="MNI Transform File"):
        Transform.read(path)


@pytest.mark.parametrize("shape", [(1, 12), (3, 4)])
def test_afni_goes_from_base_to_source_in_l_p_s(tmp_path, shape):
    path = tmp_path / "a.aff12.1D"
    numbers = (LPS @ MATRIX @ LPS)[:3].reshape(shape)
    head = "# 3dvolreg matrices (DICOM-to-DICOM, row-by-row):\n"
    path.write_text(head + rows(numbers))
    ours = Transform.read(path, grid=Grid((9, 9, 9), np.diag([2.0, 2, 3, 1])))
    np.testing.assert_allclose(ours(POINTS), affine(MATRIX, POINTS), atol=1e-6)
    if shape == (1, 12):
        theirs = AFNILinearTransform.from_string(path.read_text()).to_ras()
        np.testing.assert_allclose(ours.links[0].full, theirs, atol=1e-6)


def test_afni_without_one_matrix_or_with_oblique_images(tmp_path):
    path = tmp_path / "a.1D"
    path.write_text(rows(np.ones((3, 12))))
    with pytest.raises(TransformError, match="36 numbers"):
        Transform.read(path)
    path.write_text("a b c")
    with pytest.raises(TransformError, match="something else than numbers"):
        Transform.read(path)
    path.write_text(rows(np.eye(4)[:3].reshape(1, 12)))
    for options in ({"grid": FIXED}, {"images": ImagePair(MOVING)}):
        with pytest.raises(TransformError, match="oblique"):
            Transform.read(path, **options)


def test_files_that_another_program_has_to_convert(tmp_path):
    path = tmp_path / "TransformParameters.0.txt"
    path.write_text('(Transform "EulerTransform")\n(NumberOfParameters 6)\n')
    with pytest.raises(TransformError, match="elastix; write the field: transformix"):
        Transform.read(path)
    for name in ("a.m3z", "a.mgz"):
        (tmp_path / name).write_bytes(b"")
        with pytest.raises(TransformError, match="mri_warp_convert"):
            Transform.read(tmp_path / name)


def test_files_that_are_only_read(tmp_path):
    for name in ("a.lta", "a.xfm", "a.aff12.1D"):
        with pytest.raises(TransformError, match="is only read; write"):
            Transform.affine(MATRIX).write(tmp_path / name)
    field = Transform.displacement(np.zeros((4, 4, 4, 3)), Grid((4, 4, 4), np.eye(4)))
    for layout in ("positions", "fsl"):
        with pytest.raises(TransformError, match="is read only"):
            field.write(tmp_path / "a.nii", layout=layout)
