"""Somebody with a time series: motion found, taken out, and written for other tools."""

import json

import nibabel
import numpy as np
import pytest
from scipy import linalg
from world import rigid_maps

from autoreg_jax.geometry import Grid
from autoreg_jax.transforms import Transform
from autoreg_jax.workflows.cohorts._motion import (
    framewise_displacement,
    mean_map,
    motion_parameters,
)

GRID = Grid(
    (26, 28, 22), np.diag([3.0, 3, 3, 1]) + np.eye(4, k=3) * [[-30], [0], [0], [0]]
)
# A drift, a nod and a jump: mm and degrees.
TRUTH = np.array(
    [
        [0.0, 0, 0, 0, 0, 0],
        [0.4, 0.2, -0.3, 0.5, -0.2, 0.3],
        [0.8, 0.4, -0.6, 3.0, -0.4, 0.6],
        [-1.5, 1.8, 0.9, -1.0, 2.0, -2.5],
        [-1.2, 1.5, 1.0, -1.2, 2.2, -2.0],
    ]
)


def phantom(points):
    """An ellipsoid of waves, known between its voxels."""
    rng = np.random.default_rng(2)
    waves = rng.normal(size=(3, 12))
    waves *= 6.3 / rng.uniform(14, 40, 12) / np.linalg.norm(waves, axis=0)
    x = points - GRID.centre
    inside = 1 / (1 + np.exp((np.linalg.norm(x / [26, 30, 22], axis=-1) - 1) * 12))
    return inside * (6 + np.sin(x @ waves + rng.uniform(0, 6, 12)).sum(-1))


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """The phantom under the known motion, with 3 % of noise, two seconds a volume."""
    rng = np.random.default_rng(3)
    volumes = []
    for matrix in rigid_maps(TRUTH, GRID.centre):
        # What lies at x in the phantom lies at matrix x in the image.
        back = np.linalg.inv(matrix)
        points = GRID.points() @ back[:3, :3].T + back[:3, 3]
        volumes.append(phantom(points) + 0.2 * rng.normal(size=GRID.shape))
    image = nibabel.Nifti1Image(np.stack(volumes, -1).astype(np.float32), GRID.affine)
    image.header.set_zooms((3, 3, 3, 2.0))
    image.header.set_xyzt_units("mm", "sec")
    where = tmp_path_factory.mktemp("series") / "bold.nii.gz"
    image.to_filename(where)
    return where


def table(folder):
    names, *rows = (
        line.split("\t") for line in (folder / "motion.tsv").read_text().splitlines()
    )
    return names, rows


def numbers(rows):
    return np.array([[float(cell) for cell in row[:6]] for row in rows])


def test_motion_is_found_and_the_images_stand_still(command, path, tmp_path):
    out = tmp_path / "corrected"
    code, _, errors = command("register-series", path, "-o", out)
    assert code == 0, errors
    summary = json.loads((out / "summary.json").read_text())
    assert not summary["warnings"]
    # The table, in the columns of fMRIPrep, against the motion that was made.
    names, rows = table(out)
    axes = [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]
    assert names == [*axes, "framewise_displacement"]
    assert rows[0][-1] == "n/a"
    units = json.loads((out / "motion.json").read_text())
    assert [units[n]["Units"] for n in ("trans_z", "rot_x")] == ["mm", "degree"]
    truth = rigid_maps(TRUTH, GRID.centre)
    middle = np.linalg.inv(mean_map(truth))
    wanted = motion_parameters([m @ middle for m in truth], GRID.centre)
    error = np.abs(numbers(rows) - wanted)
    assert np.abs(wanted).max() > 2.5
    assert error[:, :3].max() < 0.1
    assert error[:, 3:].max() < 0.2
    moved = framewise_displacement(wanted)[1:]
    found = [float(row[-1]) for row in rows[1:]]
    np.testing.assert_allclose(found, moved, atol=0.4)
    # No time point is favoured: the mean of the logarithms is nothing.
    files = sorted((out / "transforms").iterdir())
    assert [file.name for file in files][3] == "volume_0003_affine.mat"
    maps = [Transform.read(file) for file in files]
    logs = [linalg.logm(one.links[0].full).real for one in maps]
    np.testing.assert_allclose(np.mean(logs, 0), 0, atol=1e-5)
    # The series, as any other program opens it.
    given, stored = nibabel.load(path), nibabel.load(out / "corrected.nii.gz")
    assert stored.shape == (*GRID.shape, 5)
    assert stored.header.get_zooms()[3] == 2.0
    assert stored.header.get_xyzt_units() == ("mm", "sec")
    np.testing.assert_allclose(stored.affine, GRID.affine)
    inside = np.s_[6:-6, 6:-6, 6:-6]
    spread = [np.std(one.get_fdata()[inside], -1).mean() for one in (given, stored)]
    assert spread[1] < 0.4 * spread[0]
    mean = nibabel.load(out / "mean.nii.gz").get_fdata()
    np.testing.assert_allclose(mean, stored.get_fdata().mean(-1), atol=1e-4)
    again = maps[3].apply(given.get_fdata()[..., 3], GRID, GRID)
    np.testing.assert_allclose(again, stored.get_fdata()[..., 3], atol=1e-3)

    # What was drawn on the mean is brought to an image.
    mask = tmp_path / "mask.nii.gz"
    centre = GRID.centre + np.array([8.0, -6, 5])
    ball = np.linalg.norm(GRID.points() - centre, axis=-1) < 12
    nibabel.Nifti1Image(ball.astype(np.float32), GRID.affine).to_filename(mask)
    there = tmp_path / "mask_3.nii.gz"
    words = ("-n", "linear", "-o", there, "-t", f"[{files[3]},1]")
    code, _, errors = command("apply", "-i", mask, "-r", mask, *words)
    assert code == 0, errors
    points = GRID.points().reshape(-1, 3)
    centre = points[ball.ravel()].mean(0)
    own = (truth[3] @ middle @ [*centre, 1])[:3]
    found = np.average(points, axis=0, weights=nibabel.load(there).get_fdata().ravel())
    print(
        f"largest error {error[:, :3].max():.3f} mm, {error[:, 3:].max():.3f} degrees"
    )
    assert np.linalg.norm(own - centre) > 1
    assert np.linalg.norm(own - found) < 0.1


def test_a_reference_stays_and_the_command_says_what_it_found(command, path, tmp_path):
    out = tmp_path / "reference"
    words = ["register-series", path, "-o", out, "--reference", -5]
    code, printed, errors = command(*words)
    assert code == 0, errors
    assert "rotation x, degrees" in printed
    error = numbers(table(out)[1]) - TRUTH
    assert np.abs(error[0]).max() == 0
    assert np.abs(error).max() < 0.3
    first, still = (
        nibabel.load(p).get_fdata()[..., 0] for p in (path, out / "corrected.nii.gz")
    )
    np.testing.assert_allclose(still, first, rtol=1e-6)
    code, _, errors = command(*words[:-1], 5)
    assert code == 2
    assert "the series has 5 images" in errors
