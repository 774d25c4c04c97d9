"""Kinds of transforms in files of ITK; SimpleITK gives the right values."""

import numpy as np
import pytest
import SimpleITK as sitk
from world import itk_points, lps

from autoreg_jax.errors import TransformError
from autoreg_jax.transforms import Spline, Transform, read_chain

HEADER = "#Insight Transform File V1.0"
POINTS = np.random.default_rng(0).uniform(-40, 40, (50, 3))

# Parameters, fixed parameters.
KINDS = {
    "CenteredAffineTransform_double_2_2": ("1.1 .1 -.2 .9 3 4 1 -2", "0 0"),
    "CenteredAffineTransform_double_3_3": (
        "1.1 .1 0 .2 .9 0 .1 0 1 3 4 5 1 -2 3",
        "0 0 0",
    ),
    "CenteredEuler3DTransform_double_3_3": (".1 -.2 .3 3 4 5 1 2 -1", "0 0 0"),
    "CenteredRigid2DTransform_double_2_2": (".3 3 4 1 -2", "0 0"),
    "CenteredSimilarity2DTransform_double_2_2": ("1.2 .3 3 4 1 -2", "0 0"),
    "ComposeScaleSkewVersor3DTransform_double_3_3": (
        ".1 -.2 .3 1 2 3 1.1 .9 1.2 .1 -.05 .07",
        "3 4 5",
    ),
    "Euler2DTransform_float_2_2": (".3 1 -2", "3 4"),
    "Rigid2DTransform_double_2_2": (".3 1 -2", "3 4"),
    "ScaleLogarithmicTransform_double_3_3": (".1 -.2 .3", "3 4 5"),
    "ScaleSkewVersor3DTransform_double_3_3": (
        ".1 -.2 .3 1 2 3 1.1 .9 1.2 .1 -.05 .07 .02 .03 -.04",
        "3 4 5",
    ),
    "ScaleVersor3DTransform_double_3_3": (".1 -.2 .3 1 2 3 1.1 .9 1.2", "3 4 5"),
    "Similarity3DTransform_double_3_3": (".1 -.2 .3 1 2 3 1.1", "3 4 5"),
}


def write(path, *records):
    """A text file of transforms: kind, parameters, fixed parameters."""
    lines = [HEADER]
    for number, (kind, parameters, fixed) in enumerate(records):
        lines += [f"#Transform {number}", f"Transform: {kind}"]
        lines += [f"Parameters: {parameters}", f"FixedParameters: {fixed}"]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_linear_kinds_map_points_as_itk_does(tmp_path, kind):
    path = write(tmp_path / "t.tfm", (kind, *KINDS[kind]))
    # SimpleITK has no class for some kinds, but takes them in a composite.
    d = int(kind[-1])
    composite = (f"CompositeTransform_double_{d}_{d}", "", "")
    record = (kind.replace("float", "double"), *KINDS[kind])
    theirs = sitk.ReadTransform(str(write(tmp_path / "c.tfm", composite, record)))
    points = POINTS[:, :d]
    found = Transform.read(path)(points)
    np.testing.assert_allclose(found, itk_points(theirs, points), atol=1e-9)
    assert np.abs(found - points).max() > 1


def splines(d, seed=0):
    """Cubic B-splines of SimpleITK on an oblique, anisotropic grid."""
    theirs = sitk.BSplineTransform(d, 3)
    theirs.SetTransformDomainOrigin([-50.0, -30.0, -20.0][:d])
    theirs.SetTransformDomainPhysicalDimensions([100.0, 80.0, 60.0][:d])
    theirs.SetTransformDomainMeshSize([5, 4, 3][:d])
    turn = sitk.Euler3DTransform() if d == 3 else sitk.Euler2DTransform()
    angles = (0.1, -0.2, 0.3) if d == 3 else (0.3,)
    getattr(turn, "SetRotation" if d == 3 else "SetAngle")(*angles)
    theirs.SetTransformDomainDirection(turn.GetMatrix())
    rng = np.random.default_rng(seed)
    theirs.SetParameters(rng.normal(0, 4, len(theirs.GetParameters())).tolist())
    return theirs


@pytest.mark.parametrize("ending", [".tfm", ".h5"])
@pytest.mark.parametrize("d", [2, 3])
def test_cubic_splines_are_evaluated_as_itk_does_inside_and_outside(
    tmp_path, d, ending
):
    path = tmp_path / f"t{ending}"
    theirs = splines(d)
    sitk.WriteTransform(theirs, str(path))
    ours = Transform.read(path)
    points = np.random.default_rng(1).uniform(-80, 80, (800, d))
    found = ours(points)
    np.testing.assert_allclose(found, itk_points(theirs, points), atol=1e-6)
    still = np.all(found == points, axis=1)
    assert 0.1 < still.mean() < 0.9
    assert ours.ndim == d


def test_splines_come_back_from_a_file_written_here(tmp_path):
    sitk.WriteTransform(splines(3), str(tmp_path / "a.tfm"))
    ours = Transform.read(tmp_path / "a.tfm")
    shift = Transform.affine(np.eye(4) + 2 * np.eye(4, k=3))
    both = (shift @ ours).write(tmp_path / "b.h5")
    np.testing.assert_allclose(
        itk_points(sitk.ReadTransform(str(both)), POINTS), (shift @ ours)(POINTS)
    )
    assert isinstance(Transform.read(both).links[1], Spline)


def test_splines_are_inverted_at_points(tmp_path):
    theirs = splines(3)
    theirs.SetParameters((0.5 * np.array(theirs.GetParameters())).tolist())
    sitk.WriteTransform(theirs, str(tmp_path / "a.tfm"))
    ours = Transform.read(tmp_path / "a.tfm")
    np.testing.assert_allclose(ours.points_to_fixed(ours(POINTS)), POINTS, atol=1e-2)


def test_splines_that_fold_are_not_inverted(tmp_path):
    theirs = splines(3)
    theirs.SetParameters((10 * np.array(theirs.GetParameters())).tolist())
    sitk.WriteTransform(theirs, str(tmp_path / "a.tfm"))
    with pytest.raises(TransformError, match="folds"):
        Transform.read(tmp_path / "a.tfm").points_to_fixed(POINTS)


def test_a_composite_in_a_composite(tmp_path):
    # ITK applies such a transform and cannot write it; other programs do.
    kinds = ("ScaleVersor3DTransform_double_3_3", "Similarity3DTransform_double_3_3")
    one, other = ((kind, *KINDS[kind]) for kind in kinds)
    mark = ("CompositeTransform_double_3_3", "", "")
    first, second = (
        sitk.ReadTransform(str(write(tmp_path / "t.tfm", mark, *parts)))
        for parts in ([one, other], [other, one, other])
    )
    theirs = sitk.CompositeTransform([first, second])
    path = write(tmp_path / "t.tfm", mark, mark, one, other, mark, other, one, other)
    found = Transform.read(path)(POINTS)
    np.testing.assert_allclose(found, itk_points(theirs, POINTS), atol=1e-6)


def test_marks_of_inner_composites_do_not_change_the_order(tmp_path):
    nothing = ("CompositeTransform_double_3_3", "", "")
    scale = ("ScaleTransform_double_3_3", "2 2 2", "0 0 0")
    shift = ("TranslationTransform_double_3_3", "1 0 0", "")
    path = write(tmp_path / "t.tfm", nothing, scale, nothing, shift, scale)
    # LPS, the last one first: 2 (2 x + 1).
    np.testing.assert_allclose(
        lps(Transform.read(path)([[1.0, 1.0, 1.0]])),
        4 * lps(np.ones((1, 3))) + [[2, 0, 0]],
    )


@pytest.mark.parametrize(
    ("kind", "numbers", "message"),
    [
        ("CenteredEuler3DTransform_double_3_3", ".1 .2 .3 1 2 3", "9 parameters"),
        ("BSplineTransform_double_3_3", "1 2 3", "18 fixed parameters"),
        ("ConstantVelocityFieldTransform_double_3_3", "1", "displacement field"),
        ("BSplineTransform_double_3_3_2", "1", "splines of the order 2"),
        ("ThinPlateSplineKernelTransform_double_3_3", "1", "displacement field"),
    ],
)
def test_other_kinds_are_refused_by_name(tmp_path, kind, numbers, message):
    path = write(tmp_path / "t.tfm", (kind, numbers, "0 0 0"))
    with pytest.raises(TransformError, match=message) as caught:
        Transform.read(path)
    assert kind.partition("_")[0] in str(caught.value)


def test_a_plane_and_a_volume_make_no_chain(tmp_path):
    flat = write(tmp_path / "2.tfm", ("TranslationTransform_double_2_2", "1 2", ""))
    solid = write(tmp_path / "3.tfm", ("TranslationTransform_double_3_3", "1 2 3", ""))
    with pytest.raises(TransformError, match="plane and of space"):
        read_chain([flat, solid])
