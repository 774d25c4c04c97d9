"""Programs that compile four times as fast, where compiling is what a test costs."""

from functools import partial

import jax

from autoreg_jax.programs import quick_compilation

QUICK = {"xla_backend_optimization_level": 0} | (quick_compilation() or {})
quick = partial(jax.jit, compiler_options=QUICK)
