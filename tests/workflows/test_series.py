"""A series is registered as it is asked for, and what is none is refused."""

import numpy as np
import pytest
from world import rigid_maps

from autoreg_jax.errors import ConfigError, DataError
from autoreg_jax.geometry import Grid
from autoreg_jax.transforms import Transform
from autoreg_jax.workflows import register_series
from autoreg_jax.workflows.cohorts._motion import mean_map, motion_parameters
from autoreg_jax.workflows.cohorts._rounds import UNFINISHED

CENTRE = np.array([7.5, 40.5, 31.5])
# Of a drift, a nod and a jump: mm and degrees.
TRUTH = np.array(
    [[0.8, 0.4, -0.6, 3.0, -0.4, 0.6], [-1.5, 1.8, 0.9, -1.0, 2.0, -2.5], [0] * 6]
)


def maps(parameters):
    return rigid_maps(parameters, CENTRE)


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
    np.testing.assert_allclose(motion_parameters(maps(TRUTH), CENTRE), TRUTH, atol=1e-9)
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
