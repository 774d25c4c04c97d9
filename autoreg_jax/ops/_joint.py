"""Several convolutions of one image as one: they share columns and matrix products."""

from collections.abc import Sequence

import jax.numpy as jnp
from jax import Array

from autoreg_jax.ops._convolution import convolution


def joint_convolution(
    x: Array, kernels: Sequence[Array], *, stride: int = 1, dilation: int = 1
) -> list[Array]:
    """Convolve one image with many kernels of the same dilation.

    Smaller kernels are put into the middle of the largest one and all outputs computed
    together: more multiplications, but fewer and better filled matrix products.

    Args:
        x: Image `(b, *space, c)`.
        kernels: Each `(*k, c, f)`, every size odd.
        stride: As in `convolution`.
        dilation: As in `convolution`.

    Returns:
        What `convolution(x, kernel, ...)` returns for each kernel.

    Raises:
        ValueError: If a kernel size is even: it has no middle.

    Examples:
        >>> import jax.numpy as jnp
        >>> x = jnp.arange(4.0).reshape(1, 4, 1)
        >>> small, large = jnp.ones((1, 1, 1)), jnp.array([1.0, 0, 0]).reshape(3, 1, 1)
        >>> [y.ravel().tolist() for y in joint_convolution(x, [small, large])]
        [[0.0, 1.0, 2.0, 3.0], [0.0, 0.0, 1.0, 2.0]]
    """
    sizes = [max(size) for size in zip(*(k.shape[:-2] for k in kernels), strict=True)]
    if any(taps % 2 == 0 for kernel in kernels for taps in kernel.shape[:-2]):
        raise ValueError(
            f"kernel sizes must be odd, got {[k.shape[:-2] for k in kernels]}."
        )
    framed = [
        jnp.pad(
            kernel,
            [
                *(
                    ((size - taps) // 2,) * 2
                    for size, taps in zip(sizes, kernel.shape[:-2], strict=True)
                ),
                (0, 0),
                (0, 0),
            ],
        )
        for kernel in kernels
    ]
    together = convolution(
        x, jnp.concatenate(framed, -1), stride=stride, dilation=dilation
    )
    ends, total = [], 0
    for kernel in kernels[:-1]:
        total += kernel.shape[-1]
        ends.append(total)
    return jnp.split(together, ends, -1)
