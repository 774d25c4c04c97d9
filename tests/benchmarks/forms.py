"""Forms of CPU kernels in turn: `python -m tests.benchmarks.forms`; needs no peers.

The kernel gradient of 2-D convolutions as XLA computes it and as `ops` does, and a
depthwise convolution with both gradients, differentiated by JAX and by `ops`.
"""

from functools import partial
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from autoreg_jax.ops import convolution
from autoreg_jax.ops._planes import images_kernel_gradient
from autoreg_jax.ops._xla import plain_kernel_gradient
from tests.benchmarks._timing import in_turn

# Batch, height, width, channels, features, taps, dilation.
IMAGES = (
    (2, 24, 28, 4, 4, 3, 1),
    (2, 24, 28, 12, 4, 5, 1),
    (1, 48, 56, 12, 8, 7, 2),
    (2, 96, 112, 16, 16, 5, 2),
    (1, 256, 256, 32, 32, 5, 1),
)
# Volume, channels, taps.
DEPTHWISE = (((40, 48, 56), 16, 3), ((40, 48, 56), 16, 5))


def normal(*shape: int) -> Any:
    """Random numbers of a fixed seed."""
    return jnp.asarray(np.random.default_rng(0).normal(size=shape), jnp.float32)


def plain_depthwise(x: Any, kernel: Any) -> Any:
    """One product a tap, as one writes it."""
    widths = [(0, 0), *(((n - 1) // 2,) * 2 for n in kernel.shape[:-2]), (0, 0)]
    padded, out = jnp.pad(x, widths), x.shape[1:-1]
    total: Any = 0.0
    for tap in product(*map(range, kernel.shape[:-2])):
        window = [slice(t, t + n) for t, n in zip(tap, out, strict=True)]
        total = total + padded[(slice(None), *window)] * kernel[tap]
    return total


def with_gradients(function: Any, x: Any, kernel: Any) -> Any:
    """Value and gradients of a weighted sum."""
    return jax.value_and_grad(lambda *a: jnp.sum(x * function(*a)), (0, 1))(x, kernel)


def compare(name: str, ours: Any, other: Any, *arguments: Any) -> None:
    """Print medians in ms and temporary memory."""
    programs = [jax.jit(f).lower(*arguments).compile() for f in (ours, other)]
    calls = [lambda p=p: jax.block_until_ready(p(*arguments)) for p in programs]
    timed = in_turn(*calls, seconds=2)
    ours_mb, other_mb = (p.memory_analysis().temp_size_in_bytes / 1e6 for p in programs)
    print(
        f"| {name} | {1e3 * timed.ours:.2f} | {1e3 * timed.theirs:.2f} "
        f"| {timed.ratio:.2f} | {ours_mb:.0f} | {other_mb:.0f} |",
        flush=True,
    )


def main() -> None:
    """Print the table."""
    jax.config.update("jax_platforms", "cpu")
    print("| | ops, ms | other, ms | ratio | ops, MB | other, MB |")
    print("| --- | --- | --- | --- | --- | --- |")
    for batch, height, width, channels, features, taps, dilation in IMAGES:
        reach = dilation * (taps - 1) // 2
        settings = {"dilation": dilation, "padding": ((reach, reach),) * 2}
        compare(
            f"kernel gradient {channels}→{features}, {taps}² taps {dilation} apart, "
            f"{batch}×{height}×{width}",
            partial(images_kernel_gradient, **settings),
            partial(plain_kernel_gradient, **settings),
            normal(batch, height, width, channels),
            normal(batch, height, width, features),
        )
    for shape, channels, taps in DEPTHWISE:
        compare(
            f"depthwise, {taps}³ taps, {channels} channels, "
            + "×".join(map(str, shape)),
            partial(with_gradients, partial(convolution, groups=channels)),
            partial(with_gradients, plain_depthwise),
            normal(1, *shape, channels),
            normal(*(taps,) * 3, 1, channels),
        )


if __name__ == "__main__":
    main()
