"""Resizing: exact on affine functions, finite on the smallest axes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from autoreg_jax import spatial
from autoreg_jax.spatial import Pyramid, half_shape

image_pyramid = jax.jit(spatial.image_pyramid)
resize_image = jax.jit(spatial.resize_image, static_argnums=1)
resize_displacement = jax.jit(
    spatial.resize_displacement, static_argnums=1, static_argnames="is_nominal"
)


def grid_of(shape):
    return np.stack(np.indices(shape), -1).astype(np.float32)


SHAPES = [((5, 4), (9, 7)), ((8, 6), (4, 3)), ((4, 3, 5), (7, 2, 5))]


@pytest.mark.parametrize(("old", "new"), SHAPES)
def test_coordinates_stay_aligned_at_both_corners(old, new):
    resized = resize_image(grid_of(old)[None], new)
    scale = (np.array(old) - 1) / (np.array(new) - 1)
    np.testing.assert_allclose(np.asarray(resized)[0], grid_of(new) * scale, atol=1e-5)


@pytest.mark.parametrize(("old", "new"), SHAPES)
def test_affine_displacement_is_the_same_map(old, new):
    # In coordinates that run from 0 to 1 the map is x -> (I + A) x + t on both grids.
    dimensions = len(old)
    rng = np.random.default_rng(0)
    matrix, shift = (
        rng.normal(size=(dimensions, dimensions)),
        rng.normal(size=dimensions),
    )

    def field(shape):
        extent = np.array(shape) - 1
        moved = (grid_of(shape) / extent @ matrix.T + shift) * extent
        return moved.astype(np.float32)[None]

    np.testing.assert_allclose(
        resize_displacement(field(old), new), field(new), atol=2e-5
    )


def test_same_shape_changes_nothing():
    x = np.random.default_rng(1).normal(size=(1, 3, 4, 2)).astype(np.float32)
    np.testing.assert_array_equal(resize_image(x, (3, 4)), x)
    np.testing.assert_array_equal(resize_displacement(x, (3, 4)), x)


@pytest.mark.parametrize(
    ("old", "new"), [((1, 4), (3, 2)), ((4, 2), (1, 5)), ((1, 1), (1, 1))]
)
def test_axes_of_one_voxel(old, new):
    field = np.ones((1, *old, 2), np.float32)
    np.testing.assert_allclose(resize_image(field, new), np.ones((1, *new, 2)))
    gradient = jax.jit(jax.grad(lambda u: resize_displacement(u, new).sum()))(field)
    assert np.all(np.isfinite(resize_displacement(field, new)))
    assert np.all(np.isfinite(gradient))


def test_gradient_is_the_transpose():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(1, 5, 4, 1)).astype(np.float32)
    w = rng.normal(size=(1, 8, 2, 1)).astype(np.float32)

    @jax.jit
    def both(x, w):
        out, pull = jax.vjp(lambda x: resize_image(x, (8, 2)), x)
        return jnp.vdot(out, w), jnp.vdot(x, pull(w)[0])

    np.testing.assert_allclose(*both(x, w), rtol=1e-5)


def test_wrong_number_of_axes():
    with pytest.raises(ValueError, match="resize"):
        resize_image(np.ones((1, 3, 3, 1), np.float32), (3,))


@pytest.mark.parametrize("size", [1, 2, 5, 8])
@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_half_shape_is_what_a_convolution_of_stride_two_leaves(size, kernel):
    padding = (kernel - 1) // 2
    out = jax.eval_shape(
        lambda x, k: jax.lax.conv_general_dilated(x, k, (2,), [(padding, padding)]),
        jnp.ones((1, 1, size)),
        jnp.ones((1, 1, kernel)),
    )
    assert half_shape((size,)) == out.shape[2:]


def test_image_pyramid():
    image = np.ones((2, 7, 1, 1), np.float32)
    pyramid = image_pyramid(image)
    assert isinstance(pyramid, Pyramid)
    assert [x.shape for x in pyramid] == [(2, 7, 1, 1), (2, 4, 1, 1), (2, 2, 1, 1)]
    np.testing.assert_allclose(pyramid.quarter, 1)


def test_nominal_scale_is_the_ratio_of_voxels():
    field = np.random.default_rng(2).normal(size=(1, 4, 6, 2)).astype(np.float32)
    np.testing.assert_allclose(
        resize_displacement(field, (8, 3), is_nominal=True),
        resize_image(field, (8, 3)) * np.float32([[[[2.0, 0.5]]]]),
        rtol=1e-6,
    )
