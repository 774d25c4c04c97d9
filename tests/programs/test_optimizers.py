"""Steps of ω along orthogonal matrices."""

import jax
import numpy as np
import pytest
from unoptimised import quick

from autoreg_jax.programs import Layout
from autoreg_jax.programs._optimizers import make_omega_optimizer

SHAPES = {"kernel": (3, 3, 4, 6), "head": (3, 3, 6, 2), "bias": (2,)}
KEYS = dict(zip(SHAPES, jax.random.split(jax.random.key(0), 3), strict=True))
TREE = {name: jax.random.normal(KEYS[name], shape) for name, shape in SHAPES.items()}
LAYOUT = Layout(TREE)


def gradient_of(weight):
    """Of features that differ in how much they matter."""
    return np.flip(np.asarray(weight)) * np.linspace(
        0.2, 1, weight.shape[-1], dtype=np.float32
    )


def first_moves(scale):
    """Updates of the first step of orthogonal and of Adam's steps, at rate 1."""

    @quick
    def moves(omega, gradient):
        found = []
        for steps in ("orthogonal", "relative"):
            optimizer = make_omega_optimizer(1.0, LAYOUT, steps)
            moved, _ = optimizer.update(gradient, optimizer.init(omega), omega)
            found.append(LAYOUT.to_tree(moved))
        return found

    gradients = jax.tree.map(lambda weight: scale * gradient_of(weight), TREE)
    return moves(LAYOUT.to_vector(TREE), LAYOUT.to_vector(gradients))


@pytest.fixture(scope="module")
def moves():
    return first_moves(1.0)


def test_a_kernel_moves_along_an_orthogonal_matrix(moves):
    found = np.asarray(moves[0]["kernel"]).reshape(-1, 6)
    gradient = np.asarray(gradient_of(TREE["kernel"])).reshape(-1, 6)
    left, spread, right = np.linalg.svd(gradient, full_matrices=False)
    singular = np.linalg.svd(found, compute_uv=False)
    size = np.sqrt(np.mean(np.square(TREE["kernel"])))
    # Five iterations of its quintic bring singular values to between 0.68 and 1.13.
    assert singular.max() / singular.min() < 1.13 / 0.68
    assert spread.max() / spread.min() > 4
    cosine = -np.sum(found * (left @ right)) / np.linalg.norm(found) / np.sqrt(6)
    assert cosine > 0.98
    assert np.sqrt(np.mean(found**2)) == pytest.approx(0.4 * size, rel=1e-4)


def test_heads_and_biases_move_as_with_adam(moves):
    for name in ("head", "bias"):
        np.testing.assert_allclose(moves[0][name], moves[1][name], rtol=1e-5)
    assert np.abs(moves[0]["kernel"] - moves[1]["kernel"]).max() > 0.1


def test_the_size_of_the_gradient_does_not_matter(moves):
    found = first_moves(1e-3)[0]["kernel"]
    np.testing.assert_allclose(found, moves[0]["kernel"], rtol=1e-3, atol=1e-5)
