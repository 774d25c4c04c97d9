"""Derivatives at the minimum of a refinement: closed form, finite differences."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from unoptimised import quick

from autoreg_jax.bilevel import PairBatch, overlap_judge
from autoreg_jax.hypergrad import BilevelProblem
from autoreg_jax.inference import load_model, register_pair
from autoreg_jax.inference._at_minimum import (
    _DAMPING,
    at_minimum,
    refinement_problem,
)
from autoreg_jax.inference.optimisation._classical import SMOOTHNESS, pair_levels
from autoreg_jax.inference.optimisation._level import Level
from autoreg_jax.losses import find_similarity

SIZE, WEIGHT = 12, 0.7


def quadratic():
    """½|c − f|² + ½ w e^θ |∇c|², a linear refinement, judged by ½|c − t|²."""
    rng = np.random.default_rng(0)
    target, truth = rng.standard_normal((2, SIZE))
    slopes = np.diff(np.eye(SIZE), axis=0)

    def energy(control, log_factor, batch):
        rough = jnp.sum((jnp.asarray(slopes) @ control) ** 2)
        far = jnp.sum((control - jnp.asarray(target)) ** 2)
        return 0.5 * far + 0.5 * WEIGHT * jnp.exp(log_factor) * rough

    def judged(control, log_factor, batch):
        return 0.5 * jnp.sum((control - jnp.asarray(truth)) ** 2)

    return BilevelProblem(energy, judged), target, truth, slopes.T @ slopes


def test_the_derivative_of_a_linear_problem(x64):
    problem, target, truth, laplacian = quadratic()
    found = quick(lambda c, a: at_minimum(problem, c, a, None, steps=300))(
        jnp.zeros(SIZE), jnp.float64(0.2)
    )
    weight = WEIGHT * np.exp(0.2)
    hessian = np.eye(SIZE) + weight * laplacian
    minimum = np.linalg.solve(hessian, target)
    np.testing.assert_allclose(found.control, minimum, atol=1e-4)
    mixed = weight * laplacian @ minimum
    damped, exact = (
        -(minimum - truth) @ np.linalg.solve(hessian + delta * np.eye(SIZE), mixed)
        for delta in (_DAMPING, 0.0)
    )
    assert float(found.derivative) == pytest.approx(damped, rel=1e-3)
    assert float(found.derivative) == pytest.approx(exact, rel=2 * _DAMPING)
    assert found.is_minimum
    assert found.residual < 1e-6


def test_what_is_no_minimum_is_named(x64):
    problem, *_ = quadratic()
    hasty = quick(lambda c, a: at_minimum(problem, c, a, None, steps=1))(
        jnp.zeros(SIZE), jnp.float64(0.0)
    )
    assert not hasty.is_minimum
    assert hasty.gradient_left > 0.1
    # From here the descent ends in the saddle: nothing pulls it along the second axis.
    saddle = BilevelProblem(
        lambda c, a, _: 0.5 * (c[0] - 1) ** 2 - 0.5 * jnp.exp(a) * c[1] ** 2,
        lambda c, a, _: c[0] + 2 * c[1],
    )
    found = quick(lambda c, a: at_minimum(saddle, c, a, None, steps=300))(
        jnp.zeros(2), jnp.float64(0.0)
    )
    assert found.gradient_left < 1e-3
    assert not found.is_minimum


def picture(shift):
    """A disc and a ring with a soft edge, moved and stretched."""
    x = np.stack(np.indices((14, 13)), -1) - np.array([6.5, 6.0]) - shift
    radius = np.linalg.norm(x / np.array([1.0, 1.0 + 0.1 * shift[0]]), axis=-1)
    disc, ring = (1 / (1 + np.exp(radius - size)) for size in (2.2, 4.5))
    labels = np.stack([disc, ring - disc], -1)
    return jnp.asarray((0.5 * disc + 0.4 * ring)[None, ..., None]), labels[None]


@pytest.mark.slow
def test_the_derivative_of_a_pair_is_that_of_pairs_solved_again(x64):
    (fixed, inside), (moving, moved) = picture(np.zeros(2)), picture(np.array([1.5, 1]))
    similarity = find_similarity("ncc")
    start = jnp.zeros((1, 7, 7, 2))
    level = Level(similarity.describe(fixed), moving, None, None, start, jnp.ones(2))
    batch = level, PairBatch(moving, fixed, jnp.asarray(moved), jnp.asarray(inside))
    problem = refinement_problem(overlap_judge(), similarity, SMOOTHNESS)
    solve = quick(lambda c, a: at_minimum(problem, c, a, batch, steps=100))
    here = solve(start, jnp.float64(0.0))
    assert here.is_minimum
    ahead, behind = (solve(here.control, jnp.float64(step)) for step in (0.1, -0.1))
    slope = float(ahead.judged - behind.judged) / 0.2
    assert abs(slope) > 1e-4
    assert float(here.derivative) == pytest.approx(slope, rel=0.03)


def test_features_are_compared_at_half_resolution_and_judged_at_full():
    seen = []

    def judge(pair, displacement):
        seen.append(displacement.shape)
        return jnp.mean(displacement)

    def traced(image):
        whole = Level(image, image, None, None, jnp.zeros((1, 32, 24, 2)), jnp.ones(2))
        (level,), _, similarity = pair_levels(whole, find_similarity("mind"))
        problem = refinement_problem(judge, similarity, SMOOTHNESS)
        control, batch = jnp.zeros((1, 16, 12, 2)), (level, PairBatch(image, image))
        return level, at_minimum(problem, control, jnp.zeros(()), batch, steps=2)

    level, found = jax.eval_shape(traced, jnp.zeros((1, 64, 48, 1)))
    assert level.space == (32, 24)
    assert set(seen) == {(1, 64, 48, 2)}
    assert found.control.shape == (1, 16, 12, 2)
    assert found.derivative.shape == ()


def test_a_stored_factor_is_that_of_every_refinement(plane_model, planes, tmp_path):
    about = plane_model.description
    plain = plane_model.save(tmp_path / "plain")
    assert "refine_smoothness" not in (plain / "model.json").read_text()
    stored = replace(plane_model, description=replace(about, refine_smoothness=6.0))
    model = load_model(stored.save(tmp_path / "found"))
    assert model.description.smoothness == 6 * about.smoothness
    moving, fixed = (
        jnp.asarray(image.array, jnp.float32)[None, ..., None] for image in planes
    )
    start = plane_model.start(plane_model(moving, fixed))
    fields = [
        one.refine(moving, fixed, start, steps=5).displacement
        for one in (model, plane_model)
    ]
    wanted = register_pair(
        moving,
        fixed,
        jnp.asarray(about.spacing, jnp.float32),
        num_iterations=5,
        learning_rate=0.2,
        smoothness=6 * SMOOTHNESS * about.smoothness,
        start=start,
    ).displacement
    np.testing.assert_array_equal(fields[0], wanted)
    assert float(jnp.abs(fields[0] - fields[1]).max()) > 1e-3
    assert jax.tree.all(jax.tree.map(np.array_equal, model.params, plane_model.params))
