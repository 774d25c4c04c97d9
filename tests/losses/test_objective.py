"""The objectives of Eqs. (4) and (5)."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from autoreg_jax import losses, spatial
from autoreg_jax.losses import (
    PAPER_WEIGHTS,
    local_ncc_loss,
    mind_loss,
    registration_loss,
    soft_dice_loss,
)
from autoreg_jax.spatial import Pyramid, resize_image, warp

diffusion_loss = jax.jit(losses.diffusion_loss)
image_pyramid = jax.jit(spatial.image_pyramid)
one_hot = jax.jit(losses.one_hot, static_argnums=1)
segmentation_loss = jax.jit(
    losses.segmentation_loss, static_argnames="smoothness_weight"
)

WEIGHTS = {"full": 2.0, "smooth": 3.0, "half": 5.0, "quarter": 7.0}


@pytest.fixture(scope="module")
def case():
    """Images of an odd shape and a displacement at each scale."""
    rng = np.random.default_rng(0)
    images = rng.uniform(size=(2, 1, 9, 6, 1)).astype(np.float32)
    fixed, moving = map(jnp.asarray, images)
    fields = (
        rng.normal(size=(1, *shape, 2)).astype(np.float32)
        for shape in [(9, 6), (5, 3), (3, 2)]
    )
    return fixed, moving, Pyramid(*fields)


@pytest.mark.parametrize("similarity", ["ncc", "mind"])
def test_is_the_weighted_sum_of_its_terms(case, similarity):
    fixed, moving, displacements = case

    @partial(jax.jit, static_argnums=1)
    def term(field, window):
        shape = field.shape[1:-1]
        a = resize_image(fixed, shape)
        b = warp(resize_image(moving, shape), field)
        return mind_loss(a, b) if similarity == "mind" else local_ncc_loss(a, b, window)

    total, terms = jax.jit(partial(registration_loss, similarity=similarity))(
        fixed, moving, displacements, WEIGHTS
    )
    expected = {
        "full": term(displacements.full, 9),
        "smooth": diffusion_loss(displacements.full),
        "half": term(displacements.half, 7),
        "quarter": term(displacements.quarter, 5),
    }
    assert terms.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(terms[name], value, rtol=1e-5)
    weighted = sum(WEIGHTS[name] * value for name, value in expected.items())
    np.testing.assert_allclose(total, weighted, rtol=1e-5)


@pytest.mark.optimised
def test_pyramids_and_mappings_say_the_same(case):
    fixed, moving, displacements = case
    objective = jax.jit(registration_loss)
    plain, _ = objective(fixed, moving, displacements, WEIGHTS)
    ready, _ = objective(
        image_pyramid(fixed), image_pyramid(moving), displacements._asdict(), WEIGHTS
    )
    np.testing.assert_allclose(plain, ready, rtol=1e-6)


def test_gradient_of_lambda_is_the_terms(case):
    fixed, moving, displacements = case
    objective = jax.jit(jax.grad(registration_loss, argnums=3, has_aux=True))
    gradient, terms = objective(fixed, moving, displacements, dict(PAPER_WEIGHTS))
    assert gradient.keys() == terms.keys() == PAPER_WEIGHTS.keys()
    for name in terms:
        np.testing.assert_allclose(gradient[name], terms[name], rtol=1e-6)


def test_start_is_that_of_the_published_code():
    expected = {"full": 10.0, "smooth": 15.0, "half": 3.2, "quarter": 0.8}
    assert list(PAPER_WEIGHTS.items()) == list(expected.items())


def test_unknown_similarity(case):
    with pytest.raises(ValueError, match="similarity"):
        jax.eval_shape(partial(registration_loss, similarity="mse"), *case, WEIGHTS)


def test_segmentation_loss_warps_the_moving_labels():
    labels = np.int32([[[0, 0, 1, 1, 0]]])
    moving, fixed = (
        np.asarray(one_hot(x, 2)) for x in (labels, np.roll(labels, 1, axis=2))
    )
    shift = np.zeros((1, 1, 5, 2), np.float32)
    shift[..., 1] = -1
    expected = jax.jit(soft_dice_loss)(fixed[..., 1:], fixed[..., 1:])
    np.testing.assert_allclose(
        segmentation_loss(fixed[..., 1:], moving[..., 1:], shift), expected, atol=1e-6
    )
    assert float(segmentation_loss(fixed, moving, 0 * shift)) > 0.3


def test_dimmed_images_are_half_and_a_quarter_as_bright(case):
    fixed, moving, displacements = case
    pyramids = [image_pyramid(image) for image in (fixed, moving)]
    darker = [
        Pyramid(p.full, 0.5 * p.half, 0.25 * p.quarter)  # as the published code resizes
        for p in pyramids
    ]
    objective = jax.jit(registration_loss, static_argnames="is_dimmed")
    wanted, terms = objective(*darker, displacements, WEIGHTS)
    found, _ = objective(fixed, moving, displacements, WEIGHTS, is_dimmed=True)
    _, plain = objective(*pyramids, displacements, WEIGHTS)
    np.testing.assert_allclose(found, wanted, rtol=1e-6)
    assert terms["full"] == plain["full"]
    # The correlation of dark images is damped by the 1e-5 in its denominator.
    assert abs(terms["quarter"]) < 0.999 * abs(plain["quarter"])


def test_smoothness_target_adds_its_parabola():
    labels = one_hot(np.int32([[[0, 1, 1, 0, 0]]]), 2)
    slope = np.zeros((1, 1, 5, 2), np.float32)
    slope[0, 0, :, 1] = 0.3 * np.arange(5)
    plain = segmentation_loss(labels, labels, slope)
    found = segmentation_loss(
        labels, labels, slope, smoothness_weight=100.0, smoothness_target=0.01
    )
    # Mean square over both components and both axes, one of which has one voxel.
    np.testing.assert_allclose(found - plain, 100 * (0.3**2 / 4 - 0.01) ** 2, rtol=1e-3)
