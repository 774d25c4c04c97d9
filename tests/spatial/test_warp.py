"""Warps and compositions whose result is known."""

import jax
import numpy as np
import pytest

from autoreg_jax import spatial

compose = jax.jit(spatial.compose)
warp = jax.jit(spatial.warp, static_argnames=("interpolation", "boundary"))


def image_of(space, channels=1, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(size=(1, *space, channels)).astype(np.float32)


def smooth_field(space, size, seed=0):
    """A gentle wave along every axis, in voxels."""
    grid = np.stack(np.indices(space), -1)
    phase = np.random.default_rng(seed).uniform(0, 6, size=len(space))
    wave = np.sin(2 * grid / max(space) + phase)
    return (size * np.flip(wave, axis=-1)[None]).astype(np.float32)


@pytest.mark.parametrize("interpolation", ["linear", "cubic", "nearest"])
@pytest.mark.parametrize("space", [(5, 4), (3, 1, 4)])
def test_zero_displacement_is_the_identity(space, interpolation):
    image = image_of(space, channels=2)
    zero = np.zeros((1, *space, len(space)), np.float32)
    np.testing.assert_array_equal(warp(image, zero, interpolation=interpolation), image)


@pytest.mark.parametrize("interpolation", ["linear", "cubic", "nearest"])
def test_integer_translation(interpolation):
    image = image_of((5, 6, 4))
    shift = np.broadcast_to(np.float32([1.0, -2.0, 0.0]), (1, 5, 6, 4, 3))
    moved = warp(image, shift, interpolation=interpolation)
    expected = np.zeros_like(image)
    expected[:, :4, 2:] = image[:, 1:, :4]
    np.testing.assert_allclose(moved, expected, atol=1e-6)


def test_result_has_the_grid_of_the_displacement():
    image = image_of((6, 5))
    np.testing.assert_array_equal(
        warp(image, np.zeros((1, 3, 4, 2), np.float32)), image[:, :3, :4]
    )


def test_nearest_keeps_integers():
    labels = np.arange(12, dtype=np.int32).reshape(1, 3, 4, 1)
    shift = np.full((1, 3, 4, 2), 0.4, np.float32)
    moved = warp(labels, shift, interpolation="nearest")
    assert moved.dtype == np.int32
    np.testing.assert_array_equal(moved, labels)


def test_compose_applies_inner_first():
    # x -> 2 x after x -> x + 1 is x -> 2 x + 2, so u(x) = x + 2.
    x = np.arange(8, dtype=np.float32).reshape(1, 8, 1)
    composed = compose(outer=x, inner=np.ones_like(x))
    np.testing.assert_allclose(composed[0, :-1], x[0, :-1] + 2)


def test_compose_is_one_warp_after_another():
    space = (12, 10)
    outer, inner = smooth_field(space, 0.8), smooth_field(space, 0.6, seed=1)
    image = np.stack(np.indices(space), -1)[None] @ np.float32([[1.0], [2.0]])
    image = image.astype(np.float32)
    once = warp(image, compose(outer, inner))
    twice = warp(warp(image, outer), inner)
    inside = (slice(None), slice(3, -3), slice(3, -3))
    np.testing.assert_allclose(once[inside], twice[inside], atol=1e-4)


def test_gradient_moves_the_image_towards_its_target():
    # For a ramp, d moved / d u is the slope everywhere but beyond the last voxel.
    ramp = 2 * np.arange(5, dtype=np.float32).reshape(1, 5, 1)
    slope = jax.jit(jax.grad(lambda u: warp(ramp, u, boundary="edge").sum()))
    np.testing.assert_allclose(slope(np.zeros_like(ramp)), np.full((1, 5, 1), 2.0))


def test_bad_arguments():
    image, zero = image_of((3, 3)), np.zeros((1, 3, 3, 2), np.float32)
    with pytest.raises(ValueError, match="interpolation"):
        warp(image, zero, interpolation="spline")
    with pytest.raises(ValueError, match="zeros outside"):
        warp(image, zero, interpolation="nearest", boundary="edge")
