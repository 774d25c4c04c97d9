"""The inverse, the Jacobian and the deformed grid: closed forms, ITK, all grids."""

import json

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from world import make_grid, smooth, smooth_vectors

from autoreg_jax import inference
from autoreg_jax.errors import ConfigError, TransformError
from autoreg_jax.geometry import Grid, Volume
from autoreg_jax.inference import Registered
from autoreg_jax.transforms import Transform

EXTRA = ("inverse", "jacobian", "grid")


def affine_on(shape, spacing, origin):
    """An affine of NIfTI with these signed voxel sizes."""
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = origin
    return Grid(shape, affine)


FIXED = affine_on((20, 18, 12), (-2.0, -1.5, 3.0), (19, 13, -17))  # LPS
MOVING = affine_on((22, 24, 16), (1.5, 1.25, 2.5), (-16, -15, -19))  # RAS


def registered(transform, fixed=FIXED, moving=MOVING, **more):
    """What a registration would return that had found this map."""
    volumes = [Volume(smooth(g.shape, 3), g.affine) for g in (fixed, moving)]
    found = {"folding_fraction": 0.0, "similarity_before": 0.0, "similarity": 0.0}
    return Registered(*volumes, transform, **found, seconds=0.0, **more)


MATRIX = np.array(
    [[1.1, 0.05, 0.0, 2.0], [0.0, 0.9, 0.1, -1.0], [0.02, 0, 1.2, 0.5], [0, 0, 0, 1]]
)


def test_an_affine_map_has_its_inverse_and_determinant(tmp_path):
    found = registered(Transform.affine(MATRIX))
    paths = {path.name: path for path in found.save(tmp_path / "o_", extra=EXTRA)}
    back = np.linalg.inv(MATRIX)
    places = MOVING.points()
    expected = places @ back[:3, :3].T + back[:3, 3] - places
    np.testing.assert_allclose(found.inverse_displacement_mm, expected, atol=1e-5)
    inverse = Transform.read(paths["o_inverse_displacement.nii.gz"])
    goal = np.array([[1.0, -2.0, 3.0], [-7.0, 4.0, 0.5]])
    moved = found.transform(goal)
    np.testing.assert_allclose(inverse(moved), goal, atol=1e-5)
    jacobian = nibabel.load(paths["o_jacobian.nii.gz"])
    np.testing.assert_allclose(jacobian.affine, FIXED.affine, atol=1e-5)
    determinant = np.linalg.det(MATRIX)
    np.testing.assert_allclose(jacobian.get_fdata(), determinant, rtol=1e-5)
    summary = json.loads(paths["o_summary.json"].read_text())
    assert summary["inverse_error_max_mm"] < 1e-5
    assert summary["warnings"] == []
    assert len(paths) == 8


def test_a_shift_moves_the_fixed_image_back_and_the_lines_along():
    grid = affine_on((20, 18, 12), (-2.0, 1.5, 3.0), (19, -13, -17))
    shift = np.eye(4)
    shift[:3, 3] = -6.0, 3.0, 0.0  # by 3 and 2 voxels
    found = registered(Transform.affine(shift), grid, grid)
    back, image = found.inverse_moved.array, found.fixed.array
    np.testing.assert_allclose(back[3:, 2:], image[:-3, :-2], atol=1e-5)
    assert not back[:3].any()
    lines = found.grid_image().array
    assert lines.dtype == np.uint8
    dark = [lines[:, 0, 4], lines[1, :, 4], lines[1, 0, :]]
    # Where x + 3, y + 2 and z are multiples of 8.
    expected = [[5, 13], [6, 14], [0, 8]]
    assert [np.flatnonzero(line == 0).tolist() for line in dark] == expected
    assert lines[1, 2, 4] == 255


def test_the_grid_is_that_of_itk():
    found = registered(Transform(), FIXED, FIXED)
    spacing = [abs(size) for size in FIXED.spacing]
    drawn = sitk.GridSource(
        sitk.sitkFloat32,
        FIXED.shape,
        sigma=[0.5 * size for size in spacing],
        gridSpacing=[8 * size for size in spacing],
        gridOffset=[0.0] * 3,
        spacing=spacing,
    )
    expected = sitk.GetArrayFromImage(drawn).T
    np.testing.assert_allclose(found.grid_image().array, expected, atol=1)


def test_the_whole_map_is_inverted_and_itk_agrees(tmp_path):
    fixed = make_grid((18, 16, 14), (2.0, 2.5, 3.0), (0.2, -0.3, 0.4), (5, -9, 20))
    moving = make_grid((20, 18, 15), (2.2, 2.0, 2.5), (-0.3, 0.1, 0.2), (6, -8, 21))
    field = Transform.displacement(smooth_vectors(fixed.shape, 3, 1, 2.0), fixed)
    turned = np.eye(4)
    turned[:3, :3] = make_grid((2, 2, 2), (1, 1, 1), (0.1, 0, 0.2), (0, 0, 0)).affine[
        :3, :3
    ]
    whole = Transform.affine(turned) @ field
    found = registered(whole, fixed, moving)
    error = found.inverse_error()
    # Between voxels: of 2 mm over three voxels, h² u'' / 8 is about 2 / 9 / 8.
    assert 0 < error.mean_mm < 0.05
    assert error.max_mm < 0.2
    at_voxels = moving.points() + found.inverse_displacement_mm
    index = fixed.to_voxels(at_voxels)
    inside = np.all((index > 0) & (index < np.array(fixed.shape) - 1), -1)
    assert inside.mean() > 0.3
    there = whole(at_voxels[inside])
    np.testing.assert_allclose(there, moving.points()[inside], atol=1e-3)
    paths = {path.name: path for path in found.save(tmp_path / "o_", extra=EXTRA)}
    for name, volume in zip(
        ("fixed", "moving"), (found.fixed, found.moving), strict=True
    ):
        image = nibabel.Nifti1Image(volume.array, volume.affine)
        nibabel.save(image, tmp_path / f"{name}.nii.gz")
    vectors = sitk.ReadImage(
        str(paths["o_inverse_displacement.nii.gz"]), sitk.sitkVectorFloat64
    )
    images = [
        sitk.ReadImage(str(tmp_path / f"{n}.nii.gz")) for n in ("fixed", "moving")
    ]
    moved = sitk.Resample(*images, sitk.DisplacementFieldTransform(vectors))
    expected = found.inverse_moved.array
    np.testing.assert_allclose(sitk.GetArrayFromImage(moved).T, expected, atol=1e-3)


def test_a_map_that_folds_is_written_with_a_warning(tmp_path):
    vectors = np.zeros((*FIXED.shape, 3))
    vectors[9, 8, 6, 0] = 9.0
    found = registered(Transform.displacement(vectors, FIXED), FIXED, FIXED)
    with pytest.raises(TransformError, match="folds"):
        found.transform.inverse().displacement_on(FIXED)
    *_, path = found.save(tmp_path / "o_", extra=["inverse"])
    summary = json.loads(path.read_text())
    assert summary["inverse_error_max_mm"] > 3
    assert summary["inverse_error_mean_mm"] < 0.1
    assert "off by up to" in summary["warnings"][0]


def test_a_plane(tmp_path):
    plane = Grid((18, 16), np.diag([-2.0, 3.0, 5.0, 1.0]))
    scaling = Transform.affine(np.diag([1.25, 0.8, 1.0]) + 0.0)
    found = registered(scaling, plane, plane)
    paths = found.save(tmp_path / "o_", extra=EXTRA)
    assert [nibabel.load(p).shape[:3] for p in paths[:-1] if p.suffix == ".gz"] == [
        (18, 16, 1)
    ] * 6
    np.testing.assert_allclose(found.jacobian_determinant(), 1.0, rtol=1e-6)
    expected = plane.points() * [-0.2, 0.25, 0.0]
    np.testing.assert_allclose(found.inverse_displacement_mm, expected, atol=1e-5)


def test_all_appear_together_or_none(tmp_path, monkeypatch):
    found = registered(Transform.affine(MATRIX))
    monkeypatch.setattr(Registered, "grid_image", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        found.save(tmp_path / "o_", extra=EXTRA)
    assert not list(tmp_path.iterdir())


def test_what_has_no_name_is_refused():
    with pytest.raises(ConfigError, match=r"jacobian: .*give one"):
        inference.output_paths(None, moved="m.nii", extra=["jacobian"])
    with pytest.raises(ConfigError, match="of inverse, jacobian, grid, uncertainty"):
        inference.output_paths("o_", extra=["inverted"])
