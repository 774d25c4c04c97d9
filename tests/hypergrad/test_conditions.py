"""Algorithms where the curvatures of the inner problem span four decades.

On L_t = ½ (ω − D a)ᵀ A (ω − D a) and L_v = ½ ‖ω − t‖² + ½ β ‖a‖² a stationary point is
a = (Dᵀ F D + β)⁻¹ Dᵀ F t. F is one for what solves the linear system, 1 − (1 − ηA)^K
for what cuts a series or a trajectory behind K terms, λA / (1 + λA) for a penalty λ,
and a product of both for `bome`, whose λ is that of its last step.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from unoptimised import quick

from autoreg_jax import hypergrad as hg

pytestmark = [pytest.mark.usefixtures("x64"), pytest.mark.slow]

BETA = 0.1
RNG = np.random.default_rng(0)
ROTATION = np.linalg.qr(RNG.normal(size=(4, 4)))[0]
CURVATURES = np.geomspace(1, 1e-4, 4)
HESSIAN = ROTATION @ np.diag(CURVATURES) @ ROTATION.T
MIXED = np.linalg.qr(RNG.normal(size=(4, 2)))[0]  # D
TARGET = RNG.normal(size=4)
# Two batches, whose mean is the problem: of those each gradient has an error.
SHIFTS = np.stack([np.ones(4), -np.ones(4)])
LAMBDA = 30.0


def stationary(factors):
    """The point at which an algorithm ends, of F on every curvature."""
    f = ROTATION @ np.diag(factors) @ ROTATION.T
    return np.linalg.solve(MIXED.T @ f @ MIXED + BETA * np.eye(2), MIXED.T @ f @ TARGET)


OPTIMUM = stationary(np.ones(4))


def cut(terms):
    return stationary(1 - (1 - CURVATURES) ** terms)


def penalised(penalty, trajectory=1.0):
    return stationary(trajectory * penalty * CURVATURES / (1 + penalty * CURVATURES))


def shrinking(rate, after):
    return lambda step: rate / (1 + step / after)


# The slowest direction needs ten thousand steps, and a has to be slower than that.
# The algorithm, its outer steps, where it ends, and how near in double and single
# precision: a step of 1e-4 of the distance is rounded away at 1e-3 in single.
CASES = {
    "soba": (hg.soba(1.0, 1.0, 2e-5), 600_000, OPTIMUM, 1e-4, 2e-2),
    "ma_soba": (hg.ma_soba(1.0, 1.0, 2e-5, 0.3), 600_000, OPTIMUM, 1e-4, 2e-2),
    "fsla": (hg.fsla(1.0, 1.0, 2e-5, 0.3), 600_000, OPTIMUM, 1e-4, 2e-2),
    "saba": (hg.saba(0.5, 0.5, 1e-5), 1_200_000, OPTIMUM, 1e-4, 2e-2),
    "amigo": (hg.amigo(200, 200, 1.0, 1.0, 4e-3), 3000, OPTIMUM, 1e-4, 2e-2),
    "stocbio": (hg.stocbio(200, 40, 1.0, 1.0, 2e-2), 8000, cut(41), 1e-6, 1e-3),
    "ttsa": (hg.ttsa(10, 1.0, 1.0, shrinking(2e-3, 2e4)), 300_000, cut(10), 2e-3, 2e-3),
    "alternating": (
        hg.alternating(hg.unroll(40), 1.0, 5e-3, None),
        30_000,
        cut(40),
        1e-6,
        1e-3,
    ),
    "pzobo": (
        hg.pzobo(40, 10, 1.0, shrinking(5e-3, 2e4), 1e-2),
        50_000,
        cut(40),
        1e-2,
        1e-2,
    ),
    "f2sa": (
        hg.f2sa(200, 0.9, 2e-2, LAMBDA),
        8000,
        penalised(LAMBDA),
        1e-6,
        1e-3,
    ),
    # Its multiplier is largest where ξ λ is about 2, and swings there a little.
    "bome": (
        hg.bome(300, 1.0, 0.02),
        8000,
        lambda multiplier: penalised(multiplier, 1 - (1 - CURVATURES) ** 300),
        2e-2,
        2e-2,
    ),
}


def run(name, dtype, algorithm=None):
    """The outer variable and the last multiplier of an algorithm, or 0."""
    own, steps, *_ = CASES[name]
    a, d, t, shifts = (jnp.asarray(x, dtype) for x in (HESSIAN, MIXED, TARGET, SHIFTS))

    def inner_loss(omega, outer, batch):
        # The mean over both batches of the last term is zero.
        error = omega - d @ outer
        return 0.5 * error @ a @ error + 0.1 * jnp.mean(batch, 0) @ a @ omega

    problem = hg.BilevelProblem(
        inner_loss,
        lambda omega, outer, batch: (
            0.5 * jnp.sum((omega - t) ** 2) + 0.5 * BETA * outer @ outer
        ),
    )
    sampler = hg.whole_batches(shifts, shifts)
    if name == "saba":
        sampler = hg.minibatches(shifts, shifts, 1, 1)
    start = jnp.zeros(4, dtype), jnp.zeros(2, dtype)
    args = problem, algorithm or own, sampler, steps, jax.random.key(0), start
    found = hg.solve(*args, every=steps)
    return found.outer, found.trace.get("multiplier", jnp.zeros(1))[-1]


@pytest.mark.parametrize("name", CASES)
def test_each_ends_at_its_own_stationary_point(name):
    _, _, wanted, *bounds = CASES[name]
    found = quick(lambda: [run(name, dtype) for dtype in (jnp.float64, jnp.float32)])()
    assert [outer.dtype for outer, _ in found] == [np.float64, np.float32]
    for (outer, multiplier), bound in zip(found, bounds, strict=True):
        end = wanted(float(multiplier)) if name == "bome" else wanted
        assert np.linalg.norm(outer - end) < bound * np.linalg.norm(OPTIMUM)


def test_cuts_and_penalties_move_the_stationary_point():
    """By far more than the bounds above, or these would tell nothing of the cut."""
    least = 0.5 * np.linalg.norm(OPTIMUM)
    for name in ("stocbio", "ttsa", "alternating", "pzobo", "f2sa"):
        assert np.linalg.norm(CASES[name][2] - OPTIMUM) > least
    for multiplier in (1.0, 1e3):
        assert np.linalg.norm(CASES["bome"][2](multiplier) - OPTIMUM) > least


def test_penalties_may_be_mapped_over():
    """And each of them ends where it ends alone."""
    penalties = np.array([3.0, 30.0, 300.0])

    @quick
    def all_runs(penalties):
        return jax.vmap(
            lambda lam: run(
                "f2sa", jnp.float64, hg.f2sa(200, 0.9, 6.0 / (200 + lam), lam)
            )[0]
        )(penalties)

    for outer, penalty in zip(all_runs(penalties), penalties, strict=True):
        assert np.linalg.norm(outer - penalised(penalty)) < 1e-6
