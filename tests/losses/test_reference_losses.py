"""Agreement with the values of the published PyTorch code."""

import jax
import numpy as np
import pytest
from scipy.fft import idctn

from autoreg_jax import losses
from autoreg_jax.losses import mind_descriptor, mind_loss

diffusion_loss = jax.jit(losses.diffusion_loss)
local_ncc_loss = jax.jit(losses.local_ncc_loss, static_argnums=2)
one_hot = jax.jit(losses.one_hot, static_argnums=1)
segmentation_loss = jax.jit(losses.segmentation_loss)
soft_dice = jax.jit(losses.soft_dice)


def image(array):
    return array[None, ..., None]


def field(array):
    return np.moveaxis(array, 0, -1)[None]


@pytest.fixture(scope="module")
def displacement(reference):
    """The field of the two scalars below, of which the spectrum is kept."""
    spectrum = np.zeros((3, *reference["fixed"].shape))
    kept = reference["displacement_dct"]
    spectrum[:, : kept.shape[1], : kept.shape[2], : kept.shape[3]] = kept
    return field(idctn(spectrum, axes=(1, 2, 3), norm="ortho").astype(np.float32))


def assert_gradient_agrees(ours, reference):
    """Elementwise, relative to the largest entry: the small ones are differences."""
    scale, ours = np.abs(reference).max(), np.asarray(ours)[0, ::3, ::3, ::3, 0]
    np.testing.assert_allclose(ours / scale, reference / scale, atol=1e-4)


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
    ours = np.asarray(jax.jit(mind_descriptor)(image(reference["fixed"])))
    ours = ours[0, ::4, ::4, ::4]
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


def test_diffusion(reference, displacement):
    loss = diffusion_loss(displacement)
    np.testing.assert_allclose(loss, reference["diffusion_loss"], rtol=1e-4)


def test_dice(reference, displacement):
    fixed, moving = (
        one_hot(reference[f"seg_{name}"].astype(np.int32)[None], 4)
        for name in ("fixed", "moving")
    )
    hard = soft_dice(fixed, moving)
    np.testing.assert_allclose(hard, reference["hard_overlap_dice_unwarped"], rtol=1e-4)
    soft = 1 - segmentation_loss(fixed, moving, displacement)
    np.testing.assert_allclose(soft, reference["soft_dice_mean"], rtol=1e-4)
