"""Memory of long unrolls: `python -m tests.benchmarks.unroll_memory`; needs no peers.

The temporary memory of the compiled gradient through K steps of Adam, in copies of ω,
with all iterates stored and with checkpoints, against what the loops store.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import optax

from autoreg_jax import hypergrad as hg

SIZE = 10_000
LENGTHS = (10, 100, 1000)
CARRY, STORED = 3, 4
"""Copies of ω in (ω, s) of Adam, and in what is stored of a step: with its gradient."""


def measured(steps: int, *, checkpoints: bool) -> float:
    """Temporary memory in copies of ω."""
    problem = hg.BilevelProblem(
        lambda o, a, b: jnp.sum(jnp.cosh(o - a)), lambda o, a, b: jnp.sum(o**2)
    )
    optimizer = optax.adam(0.1)

    def run(omega: Any, moments: Any, a: Any) -> Any:
        estimator = hg.unroll(steps, checkpoints=checkpoints)
        update = hg.from_optax(optimizer, moments)
        return estimator.estimate(problem, (), hg.Point(omega, a), inner_update=update)[
            0
        ].grad

    omega = jax.ShapeDtypeStruct((SIZE,), jnp.float32)
    moments = jax.eval_shape(optimizer.init, omega)
    program = jax.jit(run).lower(omega, moments, jnp.float32(0.5)).compile()
    return program.memory_analysis().temp_size_in_bytes / (4 * SIZE)


def stored(steps: int, *, checkpoints: bool) -> int:
    """Copies of ω that the loops store.

    All steps; or the starts of the segments, the steps of one segment, and those of the
    first, shorter one, which XLA keeps apart.
    """
    if not checkpoints:
        return STORED * steps
    size = math.isqrt(steps - 1) + 1
    count, rest = divmod(steps, size)
    return CARRY * count + STORED * (size + rest)


def main() -> None:
    """Print the table; exits with 1 if a row is off by more than 30 %.

    What a step works with besides is taken from the first row.
    """
    print("| K | checkpoints | measured | predicted | ratio |")
    print("| ---: | --- | ---: | ---: | ---: |")
    first = LENGTHS[0]
    working = measured(first, checkpoints=False) - stored(first, checkpoints=False)
    misses = []
    for checkpoints in (False, True):
        for steps in LENGTHS:
            found = measured(steps, checkpoints=checkpoints)
            wanted = stored(steps, checkpoints=checkpoints) + working
            ratio = found / wanted
            misses += [] if abs(ratio - 1) <= 0.3 else [steps]
            word = "yes" if checkpoints else "no"
            print(f"| {steps} | {word} | {found:.1f} | {wanted:.1f} | {ratio:.2f} |")
    raise SystemExit(1 if misses else 0)


if __name__ == "__main__":
    main()
