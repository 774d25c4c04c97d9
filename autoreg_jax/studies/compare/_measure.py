"""What a program costs: its seconds, and what its compiler says of it."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from autoreg_jax.programs import quick_compilation

_REPEATS = 5


class Cost(NamedTuple):
    """Cost of one call.

    Attributes:
        seconds: The least of several calls, compilation excluded.
        compile_seconds: Tracing and compilation; little where a cache holds the
            program.
        flops: Floating point operations as XLA counts them, a loop's body once; 0 where
            the platform does not say.
        temporary_bytes: Memory besides arguments and results; 0 where unknown.
    """

    seconds: float
    compile_seconds: float
    flops: float
    temporary_bytes: float


def measure(
    function: Callable[..., Any],
    calls: list[tuple[Any, ...]],
    *,
    patience: float = 1.0,
) -> tuple[list[Any], Cost]:
    """Compile a function, call it on each of some arguments, and time it on the first.

    Args:
        function: Of arrays and trees of arrays.
        calls: Arguments of one structure, at least one.
        patience: Seconds to go on timing for, at most five calls, at least one.

    Returns:
        Its results and its cost.
    """
    begin = time.perf_counter()
    compiler = jax.jit(function, compiler_options=quick_compilation())
    program = compiler.lower(*calls[0]).compile()
    compile_seconds = time.perf_counter() - begin
    results = [jax.block_until_ready(program(*arguments)) for arguments in calls]
    times: list[float] = []
    while not times or (len(times) < _REPEATS and sum(times) < patience):
        begin = time.perf_counter()
        jax.block_until_ready(program(*calls[0]))
        times.append(time.perf_counter() - begin)
    analysis: Any = program.cost_analysis() or {}
    memory = program.memory_analysis()
    return results, Cost(
        min(times),
        compile_seconds,
        float(analysis.get("flops", 0.0)),
        float(getattr(memory, "temp_size_in_bytes", 0)),
    )
