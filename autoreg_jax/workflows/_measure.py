"""What a program costs: its seconds, and what its compiler says of it."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax


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
    function: Callable[..., Any], *arguments: Any, repeats: int = 5
) -> tuple[Any, Cost]:
    """Compile a function and time it.

    Args:
        function: Of arrays and trees of arrays.
        *arguments: What it is called with.
        repeats: Timed calls, after one that is not.

    Returns:
        Its result and its cost.
    """
    begin = time.perf_counter()
    program = jax.jit(function).lower(*arguments).compile()
    compile_seconds = time.perf_counter() - begin
    result = jax.block_until_ready(program(*arguments))
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        jax.block_until_ready(program(*arguments))
        times.append(time.perf_counter() - begin)
    analysis = program.cost_analysis() or {}
    memory = program.memory_analysis()
    return result, Cost(
        min(times),
        compile_seconds,
        float(analysis.get("flops", 0.0)),
        float(getattr(memory, "temp_size_in_bytes", 0)),
    )
