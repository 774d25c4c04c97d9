"""One truth: a result, its transform, `autoreg apply` and ITK move everything alike.

Inside, at the border and beyond it, on a plane and in space, on oblique grids, with an
alignment by 70 mm and without.
"""

import numpy as np
import pytest
import SimpleITK as sitk
from world import Case, from_itk, itk_points, lps, make_grid, to_itk

from autoreg_jax.cli import main
from autoreg_jax.data import read_image, read_labels, write_volume
from autoreg_jax.geometry import Grid, Volume
from autoreg_jax.inference import Registered
from autoreg_jax.transforms import Transform, read_chain

SAME, MM, GREY = 1e-6, 1e-3, 1e-3


def single(grid):
    """A grid whose affine a NIfTI header holds exactly."""
    return Grid(grid.shape, grid.affine.astype(np.float32))


class Result:
    """A registration, its files, and the same map in ITK."""

    def __init__(self, ndim, is_aligned, folder):
        case = Case(ndim)
        fixed, moving = single(case.fixed), single(case.moving)
        vectors = (2 * case.field.links[0].vectors).astype(np.float32)
        self.linear, self.files = Transform(), ["u.nii.gz"]
        transform = Transform.displacement(vectors, fixed)
        if is_aligned:
            matrix = case.affine.links[0].matrix.copy()
            matrix[:2, -1] += 60, -40
            self.linear, self.files = Transform.affine(matrix), [*self.files, "a.mat"]
            transform = self.linear @ transform
            affine = moving.affine.copy()
            affine[:3, 3] += self.linear([moving.centre])[0] - moving.centre
            moving = single(Grid(moving.shape, affine))
        self.labels = np.floor(5 * case.image).astype(np.int32)
        self.registered = Registered(
            fixed=Volume(np.zeros(fixed.shape, np.float32), fixed.affine),
            moving=Volume(case.image, moving.affine),
            transform=transform,
            folding_fraction=0.0,
            similarity_before=0.0,
            similarity=0.0,
            seconds=0.0,
        )
        self.transform = self.registered.transform
        # Larger than the fixed and the moving image.
        spacing = tuple(1.1 * length for length in fixed.spacing)
        shape = tuple(size + 12 for size in fixed.shape)
        self.large = single(
            make_grid(shape, spacing, (0, 0, 0.2), fixed.centre + np.ones(3))
        )
        self.folder = folder
        write_volume(folder / "moving.nii.gz", self.registered.moving)
        write_volume(folder / "labels.nii", Volume(self.labels, moving.affine))
        for name, grid in (("fixed", fixed), ("large", self.large)):
            empty = Volume(np.zeros(grid.shape, np.float32), grid.affine)
            write_volume(folder / f"{name}.nii.gz", empty)
        self.registered.save(displacement=folder / "u.h5")
        names = {"displacement": folder / "u.nii.gz", "affine": folder / "a.mat"}
        assert self.registered.write(names) == tuple(folder / f for f in self.files)
        # ITK takes the vectors in double precision and along L, P, S.
        field = to_itk(lps(vectors.astype(np.float64))[..., :ndim].copy(), fixed)
        parts = [sitk.DisplacementFieldTransform(field)]
        if is_aligned:
            # A composite applies its last part first.
            turned = matrix * np.outer(
                [*lps(np.ones(ndim)), 1], [*lps(np.ones(ndim)), 1]
            )
            parts.insert(0, sitk.AffineTransform(ndim))
            parts[0].SetMatrix(turned[:-1, :-1].ravel())
            parts[0].SetTranslation(turned[:-1, -1])
        self.itk = sitk.CompositeTransform(parts)

    def command(self, name, *words, files=("u.h5",), output="o.nii.gz"):
        """Path of what `autoreg apply` writes."""
        out, chain = self.folder / output, [self.folder / file for file in files]
        words = ["-i", self.folder / name, "-t", *chain, "-o", out, *words]
        assert main(["apply", *map(str, words)]) == 0
        return out

    def by_itk(self, array, grid, interpolator=sitk.sitkLinear):
        """An array of the moving image on a grid, by SimpleITK."""
        reference = to_itk(np.zeros(grid.shape, np.float32), grid)
        image = to_itk(array, self.registered.moving.grid)
        return from_itk(sitk.Resample(image, reference, self.itk, interpolator, 0.0))


@pytest.fixture(
    scope="module",
    params=[(2, False), (3, False), (2, True), (3, True)],
    ids=["plane", "volume", "aligned plane", "aligned volume"],
)
def result(request, tmp_path_factory):
    return Result(*request.param, tmp_path_factory.mktemp("truth"))


@pytest.mark.parametrize("reference", ["fixed", "large"])
def test_images(result, reference):
    grid = {"fixed": result.registered.fixed.grid, "large": result.large}[reference]
    moving = result.registered.moving
    found = result.transform.apply(moving.array, moving.grid, grid)
    expected = result.by_itk(moving.array, grid)
    assert 0.1 < np.mean(found == 0) < 0.9
    np.testing.assert_allclose(found, expected, atol=GREY)
    if reference == "fixed":
        np.testing.assert_allclose(result.registered.moved.array, found, atol=SAME)
        again = result.registered.apply(result.folder / "moving.nii.gz")
        np.testing.assert_allclose(again.array, found, atol=SAME)
    for files in (["u.h5"], result.files):
        path = result.folder / f"{reference}.nii.gz"
        out = result.command("moving.nii.gz", "-r", path, files=files)
        np.testing.assert_allclose(read_image(out).array, found, atol=SAME)


@pytest.mark.parametrize("reference", ["fixed", "large"])
@pytest.mark.parametrize("interpolation", ["label", "nearest"])
def test_label_maps(result, reference, interpolation):
    grid = {"fixed": result.registered.fixed.grid, "large": result.large}[reference]
    moving = result.registered.moving.grid
    found = result.transform.apply(result.labels, moving, grid, interpolation)
    if interpolation == "nearest":
        expected = result.by_itk(result.labels, grid, sitk.sitkNearestNeighbor)
        clear = np.ones(grid.shape, bool)
    else:
        # The label with the largest share, of which ITK interpolates each.
        shares = [
            result.by_itk((result.labels == k).astype(np.float64), grid)
            for k in range(1 + result.labels.max())
        ]
        shares[0] += 1 - np.sum(shares, 0)
        expected, ranked = np.argmax(shares, 0), np.sort(shares, 0)
        clear = ranked[-1] - ranked[-2] > 1e-6
    assert clear.mean() > 0.99
    np.testing.assert_array_equal(found[clear], expected[clear])
    if reference == "fixed":
        labels = Volume(result.labels, moving.affine)
        again = result.registered.apply(labels, interpolation).array
        np.testing.assert_array_equal(again, found)
    path = result.folder / f"{reference}.nii.gz"
    out = result.command("labels.nii", "-r", path, "-n", interpolation)
    np.testing.assert_array_equal(read_labels(out).array, found)


def border_points(grid):
    """Places on all sides of a grid: 0.49 and 0.51 voxel, and far, outside; inside."""
    rng = np.random.default_rng(0)
    last = np.array(grid.shape) - 1
    index = rng.uniform(0, last, (200, grid.ndim))
    for axis in range(grid.ndim):
        part = index[50 * axis : 50 * (axis + 1)]
        part[:, axis] = np.resize([-0.49, -0.51, -20, *(last[axis] + [0.49, 0.51])], 50)
    return grid.to_world(index)


def test_points_from_fixed_to_moving(result):
    points = border_points(result.registered.fixed.grid)
    d = result.registered.fixed.ndim
    found = result.transform.points_to_moving(points)
    np.testing.assert_array_equal(result.registered.points_to_moving(points), found)
    np.testing.assert_array_equal(result.transform(points), found)
    expected = itk_points(result.itk, points[:, :d])
    np.testing.assert_allclose(found[:, :d], expected, atol=MM)
    # Outside, the alignment alone, or nothing.
    assert 0.1 < np.mean(np.all(found == result.linear(points), -1)) < 0.9
    table = result.folder / "points.csv"
    write_points(table, points)
    for files in (["u.h5"], result.files):
        out = result.command("points.csv", "--inverse", files=files, output="o.csv")
        np.testing.assert_allclose(read_points(out), found, atol=SAME)


def test_points_from_moving_to_fixed(result):
    grid, d = result.registered.fixed.grid, result.registered.fixed.ndim
    rng, ends = np.random.default_rng(1), np.array(grid.shape) - 0.51
    places = rng.uniform(-0.49, ends, (80, d))
    points = grid.to_world(places)
    there = np.zeros_like(points)
    there[:, :d] = itk_points(result.itk, points[:, :d])
    found = result.registered.points_to_fixed(there)
    np.testing.assert_allclose(found, points, atol=MM)
    np.testing.assert_array_equal(result.transform.points_to_fixed(there), found)
    write_points(result.folder / "points.csv", there)
    out = result.command("points.csv", output="o.csv")
    np.testing.assert_allclose(read_points(out), found, atol=SAME)


def write_points(path, points):
    lines = [",".join(map(repr, row)) for row in points.tolist()]
    path.write_text("\n".join(["x,y,z", *lines]))


def read_points(path):
    return np.loadtxt(path, delimiter=",", skiprows=1)


def test_jacobian_determinant(result):
    grid, d = result.registered.fixed.grid, result.registered.fixed.ndim
    found = result.registered.jacobian_determinant()
    chain = read_chain([result.folder / file for file in result.files])
    again = chain.jacobian_determinant(grid)
    np.testing.assert_allclose(again, found, atol=SAME)
    # ITK's filter ignores the direction of the axes: give it vectors along them.
    axes = grid.affine[:3, :d] / grid.spacing
    along = result.registered.displacement_mm @ axes
    image = to_itk(along, Grid(grid.shape, np.eye(4)))
    image.SetSpacing(grid.spacing)
    image.SetDirection(np.eye(d).ravel().tolist())
    expected = from_itk(sitk.DisplacementFieldJacobianDeterminant(image))
    inner = (slice(1, -1),) * d
    assert np.ptp(expected) > 0.3
    np.testing.assert_allclose(found[inner], expected[inner], atol=1e-3)
    # At the border its differences reach outside: differentiate ITK's map inwards.
    places = grid.points()[..., :d]
    mapped = itk_points(result.itk, places.reshape(-1, d)).reshape(places.shape)
    slopes = [np.gradient(mapped @ axes[:d], axis=k) for k in range(d)]
    slopes = [part / length for part, length in zip(slopes, grid.spacing, strict=True)]
    expected = np.linalg.det(np.stack(slopes, -1))
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_constant_image_ends_half_a_voxel_outside(ndim):
    grid = Grid((5,) * ndim, np.diag([2.0, 2.0, 2.0, 1.0]))
    offsets = np.array([0.2, 0.49, 0.51, 0.9, -0.2, -0.49, -0.51, -0.9])
    ones = np.ones(grid.shape, np.float32)
    for offset in offsets:
        shift = np.eye(4)
        shift[0, 3] = 2 * offset
        moved = Transform.affine(shift).apply(ones, grid, grid)
        outside = moved[-1 if offset > 0 else 0]
        np.testing.assert_array_equal(outside, float(abs(offset) < 0.5))
