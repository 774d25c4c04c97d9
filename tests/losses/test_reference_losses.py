"""Agreement with the values of the published PyTorch code."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from autoreg_jax.losses import (
    diffusion_loss,
    local_ncc_loss,
    mind_descriptor,
    mind_loss,
    one_hot,
    segmentation_loss,
    soft_dice,
)

FILE = Path(__file__).parents[3] / "shared" / "reference" / "autoreg_reference.npz"
pytestmark = pytest.mark.skipif(
    not FILE.exists(), reason="the reference values are not beside this checkout"
)


@pytest.fixture(scope="module")
def reference():
    with np.load(FILE) as arrays:
        return dict(arrays)


def image(array):
    return jnp.asarray(array)[None, ..., None]


def field(array):
    return jnp.moveaxis(jnp.asarray(array), 0, -1)[None]


def assert_gradient_agrees(ours, reference):
    """Elementwise, relative to the largest entry: the small ones are differences."""
    scale = np.abs(reference).max()
    np.testing.assert_allclose(ours[0, ..., 0] / scale, reference / scale, atol=1e-4)


@pytest.mark.parametrize("window", [9, 7, 5])
def test_local_ncc(reference, window):
    loss = local_ncc_loss(image(reference["fixed"]), image(reference["moving"]), window)
    np.testing.assert_allclose(loss, reference[f"ncc_loss_win{window}"], rtol=1e-4)


def test_local_ncc_gradient(reference):
    gradient = jax.jit(jax.grad(local_ncc_loss, argnums=1))(
        image(reference["fixed"]), image(reference["moving"])
    )
    assert_gradient_agrees(gradient, reference["ncc_loss_win9_grad_wrt_second"])


def test_mind_descriptor(reference):
    ours = np.asarray(jax.jit(mind_descriptor)(image(reference["fixed"])))[0]
    expected = np.moveaxis(reference["mindssc_fixed"], 0, -1)
    # The order of the pairs is a convention: match channels, each exactly once.
    apart = np.abs(ours[..., :, None] - expected[..., None, :]).max(axis=(0, 1, 2))
    assert sorted(apart.argmin(axis=0)) == list(range(12))
    assert apart.min(axis=0).max() < 1e-4


def test_mind_loss_and_gradient(reference):
    value, gradient = jax.jit(jax.value_and_grad(mind_loss, argnums=1))(
        image(reference["fixed"]), image(reference["moving"])
    )
    np.testing.assert_allclose(value, reference["mind_loss"], rtol=1e-4)
    assert_gradient_agrees(gradient, reference["mind_loss_grad_wrt_second"])


def test_diffusion(reference):
    loss = diffusion_loss(field(reference["displacement"]))
    np.testing.assert_allclose(loss, reference["diffusion_loss"], rtol=1e-4)


def test_dice(reference):
    fixed, moving = (
        one_hot(jnp.asarray(reference[f"seg_{name}"], jnp.int32)[None], 4)
        for name in ("fixed", "moving")
    )
    hard = soft_dice(fixed, moving)
    np.testing.assert_allclose(hard, reference["hard_overlap_dice_unwarped"], rtol=1e-4)
    soft = 1 - segmentation_loss(fixed, moving, field(reference["displacement"]))
    np.testing.assert_allclose(soft, reference["soft_dice_mean"], rtol=1e-4)
