"""Options for programs of thousands of small kernels."""

from functools import cache

import jax

# XLA's newer emitters of CPU kernels take 1.4 times as long to compile the gradient of
# a mixed network (54 s against 38 s on two cores), which then runs no faster.
_OLDER_EMITTERS: dict[str, str | bool] = {"xla_cpu_use_fusion_emitters": False}


@cache
def quick_compilation() -> dict[str, str | bool] | None:
    """Return `compiler_options` of `jax.jit` that make large programs quick to compile.

    Returns:
        None on accelerators, and where this version of XLA does not know the options.
    """
    if jax.default_backend() != "cpu":
        return None
    try:
        jax.jit(lambda x: x + 1, compiler_options=_OLDER_EMITTERS)(0.0)
    except jax.errors.JaxRuntimeError:
        return None
    return _OLDER_EMITTERS
