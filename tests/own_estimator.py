"""An estimator of a user, in a file of its own: through the public door alone."""

import jax

from autoreg_jax import hypergrad as hg


def through_one_step(scale: float = 1.0) -> hg.HypergradientEstimator:
    """The value after one inner step, differentiated as it is written down.

    Args:
        scale: Factor of the indirect part; 1 is `one_step_unroll`.
    """

    def estimate(problem, state, point, *, inner_update):
        update = hg.as_inner_update(inner_update)

        def value(a, outer):
            slope = jax.grad(problem.inner_loss)(point.inner, a, point.train_batch)
            omega, _ = update.advance(point.inner, slope, update.state, a)
            return problem.outer_loss(omega, outer, point.valid_batch)

        at = point.outer, point.outer
        found, (through, direct) = jax.value_and_grad(value, argnums=(0, 1))(*at)
        indirect = jax.tree.map(lambda x: scale * x, through)
        return hg.make_hypergradient(direct, indirect, found), state

    return hg.HypergradientEstimator(lambda inner, outer: (), estimate)
