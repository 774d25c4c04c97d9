"""Several scans of one person: a mid-space that favours no time point."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import linalg, ndimage

from autoreg_jax import data
from autoreg_jax.errors import ConfigError
from autoreg_jax.geometry import Grid, Volume
from autoreg_jax.spatial import logarithm
from autoreg_jax.transforms import Transform
from autoreg_jax.workflows import build_template

GRID = Grid((40, 40), np.diag([2.0, 2.0, 2.0, 1.0]))
# How the person lay, degrees and mm, and how far the disease had gone.
SCANS = {
    "y1": (6, 1.5, -1.0, 0.0),
    "y2": (-4, -1.0, 2.0, 0.6),
    "y3": (3, 0.4, 0.8, 1.0),
}


def smooth(rng, width):
    field = ndimage.gaussian_filter(rng.normal(size=GRID.shape), width)
    return field / np.abs(field).max()


def pose(degrees, x, y):
    """A turn about the centre of the grid and a shift, in the plane."""
    turn, centre = np.eye(4), GRID.centre
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    turn[:2, :2] = [[c, -s], [s, c]]
    turn[:3, 3] = centre - turn[:3, :3] @ centre + [x, y, 0]
    return turn


@pytest.fixture(scope="module")
def person(tmp_path_factory):
    """Scans of a picture that changes, in three positions, and where it shows."""
    rng = np.random.default_rng(0)
    radius = np.linalg.norm(np.indices(GRID.shape) - 19.5, axis=0)
    fade = 1 / (1 + np.exp((radius - 12) * 1.2))
    picture = (fade * (1 + 0.7 * smooth(rng, 2))).astype(np.float32)
    velocity = np.stack([5 * fade * smooth(rng, 5) for _ in range(2)], -1)
    folder, paths = tmp_path_factory.mktemp("person"), []
    for name, (*place, stage) in SCANS.items():
        grown = Transform.velocity(stage * velocity, GRID)
        moved = grown @ Transform.affine(pose(*place)[np.ix_([0, 1, 3], [0, 1, 3])])
        image = moved.apply(picture, GRID, GRID)
        paths.append(folder / f"{name}.nii.gz")
        data.write_volume(paths[-1], Volume(image, GRID.affine))
    return paths, fade > 0.5


def maps(folder):
    """From the mid-space to each scan, and the linear part of each."""
    found, linear = {}, {}
    for name in SCANS:
        begin = folder / "subjects" / name
        matrix = Transform.read(f"{begin}_affine.mat")
        found[name], linear[name] = matrix, matrix.links[0].full
        field = begin.with_name(f"{name}_displacement.nii.gz")
        if field.is_file():
            found[name] = matrix @ Transform.read(field)
    return found, linear


def between(one, other, inside):
    """Mean distance of where two maps of each scan point, mm."""
    points = GRID.points()[inside]
    return np.mean(
        [np.linalg.norm(one[n](points) - other[n](points), axis=-1) for n in SCANS]
    )


@pytest.mark.slow
def test_a_position_in_the_middle_of_all_scans(person, tmp_path):
    paths, inside = person
    options = {"affine": "rigid", "deformable": False, "rounds": 2, "position": "mean"}
    there = build_template(paths, tmp_path / "there", **options)
    back = build_template(paths[::-1], tmp_path / "back", **options)
    (one, linear), (other, _) = maps(there.folder), maps(back.folder)
    np.testing.assert_allclose(mean_logarithm(linear), 0, atol=1e-6)
    assert between(one, other, inside) < 0.1
    assert between(one, {n: Transform() for n in SCANS}, inside) > 2
    # To go on, the same reference and position have to be asked for.
    again = build_template(paths, there.folder, resume=True, **options)
    np.testing.assert_array_equal(again.image.array, there.image.array)
    with pytest.raises(ConfigError, match="begun with other position"):
        build_template(
            paths, there.folder, resume=True, **options | {"position": "reference"}
        )
    first = data.read_image(paths[0])
    turned = Volume(first.array[::-1], first.affine @ np.diag([-1, 1, 1, 1]))
    with pytest.raises(ConfigError, match="begun with other reference"):
        build_template(paths, there.folder, resume=True, reference=turned, **options)


@pytest.mark.slow
def test_the_order_of_the_scans_does_not_matter(person, tmp_path):
    paths, inside = person
    options = {"affine": "rigid", "refine": 40, "rounds": 4, "position": "mean"}
    there = build_template(paths, tmp_path / "there", **options)
    back = build_template(paths[::-1], tmp_path / "back", **options)
    (one, linear), (other, _) = maps(there.folder), maps(back.folder)
    apart = between(one, other, inside)
    assert apart < 0.1
    np.testing.assert_allclose(mean_logarithm(linear), 0, atol=1e-6)
    grid = there.image.grid
    same = Transform().apply(back.image.array, back.image.grid, grid)
    at = grid.to_voxels(GRID.points()[inside]).round().astype(int).T
    difference = np.abs(there.image.array - same)[tuple(at)].mean()
    assert difference < 0.02
    # What is deformable of the maps has no mean: its velocities are opposite.
    velocities = []
    for name in SCANS:
        path = there.folder / "subjects" / f"{name}_displacement.nii.gz"
        voxels = Transform.read(path).displacement_on(grid)[None, ..., :2] / 2
        velocities.append(2 * np.asarray(logarithm(jnp.asarray(voxels)))[0])
    mean, each = (
        np.linalg.norm(x, axis=-1)[..., at[0], at[1]].mean()
        for x in (np.mean(velocities, 0), velocities)
    )
    assert each > 0.4
    assert mean < 0.02 * each


def mean_logarithm(linear):
    return np.mean([linalg.logm(matrix).real for matrix in linear.values()], 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"position": "middle"}, "position: must be reference or mean"),
        ({"position": "mean", "affine": "none"}, "found by an alignment"),
    ],
)
def test_positions_that_cannot_be_found(options, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        build_template(["a.nii.gz", "b.nii.gz"], tmp_path / "t", **options)
