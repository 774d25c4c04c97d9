"""Programs that compile four times as fast, where compiling is what a test costs."""

from functools import partial

import jax

QUICK = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}
quick = partial(jax.jit, compiler_options=QUICK)
