"""Terms beside those of Eq. (4), each with a name and a weight of its own."""

import dataclasses
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from unoptimised import quick

from autoreg_jax import config
from autoreg_jax.losses import (
    TERMS,
    Objective,
    bending_loss,
    common_dice_loss,
    image_terms,
    in_order,
    inverse_consistency_loss,
    landmark_loss,
    local_ncc_loss,
    mind_loss,
    registration_loss,
    soft_folding_fraction,
)
from autoreg_jax.networks import Registration
from autoreg_jax.spatial import Pyramid, resize_displacement, resize_image, warp

LAM = {
    "full": 2.0,
    "smooth": 3.0,
    "mind_half": 0.5,
    "bending": 0.1,
    "folding": 0.0,
    "mean": 4.0,
}
OWN = {"mean": lambda given: jnp.mean(given.moved.half - given.fixed.half)}


@pytest.fixture(scope="module")
def case() -> tuple[Any, Any, Any]:
    """Images and a displacement at each scale."""
    rng = np.random.default_rng(0)
    fixed, moving = (
        jnp.asarray(rng.uniform(size=(1, 9, 6, 1)), jnp.float32) for _ in range(2)
    )
    fields = (
        jnp.asarray(rng.normal(size=(1, *shape, 2)), jnp.float32)
        for shape in [(9, 6), (5, 3), (3, 2)]
    )
    return fixed, moving, Pyramid(*fields)


def test_a_term_alone_is_its_function(case):
    windows = {"full": 5, "half": 3, "quarter": 3}
    edges: Any = tuple(windows.values())
    points = tuple(jnp.asarray([[[1.0, 2.0], [6.5, z]]]) for z in (3.5, 1.25))
    more = {"labels": case[:2], "opposite": -case[2].full, "landmarks": points}

    @quick
    def expected(fixed, moving, fields):
        values = {
            "bending": bending_loss(fields.full),
            "folding": soft_folding_fraction(fields.full),
            "dice": common_dice_loss(fixed, moving, fields.full),
            "inverse_consistency": inverse_consistency_loss(fields.full, -fields.full),
            "landmarks": landmark_loss(*points, fields.full),
        }
        for scale, window in windows.items():
            u = getattr(fields, scale)
            a = resize_image(fixed, u.shape[1:-1])
            b = warp(resize_image(moving, u.shape[1:-1]), u)
            values[f"ncc_{scale}"] = local_ncc_loss(a, b, window)
            values[f"mind_{scale}"] = mind_loss(a, b)
        u = fields.quarter
        for name, shape in (("eighth", (2, 1)), ("sixteenth", (1, 1))):
            u = resize_displacement(u, shape)
            a, b = resize_image(fixed, shape), resize_image(moving, shape)
            values[name] = local_ncc_loss(a, warp(b, u), windows["quarter"])
        return values

    @quick
    def alone(fixed, moving, fields):
        return {
            name: Objective(windows=edges)(fixed, moving, fields, {name: 3.0}, **more)
            for name in TERMS
        }

    wanted = expected(*case)
    assert wanted.keys() == TERMS.keys()
    for name, (total, terms) in alone(*case).items():
        assert terms.keys() == {name}
        np.testing.assert_allclose(terms[name], wanted[name], rtol=1e-5)
        np.testing.assert_allclose(total, 3 * wanted[name], rtol=1e-5)


def test_a_level_of_the_network_is_compared_by_its_own_displacement(case):
    fixed, moving, fields = case
    own = jnp.full((1, 2, 1, 2), 0.3)
    given = Registration(fields.half, fields, further=(own,)).levels
    assert list(given) == ["full", "half", "quarter", "eighth"]
    lam = {"full": 1.0, "eighth": 2.0}

    @quick
    def found(fixed, moving, levels):
        resized = resize_image(fixed, (2, 1)), resize_image(moving, (2, 1))
        moved = warp(resized[1], own)
        terms = Objective(windows=(3, 3, 3))(fixed, moving, levels, lam)[1]
        return terms, local_ncc_loss(resized[0], moved, 3)

    terms, wanted = found(fixed, moving, given)
    np.testing.assert_allclose(terms["eighth"], wanted, rtol=1e-5)


def test_gradient_of_a_weight_is_its_term(case):
    fixed, moving, fields = case
    loss = partial(registration_loss, extra_terms=OWN)
    gradient, terms = quick(jax.grad(loss, argnums=3, has_aux=True))(
        fixed, moving, fields, LAM
    )
    assert list(in_order(terms)) == [
        "full",
        "smooth",
        *sorted(set(LAM) - {"full", "smooth"}),
    ]
    for name in LAM:
        np.testing.assert_allclose(gradient[name], terms[name], rtol=1e-5, atol=1e-7)

    @quick
    def mean(fixed, moving, field):
        half = resize_image(fixed, (5, 3)), resize_image(moving, (5, 3))
        return jnp.mean(warp(half[1], field) - half[0])

    wanted = mean(fixed, moving, fields.half)
    np.testing.assert_allclose(terms["mean"], wanted, rtol=1e-5)


def test_the_terms_of_the_paper_come_first():
    values = {"quarter": 4.0, "bending": 0.1, "full": 1.0, "half": 3.0, "smooth": 2.0}
    assert in_order(values) == values
    assert list(in_order(values)) == ["full", "smooth", "half", "quarter", "bending"]


def test_unknown_terms_are_refused(case):
    with pytest.raises(ValueError, match=r"unknown term 'mean'; .* full, .*ncc"):
        jax.eval_shape(registration_loss, *case, LAM)


@pytest.mark.parametrize("name", ["dice", "inverse_consistency"])
def test_terms_of_more_than_images_are_refused_without_it(case, name):
    with pytest.raises(ValueError, match=f"term {name} needs"):
        jax.eval_shape(registration_loss, *case, {name: 1.0})
    assert image_terms(LAM | {name: 1.0}) == LAM


@pytest.mark.parametrize("ndim", [2, 3])
def test_bending_of_a_quadratic(ndim):
    """u = x y: ∂²u/∂x∂y = 1 comes twice; a slope bends nothing; nor does a voxel."""
    x = np.indices((5, 6, 7)[:ndim]).astype(np.float32)
    u = np.zeros((1, *x.shape[1:], ndim), np.float32)
    u[0, ..., 0] = x[0] * x[1]
    bending = quick(bending_loss)
    np.testing.assert_allclose(bending(u), 2 / ndim, rtol=1e-6)
    u[0, ..., 0] = 3 * x[0] - 2 * x[1] + 1
    np.testing.assert_allclose(bending(u), 0, atol=1e-9)
    assert bending(np.ones((1, *(1,) * ndim, ndim), np.float32)) == 0


def test_a_configuration_names_every_term():
    names = {field.name for field in dataclasses.fields(config.ExtraTermsConfig)}
    assert names == TERMS.keys()
