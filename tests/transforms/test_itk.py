"""Against ITK itself: files written here and read there, and the other way round."""

import numpy as np
import pytest
import SimpleITK as sitk
from world import itk_apply, itk_points, to_itk

from autoreg_jax.transforms import Transform

MM = 1e-3
GREY = 1e-3


def agrees(case, ours, theirs):
    """Whether a transform and one of SimpleITK do the same to points and images."""
    points = case.points()
    np.testing.assert_allclose(ours(points), itk_points(theirs, points), atol=MM)
    moved = ours.apply(case.image, case.moving, case.fixed)
    expected = itk_apply(theirs, case)
    assert np.ptp(expected) > 0.5
    np.testing.assert_allclose(moved, expected, atol=GREY)


@pytest.mark.parametrize("ending", [".tfm", ".txt", ".mat", ".h5"])
def test_affine_written_here(case, tmp_path, ending):
    path = case.affine.write(tmp_path / f"a{ending}")
    theirs = sitk.ReadTransform(str(path))
    assert theirs.GetDimension() == case.ndim
    agrees(case, case.affine, theirs)
    agrees(case, Transform.read(path), theirs)


@pytest.mark.parametrize("ending", [".tfm", ".h5"])
@pytest.mark.parametrize("kind", ["field", "chain", "velocity"])
def test_deformation_written_here(case, tmp_path, ending, kind):
    ours = getattr(case, kind)
    path = ours.write(tmp_path / f"t{ending}")
    theirs = sitk.ReadTransform(str(path))
    assert theirs.GetDimension() == case.ndim
    agrees(case, ours, theirs)
    again = Transform.read(path)
    assert len(again.links) == len(ours.links)
    agrees(case, again, theirs)


def test_inverse_written_here(case, tmp_path):
    inverse = case.chain.inverse()
    theirs = sitk.ReadTransform(str(inverse.write(tmp_path / "t.h5")))
    points = case.chain(case.points())
    away = inverse(points) - itk_points(theirs, points)
    # There the inverse is interpolated between voxels, here solved for.
    assert np.abs(away).max() < 0.2


def their_affine(case):
    theirs = sitk.AffineTransform(case.ndim)
    rng = np.random.default_rng(2)
    d = case.ndim
    theirs.SetMatrix((np.eye(d) + rng.normal(0, 0.08, (d, d))).ravel().tolist())
    theirs.SetTranslation([1.0, -2.0, 0.5][:d])
    theirs.SetCenter([3.0, 4.0, -5.0][:d])
    return theirs


def their_field(case):
    field = to_itk(case.field.links[0].vectors[..., : case.ndim].copy(), case.fixed)
    return sitk.DisplacementFieldTransform(sitk.Cast(field, sitk.sitkVectorFloat64))


def euler(order):
    def make():
        theirs = sitk.Euler3DTransform((3, 4, 5), 0.1, -0.2, 0.3, (1, 2, -1))
        theirs.SetComputeZYX(order)
        return theirs

    return make


KINDS = {
    3: [
        euler(False),
        euler(True),
        lambda: sitk.VersorRigid3DTransform((0, 0.1, 1), 0.2, (1, 2, 1), (3, 4, 5)),
        lambda: sitk.VersorTransform((0, 0.1, 1), 0.2, (3, 4, 5)),
        lambda: sitk.Similarity3DTransform(1.1, (1, 0.1, 0), 0.2, (1, 2, 1), (3, 4, 5)),
        lambda: sitk.TranslationTransform(3, (1.0, -2.0, 0.5)),
        lambda: sitk.ScaleTransform(3, (0.9, 1.1, 1.2)),
        lambda: sitk.Transform(3, sitk.sitkIdentity),
    ],
    2: [
        lambda: sitk.Euler2DTransform((3, 4), 0.2, (1, -2)),
        lambda: sitk.Similarity2DTransform(1.1, 0.2, (1, -2), (3, 4)),
        lambda: sitk.TranslationTransform(2, (1.0, -2.0)),
        lambda: sitk.ScaleTransform(2, (0.9, 1.1)),
    ],
}


@pytest.mark.parametrize("ending", [".tfm", ".mat", ".h5"])
def test_linear_written_there(case, tmp_path, ending):
    for make in [lambda: their_affine(case), *KINDS[case.ndim]]:
        theirs = make()
        if ending == ".mat" and not theirs.GetParameters():
            continue  # MATLAB files hold no empty lists
        path = tmp_path / f"t{ending}"
        sitk.WriteTransform(theirs, str(path))
        agrees(case, Transform.read(path), theirs)


@pytest.mark.parametrize("ending", [".tfm", ".h5"])
def test_composite_written_there(case, tmp_path, ending):
    affine, field = their_affine(case), their_field(case)
    theirs = sitk.CompositeTransform([affine, KINDS[case.ndim][0](), field])
    path = tmp_path / f"t{ending}"
    sitk.WriteTransform(theirs, str(path))
    ours = Transform.read(path)
    assert len(ours.links) == 3
    assert ours.ndim == case.ndim
    agrees(case, ours, theirs)


@pytest.mark.parametrize("kind", ["field", "chain", "velocity"])
def test_displacement_image_written_here(case, tmp_path, kind):
    d = case.ndim
    ours = getattr(case, kind)
    expected = (case.fixed.points() + ours.displacement_on(case.fixed))[..., :d]
    # Our own files of a plane have three components, for which ITK has no transform.
    for layout in ("ants", "ras")[: d - 1]:
        path = ours.write(tmp_path / "1Warp.nii.gz", layout=layout, grid=case.fixed)
        image = sitk.ReadImage(str(path), sitk.sitkVectorFloat64)
        theirs = sitk.DisplacementFieldTransform(image)
        points = case.fixed.points()[..., :d].reshape(-1, d)
        found = itk_points(theirs, points)
        np.testing.assert_allclose(found, expected.reshape(-1, d), atol=MM)
        np.testing.assert_allclose(Transform.read(path)(points), found, atol=MM)


def test_displacement_image_written_there(case, tmp_path):
    path = tmp_path / "1Warp.nii.gz"
    theirs = their_field(case)
    image = theirs.GetDisplacementField()
    sitk.WriteImage(image, str(path))
    ours = Transform.read(path)
    assert ours.ndim == case.ndim
    agrees(case, ours, sitk.DisplacementFieldTransform(image))


def test_outside_of_a_field_is_the_identity(case):
    far = case.points() + 1000.0
    np.testing.assert_array_equal(case.field(far), far)
    np.testing.assert_allclose(itk_points(their_field(case), far), far)
