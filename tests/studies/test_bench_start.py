"""A start of the bench is in every displacement once: not twice, not inverted."""

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from autoreg_jax.config import merge
from autoreg_jax.files import read_records
from autoreg_jax.geometry import Grid
from autoreg_jax.studies import BenchProtocol, Method, bench
from autoreg_jax.studies.bench import Limits
from autoreg_jax.studies.bench._start import PairStart
from autoreg_jax.transforms import Transform

SHAPE, SPACING = (26, 22, 18), np.array([1.0, 2.0, 1.5])


def place():
    """An oblique grid, its first axis reversed."""
    affine = np.eye(4)
    turn = Rotation.from_euler("xyz", [20, -30, 50], degrees=True).as_matrix()
    affine[:3, :3] = turn @ np.diag([-1, 1, 1]) * SPACING
    affine[:3, 3] = 10, -20, 30
    return Grid(SHAPE, affine)


GRID = place()
POINTS = np.moveaxis(np.indices(SHAPE), 0, -1) @ GRID.affine[:3, :3].T
POINTS = POINTS + GRID.affine[:3, 3]


def matrix(degrees):
    """About the centre of the grid, and 4 mm away."""
    found = np.eye(4)
    found[:3, :3] = Rotation.from_euler(
        "zyx", [degrees, 3, -2], degrees=True
    ).as_matrix()
    if not degrees:
        found[:3, :3] = np.eye(3)
    found[:3, 3] = GRID.centre - found[:3, :3] @ GRID.centre + [4, -2, 1]
    return found


def picture(points):
    """Blobs wide enough for linear interpolation."""
    middle = points - GRID.centre
    blobs = [
        np.exp(-np.sum((middle - shift) ** 2, -1) / 40)
        for shift in ([6, 0, 0], [0, 7, 2], [-5, -4, 6])
    ]
    return np.sum(blobs, 0).astype(np.float32)


@pytest.mark.parametrize("degrees", [0, 12])
def test_the_truth_is_the_start(degrees, tmp_path):
    """A method that finds nothing gets the aligned pair and returns the start."""
    linear = matrix(degrees)
    mapped = POINTS @ linear[:3, :3].T + linear[:3, 3]
    fixed, moving = picture(mapped), picture(POINTS)
    file = Transform.affine(linear).write(tmp_path / "start.mat")
    start = PairStart([file], moving, GRID)
    inner = (slice(6, -6),) * 3
    before = np.abs(moving - fixed)[inner].mean()
    assert np.abs(start.placed() - fixed)[inner].mean() < 0.1 * before
    still = np.zeros((*SHAPE, 3), np.float32)
    found = GRID.vectors_to_world(start.before(still))
    np.testing.assert_allclose(found, mapped - POINTS, atol=1e-3)
    # What is found comes first: φ_start(x + u), u in voxels.
    by = np.array([1.0, -0.5, 2.0])
    shifted = POINTS + GRID.affine[:3, :3] @ by
    wanted = shifted @ linear[:3, :3].T + linear[:3, 3] - POINTS
    found = GRID.vectors_to_world(start.before(still + by.astype(np.float32)))
    np.testing.assert_allclose(found, wanted, atol=1e-3)
    inverse = PairStart([f"[{file},1]"], moving, GRID).before(still)
    there = POINTS + GRID.vectors_to_world(inverse)
    np.testing.assert_allclose(
        there @ linear[:3, :3].T + linear[:3, 3], POINTS, atol=1e-3
    )


def test_every_method_holds_the_start_once(dataset, settings, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parent)
    by = [1.0, 0.5]
    shift = Method(
        name="shift", module="fake_methods", settings={"kind": "shift", "by": by}
    )
    linear = np.eye(4)
    linear[:2, 3] = 4, -2
    file = Transform.affine(linear).write(tmp_path / "start.mat")

    def run(init):
        protocol = BenchProtocol(
            dataset=dataset,
            methods=("none", shift),
            config=merge(settings, {"evaluate": {"pairs": 1}}),
            limits=Limits(seconds=60.0, megabytes=8000, threads=1),
            init=init,
        )
        bench(tmp_path / "bench", protocol)
        fields = []
        for name in ("none", "shift"):
            example = tmp_path / "bench" / "methods" / f"{name}.example.npz"
            with np.load(example) as stored:
                fields.append(stored["displacement"])
        return fields

    none, shifted = run([file])
    start = none[0, 0]
    assert np.linalg.norm(2.0 * start) == pytest.approx(np.hypot(4, 2), rel=1e-4)
    np.testing.assert_allclose(none, np.broadcast_to(start, none.shape), atol=1e-4)
    np.testing.assert_allclose(shifted, none + np.float32(by), atol=1e-4)
    assert (
        "begin with the given transforms" in (tmp_path / "bench/bench.md").read_text()
    )
    # Results of another start are not taken for those of this one.
    run([])
    lines = read_records(tmp_path / "bench/methods/shift.jsonl")
    assert [len(line["begins_with"]) for line in lines[1:]] == [1, 0]
