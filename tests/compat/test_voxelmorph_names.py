"""The names of VoxelMorph: signs, order of composition, grids."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy.ndimage import map_coordinates
from unoptimised import quick

from autoreg_jax import spatial
from autoreg_jax.compat import voxelmorph as vxm

SHAPES = [(7, 6), (5, 6, 4)]
# x ↦ turned by 90° from the first axis to the second, then 2 voxels along the first.
TURN = np.array([[0, -1, 2], [1, 0, 0]], np.float32)


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def constant(*shift, shape=(8, 9)):
    field = np.asarray(shift, np.float32).reshape(1, -1, *[1] * len(shape))
    return np.broadcast_to(field, (1, len(shape), *shape))


def translation(*shift):
    return np.column_stack([np.eye(len(shift)), shift]).astype(np.float32)


def once(function, *arguments):
    """The value of one program, instead of one for each operation."""
    return quick(function)(*arguments)


def last(x):
    return np.moveaxis(x, 1, -1)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_displacement_says_where_a_value_comes_from(shape):
    image, disp = drawn(2, 3, *shape), drawn(2, len(shape), *shape, seed=1)
    moved = quick(vxm.spatial_transform)(image, disp)
    places = np.indices(shape) + disp
    wanted = [
        [map_coordinates(x, at, order=1, mode="grid-constant") for x in channels]
        for channels, at in zip(image, places, strict=True)
    ]
    np.testing.assert_allclose(moved, wanted, atol=1e-5)


def test_padding_and_nearest():
    ramp = np.arange(5.0, dtype=np.float32).reshape(1, 1, 5, 1) + 1
    there = constant(1, 0, shape=(5, 1))
    moved = vxm.spatial_transform(ramp, there)
    np.testing.assert_array_equal(moved[0, 0, :, 0], [2, 3, 4, 5, 0])
    moved = vxm.spatial_transform(ramp, there, padding_mode="border")
    np.testing.assert_array_equal(moved[0, 0, :, 0], [2, 3, 4, 5, 5])
    labels = ramp.astype(np.int32)
    moved = vxm.spatial_transform(labels, 1.3 * there, "nearest")
    assert moved.dtype == np.int32
    np.testing.assert_array_equal(moved[0, 0, :, 0], [2, 3, 4, 5, 0])
    assert vxm.spatial_transform(ramp, None) is ramp


def test_a_matrix_moves_an_image_along_itself():
    image = drawn(2, 1, 7, 7)
    moved = once(vxm.spatial_transform, image, translation(2, 0))
    np.testing.assert_allclose(moved[:, :, 2:], image[:, :, :-2], atol=1e-6)
    # What is at row r + k of the centre goes to column c + k.
    turn = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]], np.float32)
    moved = once(vxm.spatial_transform, image, turn)
    np.testing.assert_allclose(moved, np.rot90(image, 1, (2, 3)), atol=1e-5)
    # The displacement of the same matrix moves it the other way.
    disp = once(lambda: vxm.affine_to_disp(np.stack([turn] * 2), shape=(7, 7)))
    moved = once(vxm.spatial_transform, image, disp)
    np.testing.assert_allclose(moved, np.rot90(image, -1, (2, 3)), atol=1e-5)


def test_each_image_of_a_batch_has_its_matrix():
    image = drawn(2, 1, 7, 5)
    matrices = np.stack([translation(1, 0), translation(0, -1)])
    moved = once(lambda: vxm.spatial_transform(image, matrices, origin_at_center=False))
    np.testing.assert_allclose(moved[0, :, 1:], image[0, :, :-1], atol=1e-6)
    np.testing.assert_allclose(moved[1, :, :, :-1], image[1, :, :, 1:], atol=1e-6)


def test_matrix_to_displacement():
    shape = (3, 5)
    x, y = np.indices(shape) - np.array([1, 2]).reshape(2, 1, 1)
    wanted = np.stack([-y + 2 - x, x - y])
    disp = once(lambda: vxm.affine_to_disp(TURN, shape=shape))
    np.testing.assert_allclose(disp, wanted, atol=1e-6)
    x, y = np.indices(shape)
    disp = once(
        lambda: vxm.affine_to_disp(TURN[None], shape=shape, origin_at_center=False)
    )
    np.testing.assert_allclose(disp[0], np.stack([-y + 2 - x, x - y]), atol=1e-6)


def test_the_last_transform_comes_first():
    shift = translation(3, 0)
    # x ↦ turned, then shifted; and the other way round.
    np.testing.assert_array_equal(vxm.compose([shift, TURN])[:, 2], [5, 0])
    np.testing.assert_array_equal(vxm.compose([TURN, shift])[:, 2], [2, 3])
    both = once(lambda: vxm.compose([constant(1, -2), constant(0.5, 1)]))
    np.testing.assert_allclose(both[..., 2:6, 3:6], constant(1.5, -1, shape=(4, 3)))
    field = constant(3, 0, shape=(5, 7))
    first_shifted = once(lambda: vxm.compose([TURN, field]))
    wanted = once(lambda: vxm.affine_to_disp(vxm.compose([TURN, shift]), shape=(5, 7)))
    np.testing.assert_allclose(first_shifted[0], wanted, atol=1e-5)
    first_turned = once(lambda: vxm.compose([field, TURN], shape=(5, 7)))
    wanted = once(lambda: vxm.affine_to_disp(vxm.compose([shift, TURN]), shape=(5, 7)))
    x, y = np.indices((5, 7)) + wanted - np.reshape([3, 0], (2, 1, 1))
    inside = (x >= 0) & (x <= 4) & (y >= 0) & (y <= 6)
    assert 5 <= inside.sum() < 35
    np.testing.assert_allclose(first_turned[0][:, inside], wanted[:, inside], atol=1e-5)


def test_of_three_transforms_the_middle_one_is_in_the_middle():
    shift, stretch = translation(3, 0), np.diag([2, 1, 0])[:2].astype(np.float32)
    found = vxm.compose([shift, TURN, stretch])
    x = np.array([1.0, 4.0])
    turned = TURN[:, :2] @ (stretch[:, :2] @ x) + TURN[:, 2]
    np.testing.assert_array_equal(
        found[:, :2] @ x + found[:, 2], turned + translation(3, 0)[:, 2]
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_an_image_is_moved_by_the_first_transform_first(shape):
    a, b = (0.4 * drawn(1, len(shape), *shape, seed=seed) for seed in (1, 2))
    # A linear image is interpolated without an error.
    image = sum((i + 2) * x for i, x in enumerate(np.indices(shape)))[None, None] + 0.0
    at_once = quick(lambda: vxm.spatial_transform(image, vxm.compose([a, b])))()
    in_turn = once(lambda: vxm.spatial_transform(vxm.spatial_transform(image, a), b))
    inner = (..., *[slice(2, -2)] * len(shape))
    if len(shape) == 2:
        np.testing.assert_allclose(at_once[inner], in_turn[inner], atol=0.05)
    wanted = once(lambda: spatial.compose(last(a), last(b), boundary="zeros"))
    np.testing.assert_allclose(last(vxm.compose([a, b])), wanted, atol=1e-6)


def test_the_flow_of_a_constant_velocity_is_a_shift():
    velocity = constant(1.5, -0.5, shape=(16, 16))
    disp = vxm.integrate_disp(velocity, 7)
    inner = (..., slice(5, -5), slice(5, -5))
    np.testing.assert_allclose(disp[inner], velocity[inner], atol=1e-4)
    field = drawn(2, 3, 5, 6, 4)
    wanted = quick(lambda v: spatial.integrate(v, 3))(last(field))
    found = quick(lambda v: vxm.integrate_disp(v, 3))(field)
    np.testing.assert_allclose(last(found), wanted, atol=1e-6)
    np.testing.assert_array_equal(vxm.integrate_disp(field, 0), field)


def test_coordinates_are_those_of_the_corners():
    still = np.zeros((1, 2, 3, 5), np.float32)
    coords = once(lambda: vxm.disp_to_coords(still))
    np.testing.assert_allclose(coords[0, 0, :, 0], [-1, 0, 1])
    np.testing.assert_allclose(coords[0, 1, 0], [-1, -0.5, 0, 0.5, 1])
    disp = drawn(2, 2, 3, 1)
    np.testing.assert_allclose(
        vxm.coords_to_disp(vxm.disp_to_coords(disp)), disp, atol=1e-5
    )
    np.testing.assert_allclose(vxm.trf_to_disp(vxm.disp_to_trf(disp)), disp, atol=1e-6)
    image, disp = drawn(1, 2, 5, 4), drawn(1, 2, 5, 4, seed=1)
    coords = vxm.disp_to_coords(disp)
    np.testing.assert_allclose(
        vxm.spatial_transform(image, coords, isdisp=False),
        vxm.spatial_transform(image, disp),
        atol=1e-5,
    )


def test_a_resized_shift_is_as_long_in_the_world():
    resized = vxm.resize_disp(constant(1, 3), 2)
    np.testing.assert_allclose(resized, constant(2, 6, shape=(16, 18)))
    resized = vxm.resize_disp(constant(1, 3), shape=(4, 18))
    np.testing.assert_allclose(resized, constant(0.5, 6, shape=(4, 18)))
    # The factor is the one that is given, also where the size is rounded.
    resized = vxm.resize_disp(constant(1, 3), (0.7, 0.5))
    np.testing.assert_allclose(resized, constant(0.7, 1.5, shape=(5, 4)), rtol=1e-6)


def test_determinants():
    matrix = np.array([[1.2, 0.1, 0, 1], [0, 0.9, 0.3, 0], [0.2, 0, 1.1, 0]])
    disp = once(
        lambda: vxm.affine_to_disp(matrix.astype(np.float32), shape=(4, 3, 5))[None]
    )
    found = once(lambda: vxm.jacobian_determinant(disp))
    assert found.shape == (1, 4, 3, 5)
    np.testing.assert_allclose(found, np.linalg.det(matrix[:, :3]), rtol=1e-5)


def test_everything_has_gradients_and_can_be_mapped():
    image = drawn(2, 1, 1, 4, 4)

    def moved(image, velocity, matrix):
        disp = vxm.compose([vxm.integrate_disp(velocity, 2), matrix])
        disp = vxm.resize_disp(disp, shape=image.shape[2:])
        turned = vxm.spatial_transform(image, matrix)
        return jnp.sum(vxm.spatial_transform(turned, disp) ** 2)

    velocity = 0.2 + 0.1 * drawn(2, 1, 2, 4, 4)
    matrices = TURN + 0.1 * drawn(2, 2, 3)
    compiled = quick(moved)
    each = [compiled(*one) for one in zip(image, velocity, matrices, strict=True)]
    together = quick(jax.vmap(moved))(image, velocity, matrices)
    np.testing.assert_allclose(together, each, rtol=1e-5)
    one = (image[0], velocity[0], matrices[0])
    near = {"atol": 0.05, "rtol": 0.05, "eps": 1e-3}
    check_grads(jax.jit(moved), one, order=1, modes=["rev"], **near)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: vxm.integrate_disp(drawn(2, 5, 5), 2), r"field\[None\]"),
        (lambda: vxm.spatial_transform(drawn(1, 1, 5, 5), constant(1, 1)), "grid"),
        (lambda: vxm.spatial_transform(drawn(1, 1, 5, 5), TURN, "cubic"), "cubic"),
        (
            lambda: vxm.spatial_transform(
                drawn(1, 1, 5, 5), TURN, padding_mode="reflection"
            ),
            "reflection",
        ),
        (lambda: vxm.affine_to_disp(TURN, shape=(3, 4, 5)), "3 axes"),
        (lambda: vxm.make_square_affine(drawn(2, 4)), "must be"),
        (lambda: vxm.resize_disp(constant(1, 1)), "scale_factor or shape"),
        (lambda: vxm.compose([]), "nothing to compose"),
    ],
)
def test_errors_say_what_does_not_fit(call, said):
    with pytest.raises(ValueError, match=said):
        call()
