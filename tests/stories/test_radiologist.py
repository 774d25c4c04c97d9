"""A radiologist: two converted scans, registered, and looked at in 3D Slicer.

Slicer reads and applies transforms by ITK; SimpleITK stands for it here.
"""

import json

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from world import FLIP, itk_points, make_grid, turn

# As dcm2niix leaves them: a sagittal and an axial acquisition, both oblique.
FIXED = make_grid((24, 30, 28), (6.0, 5, 5), (0.1, -0.2, 0.15), (10, -20, 30))
MOVING = make_grid((30, 26, 22), (5.0, 5, 6), (-0.1, 0.1, -0.2), (16, -26, 34), -1.0)
MIDDLE = np.array([10.0, -20, 30])
# How the head lay in the second scanner: a turn and a shift, and a swelling.
TURN, SHIFT, SWELLING = turn(0.06, -0.04, 0.1), np.array([5.0, -6, 4]), 6.0


def truth(points):
    """Where a place of the fixed scan is in the moving one, mm, R, A, S."""
    x = points - MIDDLE
    near = np.exp(-(((x - [15, 10, 5]) / 22) ** 2).sum(-1, keepdims=True))
    return x @ TURN.T + MIDDLE + SHIFT + SWELLING * near * [0.6, 0.7, -0.4]


def inverse(points):
    """The other way, by fixed-point iteration."""
    found = points
    for _ in range(60):
        found = found - (truth(found) - points)
    return found


def anatomy(points):
    """An ellipsoid of waves, known between its voxels."""
    rng = np.random.default_rng(2)
    waves = rng.normal(size=(3, 14))
    waves *= 6.3 / rng.uniform(22, 55, 14) / np.linalg.norm(waves, axis=0)
    x = points - MIDDLE
    edge = np.linalg.norm(x / [52, 60, 50], axis=-1) - 1
    values = 6 + np.sin(x @ waves + rng.uniform(0, 6, 14)).sum(-1)
    return 100 * np.clip(values, 1, None) / (1 + np.exp(12 * edge))


def save(path, array, grid):
    image = nibabel.Nifti1Image(array.astype(np.int16), grid.affine)
    image.header.set_xyzt_units("mm", "sec")
    image.to_filename(path)


@pytest.fixture
def scans(tmp_path):
    save(tmp_path / "prior.nii.gz", anatomy(inverse(MOVING.points())), MOVING)
    save(tmp_path / "today.nii.gz", anatomy(FIXED.points()), FIXED)
    return tmp_path


def itk_image(path):
    return sitk.Cast(sitk.ReadImage(str(path)), sitk.sitkFloat32)


def distances(transform):
    """Mean distance from the truth within the head, mm, before and by ITK."""
    points = FIXED.points()
    head = points[anatomy(points) > 150]
    apart = np.linalg.norm(truth(head) - head, axis=-1)
    left = np.linalg.norm(truth(head) - itk_points(transform, head), axis=-1)
    return apart.mean(), left.mean()


def test_an_alignment_alone_is_a_transform_of_slicer(command, scans):
    out = scans / "aligned_"
    words = ("-f", scans / "today.nii.gz", "-m", scans / "prior.nii.gz", "-o", out)
    one = scans / "aligned.tfm"
    code, _, errors = command("register", *words, "--affine", "rigid", "--warp", one)
    assert code == 0, errors
    apart, left = distances(sitk.ReadTransform(str(one)))
    assert apart > 9
    # The swelling is left.
    assert left < 2.5
    moved = itk_image(f"{out}moved.nii.gz")
    fixed, moving = (itk_image(scans / f"{n}.nii.gz") for n in ("today", "prior"))
    shown = sitk.Resample(moving, fixed, sitk.ReadTransform(str(one)))
    ours, theirs = map(sitk.GetArrayFromImage, (moved, shown))
    np.testing.assert_allclose(ours, theirs, atol=0.1)


@pytest.mark.slow
def test_two_scans_are_registered_and_opened_in_slicer(command, scans):
    out = scans / "out_"
    code, printed, errors = command(
        *("register", "-f", scans / "today.nii.gz", "-m", scans / "prior.nii.gz"),
        *("-o", out, "--refine", 40),
    )
    assert code == 0, errors
    assert "trust" in printed
    summary = json.loads((scans / "out_summary.json").read_text())
    assert summary["trust"] > 0.5
    assert not summary["warnings"]
    # The moved scan lies on today's, voxel on voxel, in whatever opens NIfTI.
    fixed, moving = (itk_image(scans / f"{n}.nii.gz") for n in ("today", "prior"))
    moved = itk_image(f"{out}moved.nii.gz")
    for ask in ("GetOrigin", "GetSpacing", "GetDirection", "GetSize"):
        np.testing.assert_allclose(getattr(moved, ask)(), getattr(fixed, ask)())
    # Slicer chooses "transform" for a file of vectors by this number.
    header = nibabel.load(f"{out}displacement.nii.gz").header
    assert header.get_intent("code")[0] == 1006
    assert header["dim"][:6].tolist() == [5, 24, 30, 28, 1, 3]
    chain = sitk.CompositeTransform(3)
    chain.AddTransform(sitk.ReadTransform(f"{out}affine.mat"))
    field = sitk.ReadImage(f"{out}displacement.nii.gz", sitk.sitkVectorFloat64)
    chain.AddTransform(sitk.DisplacementFieldTransform(field))
    # What Slicer shows with the moving scan under the transform is what was written.
    shown = sitk.GetArrayFromImage(sitk.Resample(moving, fixed, chain)).T
    ours = sitk.GetArrayFromImage(moved).T
    inner = np.s_[3:-3, 3:-3, 3:-3]
    np.testing.assert_allclose(shown[inner], ours[inner], atol=2)
    # And it is right: a third of a voxel within the head, where it was off by two.
    apart, left = distances(chain)
    assert left < 1.7

    # The annotations of the prior scan follow, in the file of Slicer.
    points = FIXED.points()
    head = points[anatomy(points) > 150]
    marks = head[:: len(head) // 5]
    rows = [",".join(f"{x:.4f}" for x in row) for row in truth(marks) @ FLIP[:3, :3]]
    lines = ["# Markups fiducial file version = 5.0", "# CoordinateSystem = LPS"]
    lines += [
        "# columns = id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID"
    ]
    lines += [f"{i},{row},0,0,0,1,1,1,0,F-{i},," for i, row in enumerate(rows)]
    (scans / "prior.fcsv").write_text("\n".join(lines) + "\n")
    chain_words = [f"{out}displacement.nii.gz", f"{out}affine.mat"]
    here = scans / "today.fcsv"
    code, _, errors = command(
        *("apply", "-i", scans / "prior.fcsv", "-t", *chain_words, "-o", here)
    )
    assert code == 0, errors
    cells = [x.split(",")[1:4] for x in here.read_text().splitlines() if x[0] != "#"]
    found = np.array(cells, float) @ FLIP[:3, :3]
    assert np.linalg.norm(found - marks, axis=-1).max() < 5
    print(f"off by {apart:.2f} mm before and {left:.2f} mm after")
