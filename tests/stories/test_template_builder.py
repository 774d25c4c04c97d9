"""A builder of a template: scans of a cohort, and their average near a known one."""

import json

import nibabel
import numpy as np
import pytest
from world import turn

from autoreg_jax.data import read_image
from autoreg_jax.transforms import Transform

SPACING = 4.0
# How each subject lay in the scanner: degrees in the plane, and mm.
POSES = ((5, 6, -4), (-7, -8, 5), (3, 2, 9), (-4, 7, 3), (8, -5, -6), (0, 3, -8))


def pose(number):
    """Where a place of a simulated subject lies in its scan."""
    angle, *shift = POSES[number]
    matrix = np.eye(4)
    matrix[:3, :3] = turn(0, 0, np.deg2rad(angle))
    matrix[:2, 3] = shift
    return matrix


def place(matrix, points):
    return points @ matrix[:3, :3].T + matrix[:3, 3]


@pytest.fixture(scope="module")
def cohort(request, simulate, tmp_path_factory):
    """Scans in one position, or each in its own, as their headers say."""
    people, folder = simulate(len(POSES)), tmp_path_factory.mktemp("cohort")
    for number in range(len(POSES)):
        name, affine = f"sim{number:03}.nii.gz", pose(number)
        for role in ("images", "labels"):
            image = nibabel.load(people / role / name)
            if request.param == "none":
                affine = np.eye(4)
            moved = nibabel.Nifti1Image(
                np.asarray(image.dataobj), affine @ image.affine
            )
            (folder / role).mkdir(exist_ok=True)
            moved.to_filename(folder / role / name)
    return request.param, folder, people


def maps(folder):
    """What was found for each subject: from the template to its scan."""
    for number in range(len(POSES)):
        begin = folder / "subjects" / f"sim{number:03}"
        found = Transform.affine(np.eye(4))
        if (path := begin.with_name(f"{begin.name}_affine.mat")).is_file():
            found = Transform.read(path)
        if (path := begin.with_name(f"{begin.name}_displacement.nii.gz")).is_file():
            found = found @ Transform.read(path)
        yield number, found


def to_known(cohort, template, to_template, points):
    """Where each subject has in the known template what is at points of the found."""
    kind, _, people = cohort
    for number, found in maps(template):
        own = found(points)
        if kind == "rigid":
            own = place(np.linalg.inv(pose(number)), own)
        yield to_template(people, f"sim{number:03}")(own)


def in_one_pose(places, points):
    """Places moved rigidly onto points, by least squares (Kabsch)."""
    middles = places.mean(0), points.mean(0)
    left, _, right = np.linalg.svd((places - middles[0]).T @ (points - middles[1]))
    turned = np.diag([1, 1, np.linalg.det(left @ right)])
    return (places - middles[0]) @ (left @ turned @ right) + middles[1]


@pytest.mark.parametrize("cohort", ["rigid"], indirect=True)
def test_scans_in_different_poses_are_brought_together(
    command, cohort, to_template, tmp_path
):
    _, folder, _ = cohort
    scans = [folder / "images" / f"sim{n:03}.nii.gz" for n in range(3)]
    out = tmp_path / "template"
    words = ("--affine", "rigid", "--affine-only", "--rounds", 1, "--json")
    code, printed, errors = command("template", *scans, "-o", out, *words)
    assert code == 0, errors
    summary = json.loads(printed)
    # A rigid map has no stretch, and the first scan says where the template is.
    for about in summary["subjects"].values():
        linear = np.array(about["matrix"])[:3, :3]
        np.testing.assert_allclose(linear @ linear.T, np.eye(3), atol=1e-4)
    grid = read_image(out / "template.nii.gz").grid
    assert grid.matches(read_image(scans[0]).grid)
    points = grid.points()[read_image(out / "template.nii.gz").array > 0.3]
    apart = {"as scanned": [], "aligned": []}
    for number in range(3):
        matrix = np.array(summary["subjects"][f"sim{number:03}"]["matrix"])
        for name, own in (("as scanned", points), ("aligned", place(matrix, points))):
            apart[name].append(place(np.linalg.inv(pose(number)), own))
    spread = {n: np.std(x, 0).mean() for n, x in apart.items()}
    # What is left is what subjects have not in common: shape.
    assert spread["as scanned"] > 4
    assert spread["aligned"] < 1.5, spread


@pytest.mark.slow
@pytest.mark.optimised
@pytest.mark.parametrize("cohort", ["none", "rigid"], indirect=True)
def test_the_average_is_near_the_known_template(command, cohort, to_template, tmp_path):
    kind, folder, people = cohort
    out = tmp_path / "template"
    words = ("--affine", kind, "--rounds", 3, "--refine", 60)
    code, _, errors = command("template", folder, "-o", out, *words)
    assert code == 0, errors
    template = read_image(out / "template.nii.gz")
    points = template.grid.points()[template.array > 0.1]
    every = [*to_known((kind, folder, people), out, to_template, points)]
    found = np.mean(every, 0)
    # Its position is that of the first scan, which is no matter of shape.
    error = np.linalg.norm(in_one_pose(found, points) - points, axis=-1).mean()
    spread = np.mean([np.linalg.norm(x - found, axis=-1).mean() for x in every])
    assert error < SPACING / 2
    assert spread < SPACING / 2
    # Files of a subject and labels, as the page says.
    labels = read_image(out / "labels.nii.gz").array
    assert 5 < len(np.unique(labels)) < 20
    moved = tmp_path / "moved.nii.gz"
    begin = out / "subjects" / "sim002"
    chain = [f"{begin}_displacement.nii.gz"]
    if kind == "rigid":
        chain.append(f"{begin}_affine.mat")
        matrix = Transform.read(chain[1]).links[0].full[:3, :3]
        np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-4)
    image = folder / "images" / "sim002.nii.gz"
    reference = ("-r", out / "template.nii.gz", "-o", moved, "-t", *chain)
    code, _, errors = command("apply", "-i", image, *reference)
    assert code == 0, errors
    given, again = (read_image(p).array for p in (f"{begin}_moved.nii.gz", moved))
    inside = template.array > 0.1
    assert np.corrcoef(given[inside], again[inside])[0, 1] > 0.99
    print(f"{kind}: template {error:.2f} mm from the known one, subjects {spread:.2f}")
