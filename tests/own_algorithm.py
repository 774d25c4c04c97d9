"""An algorithm of a user, in a file of its own: through the public door alone."""

import jax
import jax.numpy as jnp
import optax

from autoreg_jax import hypergrad as hg


def in_turn(inner_rate, linear_rate, outer_rate) -> hg.Algorithm:
    """SOBA with its three steps one behind the other, each at the newest point."""

    def step(problem, sampler, state, key):
        omega, a, z = state.inner, state.outer, state.memory["z"]
        train, valid = sampler(key)

        def moved(tree, rate, direction):
            return optax.tree.add_scale(tree, -rate, direction)

        slope = jax.grad(problem.inner_loss)(omega, a, train)
        omega = moved(omega, inner_rate, slope)
        point = hg.Point(omega, a, train, valid)
        value, cotangent, direct = hg.outer_gradient(problem, point)

        def products(z):
            return hg.forward_over_reverse(problem.inner_loss, omega, a, train, z, z)

        residual = optax.tree.sub(products(z).hessian, cotangent)
        z = moved(z, linear_rate, residual)
        a = moved(a, outer_rate, optax.tree.sub(direct, products(z).mixed))
        new = hg.AlgorithmState(omega, a, state.step, {"z": z})
        return new, {"value": value}

    def init(problem, sampler, inner, outer):
        del problem, sampler
        memory = {"z": optax.tree.zeros_like(inner)}
        return hg.AlgorithmState(inner, outer, jnp.zeros((), jnp.int32), memory)

    return hg.Algorithm(init, step)
