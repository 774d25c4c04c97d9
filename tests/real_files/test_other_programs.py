"""Vector fields in NIfTI of NiftyReg, SPM, FSL, AFNI and others, against arithmetic."""

import itertools
import warnings

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from world import itk_points, make_grid, smooth_vectors

from autoreg_jax.errors import ImageWarning, TransformError
from autoreg_jax.geometry import Grid
from autoreg_jax.transforms import ImagePair, Transform, read_chain

GRID = make_grid((20, 18, 16), (2.0, 3.0, 2.5), (0.2, -0.1, 0.3), (5, -9, 20), -1.0)
TURN = np.eye(4)
TURN[:3, :3] = [[1.1, 0.1, 0], [-0.1, 0.9, 0.05], [0, 0.02, 1.2]]
TURN[:3, 3] = 4, -7, 11
U = smooth_vectors(GRID.shape, 3, 1, 3.0)
INSIDE = GRID.to_world(
    np.random.default_rng(0).uniform(0, np.array(GRID.shape) - 1, (60, 3))
)
OUTSIDE = GRID.points()[0, 0] - 300.0


def save(path, array, grid=GRID, **fields):
    """A vector field with anything in its header."""
    full = array.reshape(*(*grid.shape, 1)[:3], 1, -1).astype(np.float32)
    if fields.pop("axes", 5) == 4:
        full = full[:, :, :, 0]
    image = nibabel.Nifti1Image(full, grid.affine)
    for name, value in fields.items():
        image.header[name] = value
    nibabel.save(image, path)
    return path


def affine(matrix, points):
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def linear(grid, values, points):
    """Linear interpolation between voxels, by hand."""
    index = grid.to_voxels(points)
    low = np.minimum(np.floor(index).astype(int), np.array(grid.shape) - 2)
    found = 0
    for corner in itertools.product((0, 1), repeat=3):
        weight = np.prod(np.where(corner, index - low, 1 - index + low), -1)
        found = found + weight[:, None] * values[tuple((low + corner).T)]
    return found


POSITIONS = affine(TURN, GRID.points()) + U
SPM = [
    {"intent_code": 1007, "intent_name": "Mapping", "descrip": "Deformation field"},
    {"intent_code": 1007, "intent_name": "Mapping"},
    # What "Segment" of SPM 12 writes: no intent at all.
    {"descrip": "Deformation"},
    {"descrip": "Inverse Deformation"},
]
NIFTYREG = {"intent_code": 1007, "intent_name": "NREG_TRANS"}


@pytest.mark.parametrize("header", [*SPM, NIFTYREG | {"intent_p1": 0}], ids=str)
def test_positions_of_spm_and_niftyreg(tmp_path, header):
    ours = Transform.read(save(tmp_path / "y.nii.gz", POSITIONS, **header))
    expected = linear(GRID, POSITIONS, INSIDE)
    np.testing.assert_allclose(ours(INSIDE), expected, atol=1e-4)


@pytest.mark.parametrize("header", [SPM[0], SPM[2], NIFTYREG], ids=str)
def test_beyond_positions_their_affine_map_holds(tmp_path, header):
    exact = affine(TURN, GRID.points())
    ours = Transform.read(save(tmp_path / "y.nii", exact, **header))
    np.testing.assert_allclose(ours(OUTSIDE), affine(TURN, OUTSIDE), atol=0.01)
    bent = Transform.read(save(tmp_path / "y.nii", POSITIONS, **header))
    assert np.abs(bent(OUTSIDE) - affine(TURN, OUTSIDE)).max() < 30
    assert np.abs(bent(OUTSIDE) - OUTSIDE).max() > 50


def test_a_displacement_of_niftyreg_is_along_r_a_s_and_goes_on_beyond(tmp_path):
    header = NIFTYREG | {"intent_p1": 1}
    ours = Transform.read(save(tmp_path / "d.nii", POSITIONS - GRID.points(), **header))
    expected = linear(GRID, POSITIONS, INSIDE)
    np.testing.assert_allclose(ours(INSIDE), expected, atol=1e-4)
    shift = np.broadcast_to([4.0, -2, 3], POSITIONS.shape)
    ours = Transform.read(save(tmp_path / "d.nii", shift, **header))
    np.testing.assert_allclose(ours(OUTSIDE), OUTSIDE + np.array([4, -2, 3]), atol=1e-3)


def basis(t):
    """The four weights of a cubic B-spline."""
    terms = [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4]
    terms += [-3 * t**3 + 3 * t**2 + 3 * t + 1, t**3]
    return np.stack(terms) / 6


@pytest.mark.parametrize("spacing", [5.0, 7.5])
def test_control_points_of_niftyreg_are_cubic_splines(tmp_path, spacing):
    knots = make_grid((9, 8, 10), (spacing,) * 3, (0.1, 0.2, -0.1), (1, 2, 3))
    points = affine(TURN, knots.points()) + smooth_vectors(knots.shape, 3, 2, 6.0)
    path = save(tmp_path / "cpp.nii.gz", points, knots, **NIFTYREG, intent_p1=2)
    ours = Transform.read(path)
    index = np.random.default_rng(1).uniform(
        1.01, np.array(knots.shape) - 2.01, (40, 3)
    )
    low = np.floor(index).astype(int)
    weights = basis(index - low)
    expected = np.zeros_like(index)
    for a, b, c in itertools.product(range(4), repeat=3):
        weight = weights[a, :, 0] * weights[b, :, 1] * weights[c, :, 2]
        expected += weight[:, None] * points[tuple((low + np.array([a, b, c]) - 1).T)]
    np.testing.assert_allclose(ours(knots.to_world(index)), expected, atol=1e-4)
    inner = knots.to_world(index)
    np.testing.assert_allclose(ours.points_to_fixed(ours(inner)), inner, atol=0.01)
    exact = affine(TURN, knots.points())
    ours = Transform.read(save(path, exact, knots, **NIFTYREG, intent_p1=2))
    np.testing.assert_allclose(ours(OUTSIDE), affine(TURN, OUTSIDE), atol=0.01)


def test_a_plane_of_niftyreg(tmp_path):
    grid = Grid((12, 10), np.diag([2.0, 3, 1, 1]))
    shift = np.broadcast_to([4.0, -2], (12, 10, 2))
    ours = Transform.read(
        save(tmp_path / "d.nii", shift, grid, **NIFTYREG, intent_p1=1)
    )
    assert ours.ndim == 2
    np.testing.assert_allclose(ours([[5.0, 6]]), [[9.0, 4]], atol=1e-5)
    path = save(
        tmp_path / "y.nii",
        grid.points()[..., :2] + shift,
        grid,
        **NIFTYREG,
        intent_p1=0,
    )
    np.testing.assert_allclose(Transform.read(path)([[5.0, 6]]), [[9.0, 4]], atol=1e-5)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (NIFTYREG | {"intent_p1": 3}, "velocity of NiftyReg .* reg_transform"),
        (NIFTYREG | {"intent_p1": 4}, "velocity of NiftyReg"),
        (NIFTYREG | {"intent_p1": 5}, "velocity of NiftyReg"),
        (NIFTYREG | {"intent_p1": 9}, "unknown type of NiftyReg"),
        ({"intent_code": 1007, "intent_name": "NREG_CPP_FILE"}, "NREG_CPP_FILE"),
        (
            {"intent_code": 1007, "descrip": "Velocity field (NiftyReg)"},
            "reg_transform",
        ),
        ({"intent_code": 2007}, "FNIRT .*fnirtfileutils"),
        ({"intent_code": 2008}, "cosines of FNIRT"),
        ({"intent_code": 2009}, "quadratic splines of FNIRT"),
        ({"intent_code": 2016}, "TOPUP"),
        ({"descrip": "Flow Field"}, "flow or velocity"),
        ({"intent_code": 1007, "intent_name": "Velocity"}, "flow or velocity"),
        ({"descrip": "u_rc1 flow"}, "flow or velocity"),
        ({"intent_code": 1007, "intent_name": "Other"}, "intent 1007, name 'Other'"),
        ({"intent_code": 1008}, "--layout"),
        ({"descrip": "MRtrix version: 3.0.4", "axes": 4}, "--layout"),
    ],
    ids=str,
)
def test_other_files_are_refused_by_name(tmp_path, header, message):
    path = save(tmp_path / "w.nii", U, **header)
    with pytest.raises(TransformError, match=message) as caught:
        Transform.read(path)
    assert str(path) in str(caught.value)


def test_splines_of_niftyreg_with_an_affine_of_their_own_are_refused(tmp_path):
    path = save(tmp_path / "cpp.nii", POSITIONS, **NIFTYREG, intent_p1=2)
    image = nibabel.load(path)
    extension = nibabel.nifti1.Nifti1Extension(0, np.eye(4, dtype="f4").tobytes())
    image.header.extensions.append(extension)
    nibabel.save(image, tmp_path / "sym.nii")
    with pytest.raises(TransformError, match="affine of its own; write a deformation"):
        Transform.read(tmp_path / "sym.nii")


@pytest.mark.parametrize(
    ("header", "vectors"),
    [
        ({"intent_code": 1007}, POSITIONS),
        ({"intent_code": 1007}, POSITIONS * [-1, -1, 1]),
        ({"intent_code": 1006}, POSITIONS),
        ({"axes": 4}, POSITIONS),
        ({"axes": 4}, np.moveaxis(np.indices(GRID.shape), 0, -1) + U),
        (NIFTYREG | {"intent_p1": 1}, POSITIONS),
    ],
)
def test_positions_are_not_taken_for_displacements(tmp_path, header, vectors):
    path = save(tmp_path / "w.nii", vectors, **header)
    with (
        warnings.catch_warnings(action="ignore"),
        pytest.raises(TransformError, match="look like positions"),
    ):
        Transform.read(path, grid=GRID)


@pytest.mark.parametrize("header", [SPM[0], NIFTYREG, NIFTYREG | {"intent_p1": 2}])
def test_displacements_are_not_taken_for_positions(tmp_path, header):
    path = save(tmp_path / "w.nii", U, **header)
    with pytest.raises(TransformError, match="look like displacements"):
        Transform.read(path)


def test_the_layout_overrules_header_and_content(tmp_path):
    path = save(tmp_path / "w.nii", POSITIONS, intent_code=1007)
    ours = Transform.read(path, layout="positions")
    expected = linear(GRID, POSITIONS, INSIDE)
    np.testing.assert_allclose(ours(INSIDE), expected, atol=1e-4)


def test_itk_and_ants_and_our_own_are_still_read(tmp_path):
    path = save(tmp_path / "1Warp.nii.gz", U, intent_code=1007)
    field = sitk.ReadImage(str(path), sitk.sitkVectorFloat64)
    theirs = sitk.DisplacementFieldTransform(field)
    ours = Transform.read(path)
    np.testing.assert_allclose(ours(INSIDE), itk_points(theirs, INSIDE), atol=1e-3)
    expected = INSIDE + linear(GRID, U, INSIDE)
    for words in ({"intent_name": "DISPVECT"}, {"descrip": "autoreg: then flow_a.mat"}):
        path = save(tmp_path / "u.nii.gz", U, intent_code=1006, **words)
        np.testing.assert_allclose(Transform.read(path)(INSIDE), expected, atol=1e-4)


def test_positions_that_are_not_finite_get_the_affine_map_and_a_warning(tmp_path):
    holes = affine(TURN, GRID.points())
    holes[:3] = np.nan
    path = save(tmp_path / "iy.nii", holes, **SPM[3])
    with pytest.warns(ImageWarning, match=r"iy\.nii: 864 of 5760 positions are not"):
        ours = Transform.read(path)
    points = GRID.points()
    np.testing.assert_allclose(ours(points), affine(TURN, points), atol=1e-2)


@pytest.mark.parametrize("code", [1, 3])
def test_lengths_that_are_not_millimetres(tmp_path, code):
    unit = {1: 1000.0, 3: 0.001}[code]
    stored = Grid(GRID.shape, np.diag([1 / unit] * 3 + [1]) @ GRID.affine)
    header = SPM[0] | {"xyzt_units": code}
    path = save(tmp_path / "y.nii", POSITIONS / unit, stored, **header)
    with pytest.warns(ImageWarning, match="lengths are"):
        ours = Transform.read(path)
    expected = linear(GRID, POSITIONS, INSIDE)
    np.testing.assert_allclose(ours(INSIDE), expected, atol=1e-3)


def test_voxels_of_voxelmorph_are_said_and_overruled(tmp_path):
    voxels = GRID.vectors_to_voxels(U)
    path = save(tmp_path / "warp.nii.gz", voxels, axes=4)
    with pytest.warns(ImageWarning, match=r"voxels along the axes .* --layout ras"):
        ours = Transform.read(path, grid=GRID)
    expected = INSIDE + linear(GRID, U, INSIDE)
    np.testing.assert_allclose(ours(INSIDE), expected, atol=1e-4)
    path = save(tmp_path / "warp.nii.gz", U, axes=4)
    ours = Transform.read(path, layout="ras")
    np.testing.assert_allclose(ours(INSIDE), expected, atol=1e-4)


def test_afni_is_along_l_p_s_and_not_oblique(tmp_path):
    plumb = Grid(GRID.shape, np.diag([-2.0, -2, 3, 1]))
    xml = nibabel.nifti1.Nifti1Extension(4, b"<AFNI_attributes />")
    for grid in (plumb, GRID):
        image = nibabel.load(save(tmp_path / "w.nii", U, grid))
        image.header.extensions.append(xml)
        nibabel.save(image, tmp_path / f"{grid is plumb}.nii")
    found = Transform.read(tmp_path / "True.nii").displacement_on(plumb)
    np.testing.assert_allclose(found, U * [-1, -1, 1], atol=1e-5)
    with pytest.raises(TransformError, match="3dWarp -deoblique"):
        Transform.read(tmp_path / "False.nii")


def fsl_mm(grid, points):
    """FSL's millimetres of world positions, straight from its definition."""
    index = grid.to_voxels(points)
    if np.linalg.det(grid.affine[:3, :3]) > 0:
        index[..., 0] = grid.shape[0] - 1 - index[..., 0]
    return index * grid.spacing


@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("mirrors", [(1, 1), (1, -1), (-1, 1), (-1, -1)])
def test_fields_of_fnirt(tmp_path, mirrors, absolute):
    angles = (0.1, 0.2, -0.3)
    fixed, moving = (
        make_grid(shape, spacing, turned, (3, 4, 5), mirror)
        for shape, spacing, turned, mirror in (
            (GRID.shape, (2.0, 3.0, 2.5), angles, mirrors[0]),
            ((30, 20, 25), (1.5, 2.0, 1.0), (0, 0, 0.4), mirrors[1]),
        )
    )
    there = affine(TURN, fixed.points()) + U
    vectors = fsl_mm(moving, there) - (0 if absolute else fsl_mm(fixed, fixed.points()))
    path = save(tmp_path / "warp.nii.gz", vectors, fixed, axes=4, intent_code=2006)
    ours = Transform.read(path, images=ImagePair(moving))
    points = fixed.points()
    np.testing.assert_allclose(ours(points), there, atol=1e-3)
    with pytest.raises(TransformError, match="--fsl-source"):
        Transform.read(path)
    with pytest.raises(TransformError, match="convertwarp"):
        read_chain([path, path], images=ImagePair(moving, fixed))
