"""Known motion of a phantom is found, and no time point is favoured."""

import json

import nibabel
import numpy as np
import pytest
from scipy import linalg
from scipy.spatial.transform import Rotation

from autoreg_jax import data
from autoreg_jax.cli import main
from autoreg_jax.errors import ConfigError, DataError
from autoreg_jax.geometry import Grid
from autoreg_jax.transforms import Transform
from autoreg_jax.workflows import register_series
from autoreg_jax.workflows.cohorts._motion import (
    COLUMNS,
    framewise_displacement,
    mean_map,
    motion_parameters,
)
from autoreg_jax.workflows.cohorts._rounds import UNFINISHED

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


def maps(parameters):
    """x ↦ c + R (x - c) + t, written down again."""
    found = []
    for row in parameters:
        x, y, z = (
            Rotation.from_euler(a, d, degrees=True)
            for a, d in zip("xyz", row[3:], strict=True)
        )
        matrix = np.eye(4)
        matrix[:3, :3] = (z * y * x).as_matrix()
        matrix[:3, 3] = GRID.centre + row[:3] - matrix[:3, :3] @ GRID.centre
        found.append(matrix)
    return found


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
    for matrix in maps(TRUTH):
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


@pytest.fixture(scope="module")
def found(path):
    return register_series(path, path.parent / "found")


def table(folder):
    names, *rows = (
        line.split("\t") for line in (folder / "motion.tsv").read_text().splitlines()
    )
    return names, rows


def test_known_motion_is_found_from_the_mean_position(found):
    middle = np.linalg.inv(mean_map(maps(TRUTH)))
    wanted = motion_parameters([m @ middle for m in maps(TRUTH)], GRID.centre)
    error = np.abs(found.motion - wanted)
    assert np.abs(wanted).max() > 2.5
    assert error[:, :3].max() < 0.1
    assert error[:, 3:].max() < 0.2
    moved = framewise_displacement(wanted)[1:]
    np.testing.assert_allclose(found.framewise_displacement[1:], moved, atol=0.4)
    # No time point is favoured: the mean of the logarithms is nothing.
    logs = [linalg.logm(t.links[0].full).real for t in found.transforms]
    np.testing.assert_allclose(np.mean(logs, 0), 0, atol=1e-7)
    assert not found.summary["warnings"]


def test_the_images_stand_still_and_the_files_say_how(found, path):
    given, corrected = data.read_series(path), found.series
    inside = np.s_[6:-6, 6:-6, 6:-6]
    spread = [np.std(s.array[inside], -1).mean() for s in (given, corrected)]
    assert spread[1] < 0.4 * spread[0]
    stored = nibabel.load(found.folder / "corrected.nii.gz")
    assert stored.shape == (*GRID.shape, 5)
    assert stored.header.get_zooms()[3] == 2.0
    assert stored.header.get_xyzt_units() == ("mm", "sec")
    np.testing.assert_allclose(stored.affine, GRID.affine)
    mean = data.read_image(found.folder / "mean.nii.gz").array
    np.testing.assert_allclose(mean, corrected.array.mean(-1), atol=1e-4)
    names, rows = table(found.folder)
    assert names == [*COLUMNS, "framewise_displacement"]
    assert rows[0][-1] == "n/a"
    numbers = np.array([row[:-1] for row in rows], float)
    np.testing.assert_allclose(numbers, found.motion, atol=1e-6)
    units = json.loads((found.folder / "motion.json").read_text())
    assert [units[n]["Units"] for n in ("trans_z", "rot_x")] == ["mm", "degree"]
    matrix = Transform.read(found.folder / "transforms" / "volume_0003_affine.mat")
    moved = matrix.apply(given.array[..., 3], GRID, GRID)
    np.testing.assert_allclose(moved, corrected.array[..., 3], atol=1e-3)


def test_a_reference_stays_and_the_command_says_what_it_found(path, capsys):
    out = path.parent / "reference"
    words = ["register-series", str(path), "-o", str(out), "--reference", "-5"]
    assert main(words) == 0
    assert "rotation x, degrees" in capsys.readouterr().out
    _, rows = table(out)
    error = np.array([row[:-1] for row in rows], float) - TRUTH
    assert np.abs(error[0]).max() == 0
    assert np.abs(error).max() < 0.3
    images = [
        data.read_series(p).array[..., 0] for p in (path, out / "corrected.nii.gz")
    ]
    np.testing.assert_allclose(images[1], images[0], rtol=1e-6)
    assert main([*words[:-1], "5"]) == 2
    assert "the series has 5 images" in capsys.readouterr().err


@pytest.mark.slow
def test_slices_are_also_registered_deformably(tmp_path):
    points = Grid((40, 40), np.diag([2.0, 2, 2, 1])).points()
    x = points[..., :2] - 39.0
    frames = []
    for swell in (0.0, 1.0, 2.0):
        radius = np.linalg.norm(x / (22 + swell), axis=-1)
        inner = np.linalg.norm((x - [6, 2]) / (8 + swell), axis=-1)
        frames.append(
            1 / (1 + np.exp(8 * (radius - 1))) + 1 / (1 + np.exp(8 * (inner - 1)))
        )
    array = np.stack(frames, -1).astype(np.float32)[:, :, None]
    affine = np.diag([2.0, 2, 2, 1])
    found = register_series(
        (array, affine),
        tmp_path,
        deformable=True,
        rounds=1,
        refine=30,
        similarity="ncc",
    )
    given = array[:, :, 0]
    spread = [np.std(a, -1).mean() for a in (given, found.series.array)]
    assert spread[1] < 0.4 * spread[0]
    assert np.abs(found.motion[:, [2, 3, 4]]).max() < 1e-9
    files = [
        tmp_path / "transforms" / f"volume_0002_{n}"
        for n in ("affine.mat", "displacement.nii.gz")
    ]
    chain = Transform.read(files[0]) @ Transform.read(files[1])
    grid = Grid((40, 40), affine)
    moved = chain.apply(given[..., 2], grid, grid)
    np.testing.assert_allclose(moved, found.series.array[..., 2], atol=1e-3)
    assert not (tmp_path / UNFINISHED).exists()
    # Of an earlier call nothing is left that would be taken for a part of this one.
    register_series((array[..., :2], affine), tmp_path, rounds=1)
    left = sorted(path.name for path in (tmp_path / "transforms").iterdir())
    assert left == ["volume_0000_affine.mat", "volume_0001_affine.mat"]


def test_parameters_are_those_that_made_the_maps():
    np.testing.assert_allclose(
        motion_parameters(maps(TRUTH), GRID.centre), TRUTH, atol=1e-9
    )
    # Scales and shears beside the motion do not change it.
    scaled = [m @ np.diag([1.1, 0.9, 1.2, 1]) for m in maps(TRUTH)]
    turned = motion_parameters(scaled, np.zeros(3))[:, 3:]
    np.testing.assert_allclose(turned, TRUTH[:, 3:], atol=1e-9)


def test_the_mean_of_maps_is_where_no_order_and_no_frame_matter():
    mean = mean_map(maps(TRUTH))
    np.testing.assert_allclose(mean[:3, :3] @ mean[:3, :3].T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(mean_map(maps(TRUTH)[::-1]), mean, atol=1e-8)
    frame = maps([[40.0, -20, 10, 30, 40, 50]])[0]
    moved = mean_map([frame @ m for m in maps(TRUTH)])
    np.testing.assert_allclose(moved, frame @ mean, atol=1e-7)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"affine": "none"}, "affine: must be rigid or affine"),
        ({"rounds": 0}, "rounds: must be at least 1"),
        ({"refine": 5}, "refine: of a deformable registration"),
        ({"deformable": True, "refine": 0}, "0 steps and no model"),
        ({"deformable": True, "similarity": "x"}, "similarity: must be one of"),
    ],
)
def test_wrong_options_are_refused(options, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        register_series("a.nii.gz", tmp_path / "s", **options)


def test_what_is_no_series_is_refused(tmp_path):
    good = np.random.default_rng(0).random((4, 4, 4, 3))
    empty, broken = good.copy(), good.copy()
    empty[..., 1], broken[0, 0, 0, 2] = 5.0, np.nan
    for array, message in (
        (good[..., 0], r"four axes.* found the shape \(4, 4, 4\)"),
        (good[..., :1], "at least two time points"),
        (empty, "all voxels of image 1 are 5"),
        (broken, "1 of 3 time points, the first of them 2"),
    ):
        with pytest.raises(DataError, match=message):
            register_series((array, np.eye(4)), tmp_path / "s")
