"""Linear maps as exponentials: closed forms, invariances, derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm
from scipy.spatial.transform import Rotation

from autoreg_jax.spatial import (
    affine_exponential,
    affine_generators,
    affine_matrix,
    apply_affine,
)

EXPONENTIAL = jax.jit(affine_exponential)


@pytest.mark.parametrize(
    ("num_axes", "kind", "number"),
    [
        (2, "rigid", 3),
        (2, "similarity", 4),
        (2, "affine", 6),
        (3, "rigid", 6),
        (3, "similarity", 7),
        (3, "affine", 12),
    ],
)
def test_generators_are_a_basis(num_axes, kind, number):
    generators = affine_generators(num_axes, kind)
    assert generators.shape == (number, num_axes + 1, num_axes + 1)
    assert np.linalg.matrix_rank(generators.reshape(number, -1)) == number
    np.testing.assert_array_equal(generators[:, -1], 0)
    rigid = affine_generators(num_axes, "rigid")
    np.testing.assert_array_equal(generators[: len(rigid)], rigid)


def test_an_unknown_kind():
    with pytest.raises(ValueError, match="projective"):
        affine_generators(2, "projective")


@pytest.mark.parametrize("size", [3, 4])
def test_exponential_is_that_of_scipy(size):
    rng = np.random.default_rng(0)
    logarithms = rng.normal(0, 0.7, (5, size, size)).astype(np.float32)
    expected = np.stack([expm(x.astype(np.float64)) for x in logarithms])
    np.testing.assert_allclose(EXPONENTIAL(logarithms), expected, rtol=2e-5, atol=2e-5)


def test_rotations_are_those_of_scipy():
    """Of the planes xy, xz, yz: by p about z, -p about y, p about x."""
    angles = np.array([0.4, -1.1, 2.0], np.float32)
    parameters = jnp.concatenate([jnp.zeros(3), angles])
    found = affine_matrix(parameters, jnp.zeros(3), "rigid")
    vector = [angles[2], -angles[1], angles[0]]
    expected = Rotation.from_rotvec(vector).as_matrix()
    np.testing.assert_allclose(found[:3, :3], expected, atol=1e-6)
    np.testing.assert_allclose(found[:3, 3], 0, atol=1e-6)


@pytest.mark.parametrize("kind", ["rigid", "similarity", "affine"])
def test_the_centre_moves_by_the_translation(kind):
    centre = jnp.array([10.0, -20.0])
    number = len(affine_generators(2, kind))
    parameters = 0.2 * jnp.ones(number)
    without = affine_matrix(parameters.at[:2].set(0.0), centre, kind)
    np.testing.assert_allclose(
        apply_affine(without, centre[None])[0], centre, rtol=1e-6
    )
    shifted = affine_matrix(jnp.zeros(number).at[0].set(3.0), centre, kind)
    np.testing.assert_allclose(
        apply_affine(shifted, centre[None])[0], [13, -20], rtol=1e-6
    )
    singular = np.linalg.svd(np.asarray(without)[:2, :2])[1]
    if kind == "rigid":
        np.testing.assert_allclose(singular, 1, atol=1e-6)
    if kind == "similarity":
        np.testing.assert_allclose(singular, np.exp(0.2), rtol=1e-6)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("kind", ["rigid", "affine"])
def test_derivatives(kind):
    number = len(affine_generators(3, kind))
    parameters = jnp.linspace(-0.3, 0.4, number)
    points = jnp.asarray(np.random.default_rng(1).normal(0, 5, (4, 3)))

    @jax.jit
    def place(p):
        return jnp.sum(jnp.sin(apply_affine(affine_matrix(p, points[0], kind), points)))

    direction = jnp.cos(jnp.arange(number))
    slope = jnp.vdot(jax.grad(place)(parameters), direction)
    ahead, behind = (place(parameters + h * direction) for h in (1e-5, -1e-5))
    np.testing.assert_allclose(slope, (ahead - behind) / 2e-5, rtol=1e-6)
    assert np.all(np.isfinite(jax.grad(place)(jnp.zeros(number))))
