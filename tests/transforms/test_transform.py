"""What a transform does to points, images and labels, and how it is combined."""

import numpy as np
import pytest
from scipy import linalg
from world import make_grid, smooth_vectors

from autoreg_jax.errors import TransformError
from autoreg_jax.transforms import Grid, Transform
from autoreg_jax.transforms.links import over_grid


def shift(*by):
    matrix = np.eye(len(by) + 1)
    matrix[:-1, -1] = by
    return Transform.affine(matrix)


def test_the_last_of_a_product_is_applied_first():
    double = Transform.affine(np.diag([2.0, 2, 2, 1]))
    p = np.array([[1.0, 2.0, 3.0]])
    np.testing.assert_allclose((shift(1, 0, 0) @ double)(p), [[3, 4, 6]])
    np.testing.assert_allclose((double @ shift(1, 0, 0))(p), [[4, 4, 6]])


def test_composition_is_associative(case):
    a, b, c = case.affine, case.field, case.velocity
    p = case.points()
    np.testing.assert_allclose(((a @ b) @ c)(p), (a @ (b @ c))(p), atol=1e-12)
    np.testing.assert_allclose((a @ b)(p), a(b(p)), atol=1e-12)


def test_identity(case):
    p = case.points()
    np.testing.assert_array_equal(Transform()(p), p)
    found = Transform().apply(case.image, case.moving, case.moving)
    np.testing.assert_allclose(found, case.image, atol=1e-6)


def test_a_bright_voxel_moves_as_its_point_does():
    # Moving points go to the fixed image by the inverse of the pull-back.
    grid = Grid((12, 10, 8), np.diag([1.0, 2.0, 3.0, 1.0]))
    image = np.zeros(grid.shape, np.float32)
    image[7, 4, 3] = 1
    transform = shift(2.0, -4.0, 3.0)  # fixed to moving
    moved = transform.apply(image, grid, grid)
    place = np.argwhere(moved > 0.5)
    point = grid.to_world(np.array([[7, 4, 3]]))
    np.testing.assert_allclose(grid.to_world(place), transform.points_to_fixed(point))
    np.testing.assert_array_equal(place, [[5, 6, 2]])


@pytest.mark.parametrize("kind", ["affine", "velocity", "field", "chain"])
def test_inverse(case, kind):
    transform = getattr(case, kind)
    tolerance = {"affine": 1e-10, "velocity": 0.1}.get(kind, 1e-3)  # by interpolation
    p = case.points()
    inverse = transform.inverse()
    np.testing.assert_allclose(inverse(transform(p)), p, atol=tolerance)
    q = transform(p)
    np.testing.assert_allclose((transform @ inverse)(q), q, atol=tolerance)
    np.testing.assert_allclose(inverse.inverse()(p), transform(p), atol=1e-10)
    np.testing.assert_allclose(
        transform.points_to_fixed(transform(p)), p, atol=tolerance
    )


@pytest.mark.parametrize("shape", [(24, 20), (20, 18, 16)])
def test_flow_of_a_linear_velocity_is_the_matrix_exponential(shape):
    # Velocities that are linear in space, L (p - c), flow as expm(L).
    d = len(shape)
    angles = (0.3, 0.2, -0.4) if d == 3 else (0, 0, -0.4)
    grid = make_grid(shape, (1.0, 1.5, 2.0)[:d], angles, (0.0, 0.0, 0.0))
    slope = np.random.default_rng(0).normal(0, 0.1, (d, d))
    vectors = grid.points()[..., :d] @ slope.T
    p = np.random.default_rng(1).uniform(-2, 2, (20, d))
    found = Transform.velocity(vectors, grid)(p)
    np.testing.assert_allclose(found, p @ linalg.expm(slope).T, atol=0.02)
    back = Transform.velocity(vectors, grid).inverse()(p)
    np.testing.assert_allclose(back, p @ linalg.expm(-slope).T, atol=0.02)


@pytest.mark.parametrize("make", [Transform.displacement, Transform.velocity])
def test_voxel_vectors(case, make):
    d = case.ndim
    vectors = smooth_vectors(case.fixed.shape, d, 4, 1.0)
    index = np.stack(np.meshgrid(*map(np.arange, case.fixed.shape), indexing="ij"), -1)
    field = make(vectors, case.fixed, voxels=True)
    world = case.fixed.to_world(index + vectors) - case.fixed.points()
    np.testing.assert_allclose(field.links[0].vectors, world, atol=1e-9)


def test_jacobian_determinant_of_an_affine_map(case):
    found = case.affine.jacobian_determinant(case.fixed)
    np.testing.assert_allclose(found, np.linalg.det(case.affine.links[0].matrix))


def test_jacobian_determinants_multiply(case):
    whole = case.chain.jacobian_determinant(case.fixed)
    parts = case.field.jacobian_determinant(case.fixed)
    factor = np.linalg.det(case.affine.links[0].matrix)
    np.testing.assert_allclose(whole, factor * parts, rtol=1e-9)


def test_labels_are_the_largest_linear_share(case):
    labels = (5 * case.image).astype(np.int16)
    shares = [
        case.chain.apply((labels == k).astype(np.float64), case.moving, case.fixed)
        for k in range(6)
    ]
    # Nothing is background, too.
    shares[0] += 1 - np.sum(shares, 0)
    expected = np.argmax(shares, 0)
    found = case.chain.apply(labels, case.moving, case.fixed, "label")
    ranked = np.sort(shares, 0)
    clear = ranked[-1] - ranked[-2] > 1e-6
    np.testing.assert_array_equal(found[clear], expected[clear])
    assert clear.mean() > 0.99
    assert found.dtype == labels.dtype


def test_channels_are_moved_alike(case):
    image = np.stack([case.image, 1 - case.image], -1)
    found = case.chain.apply(image, case.moving, case.fixed, fill=-1)
    single = case.chain.apply(case.image, case.moving, case.fixed, fill=-1)
    np.testing.assert_allclose(found[..., 0], single)
    outside = single == -1
    assert outside.any()
    np.testing.assert_allclose(found[..., 1][~outside], 1 - single[~outside], atol=1e-6)
    assert np.all(found[outside] == -1)


def test_slabs_do_not_show(case):
    whole = case.chain.displacement_on(case.fixed)
    slabs = []

    def displacement(points, mapped):
        slabs.append(len(points))
        return mapped - points

    found = over_grid(displacement, case.chain.links, case.fixed, chunk=50)
    assert len(slabs) > 1
    np.testing.assert_array_equal(found, whole)


def test_a_plane_of_any_orientation():
    # A sagittal slice: its field lies in y and z.
    affine = np.array([[0.0, 0, 1, 7], [1.5, 0, 0, 2], [0, 2.0, 0, 3], [0, 0, 0, 1]])
    grid = Grid((9, 8), affine)
    field = Transform.displacement(np.full((9, 8, 2), 0.5), grid, voxels=True)
    np.testing.assert_allclose(field([[7.0, 5.0, 7.0]]), [[7.0, 5.75, 8.0]])
    assert field.ndim == 3
    image = np.arange(72, dtype=np.float32).reshape(9, 8)
    moved = field.apply(image, grid, grid)
    np.testing.assert_allclose(moved[1, 1], image[1:3, 1:3].mean())


def test_a_fold_has_no_inverse_there():
    grid = Grid((32, 16), np.eye(4))
    vectors = np.zeros((32, 16, 2))
    vectors[8, :, 0] = -3.0
    inverse = Transform.displacement(vectors, grid).inverse()
    with pytest.raises(TransformError, match=r"folds at 16 voxels, and 1 of 2 points"):
        inverse([[6.0, 5.0], [20.0, 5.0]])
    with pytest.raises(TransformError, match="no single origin"):
        inverse.displacement_on(grid)
    np.testing.assert_allclose(inverse([[20.0, 5.0]]), [[20.0, 5.0]])


def test_a_jump_between_voxels_does_not_converge(monkeypatch):
    monkeypatch.setattr("autoreg_jax.transforms.links._displacement._ITERATIONS", 3)
    grid = Grid((16, 16), np.eye(4))
    vectors = np.zeros((16, 16, 2))
    vectors[..., 0] = -0.9 * np.arange(16)[:, None]
    inverse = Transform.displacement(vectors, grid).inverse()
    with pytest.raises(TransformError, match="cannot be inverted at 1 of 1 points"):
        inverse([[1.0, 3.0]])


def test_a_steep_displacement_is_inverted():
    # u' = 2: plain fixed-point iteration would diverge.
    grid = Grid((16, 16), np.eye(4))
    vectors = np.zeros((16, 16, 2))
    vectors[..., 0] = 2.0 * (np.arange(16)[:, None] - 8)
    transform = Transform.displacement(vectors, grid)
    p = np.array([[7.3, 3.0], [9.1, 4.5]])
    np.testing.assert_allclose(transform.inverse()(transform(p)), p, atol=1e-3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Transform.affine(np.diag([1.0, 0, 1])), "singular"),
        (lambda: Transform.affine(np.full((4, 4), np.nan)), "finite"),
        (
            lambda: Transform.displacement(
                np.zeros((4, 4, 3)), Grid((4, 5), np.eye(4))
            ),
            r"\(4, 5, 2\), got \(4, 4, 3\)",
        ),
        (
            lambda: Transform.velocity(
                np.full((4, 5, 2), np.inf), Grid((4, 5), np.eye(4))
            ),
            "NaN or infinite",
        ),
        (lambda: Transform()([1.0, 2.0, 3.0, 4.0]), "3 components"),
        (lambda: Transform.affine(np.eye(4))([1.0, 2.0]), "in 3-D got"),
        (
            lambda: Transform().apply(
                np.zeros((4, 4)), Grid((4, 5), np.eye(4)), Grid((4, 5), np.eye(4))
            ),
            "does not fit the grid",
        ),
        (
            lambda: Transform().apply(
                np.zeros((4, 5)), Grid((4, 5), np.eye(4)), Grid((4, 5, 6), np.eye(4))
            ),
            "cannot be resampled to a grid",
        ),
        (
            lambda: Transform().apply(
                np.zeros((4, 5)),
                Grid((4, 5), np.eye(4)),
                Grid((4, 5), np.eye(4)),
                "cubic",  # type: ignore[arg-type]
            ),
            "interpolation",
        ),
    ],
)
def test_wrong_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
