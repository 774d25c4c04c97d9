"""The memory that `autoreg plan` estimates for a training step, and what it takes.

    python -m tests.benchmarks.plan_memory --config compact --shape 48 56 48

Bytes per voxel of the gradient of the loss of one pair: estimated, XLA's temporaries,
and the largest resident memory of the process above that before the step (Linux).
"""

import argparse
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from autoreg_jax import config
from autoreg_jax.bilevel import PairBatch
from autoreg_jax.programs import (
    Programs,
    initial_lambda,
    initial_vector,
    make_structure,
)
from autoreg_jax.search_space import Genotype
from autoreg_jax.workflows.planning._memory import estimate_memory

# Of the machine code; what is kept at once does not depend on it.
_QUICK = {
    "xla_backend_optimization_level": 0,
    "xla_llvm_disable_expensive_passes": True,
}
_NOT_SEARCHED = {"search": {"lam": {"steps": 0, "warm_up": 0}}}


def resident(name: str) -> int:
    """Bytes of VmRSS, now, or of VmHWM, at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(x.split()[1]) for x in lines if x.startswith(name))


def main() -> None:
    """Print one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", default="compact")
    parser.add_argument("--set", nargs="*", default=[], dest="values")
    parser.add_argument("--shape", type=int, nargs="+", default=[48, 56, 48])
    options = parser.parse_args()
    run = config.override(config.load(options.config), options.values)
    shape = tuple(options.shape)
    programs = Programs(run, len(shape))
    genotype = Genotype.uniform("conv_3", make_structure(run).cells)
    network = programs.make_network(genotype)
    terms = programs.plain_problem(network).inner_terms

    def loss(omega, lam, moving, fixed):
        return terms(omega, lam, PairBatch(moving, fixed))[0]

    layout = programs.layout(network)
    omega = initial_vector(network, len(shape), layout, (0, 0))
    images = [
        jnp.asarray(np.random.default_rng(i).random((1, *shape, 1)), jnp.float32)
        for i in range(2)
    ]
    given = omega, initial_lambda(run), *images
    step = jax.jit(jax.grad(loss)).lower(*given).compile(compiler_options=_QUICK)
    voxels = float(np.prod(shape))
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak of compiling
    before = resident("VmRSS")
    jax.block_until_ready(step(*given))
    taken = resident("VmHWM") - before
    temporary = step.memory_analysis().temp_size_in_bytes
    estimate = estimate_memory(shape, 0, config.merge(run, _NOT_SEARCHED)).train
    words = ", ".join(
        f"{name} {value / voxels:.0f}"
        for name, value in (
            ("estimated", estimate),
            ("XLA", temporary),
            ("resident", taken),
        )
    )
    print(f"{options.config}, {shape}: bytes per voxel: {words}")


if __name__ == "__main__":
    main()
