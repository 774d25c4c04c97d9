"""The stride-1 convolution and its kernel gradient as two bilinear primitives.

A convolution is bilinear in image and kernel, and so is the gradient of its kernel in
image and cotangent; the transpose of either one in any argument is again one of the
two. Stated once, as JAX primitives, this gives every derivative of every order, forward
or reverse, at the speed of the two lowerings of `_lowering`, which a `custom_vjp` (no
forward mode) or a `custom_jvp` (XLA's own slow transposes) would not.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from autoreg_jax.ops._lowering import convolve, kernel_gradient

Padding = tuple[tuple[int, int], ...]

convolve_p = Primitive("autoreg_convolve")
kernel_gradient_p = Primitive("autoreg_kernel_gradient")


def _convolve_shape(
    x: Any, kernel: Any, *, dilation: int, padding: Padding, **_: Any
) -> Any:
    """Shape `(b, *out, f)` of the convolution of `(b, *space, c)` by `(*k, c, f)`."""
    space = tuple(
        size + low + high - dilation * (taps - 1)
        for size, taps, (low, high) in zip(
            x.shape[1:-1], kernel.shape[:-2], padding, strict=True
        )
    )
    return ShapedArray((x.shape[0], *space, kernel.shape[-1]), x.dtype)


def _kernel_gradient_shape(
    x: Any, cotangent: Any, *, dilation: int, padding: Padding, **_: Any
) -> Any:
    """Shape `(*k, c, f)` of the kernel that maps `x` to `cotangent`."""
    taps = tuple(
        (size + low + high - out) // dilation + 1
        for size, out, (low, high) in zip(
            x.shape[1:-1], cotangent.shape[1:-1], padding, strict=True
        )
    )
    return ShapedArray((*taps, x.shape[-1], cotangent.shape[-1]), x.dtype)


def _adjoint(kernel: Array, dilation: int, padding: Padding) -> tuple[Array, Padding]:
    """The kernel and padding that carry an output cotangent back to the input."""
    axes = tuple(range(kernel.ndim - 2))
    flipped = jnp.swapaxes(jnp.flip(kernel, axes), -1, -2)
    reach = [dilation * (taps - 1) for taps in kernel.shape[:-2]]
    return flipped, tuple(
        (r - low, r - high) for r, (low, high) in zip(reach, padding, strict=True)
    )


def _to_image(cotangent: Any, x: Any, kernel: Any, **settings: Any) -> Array:
    """`convolve_p` transposed in its image: the flipped kernel over the cotangent."""
    del x
    flipped, padding = _adjoint(kernel, settings["dilation"], settings["padding"])
    return convolve_p.bind(cotangent, flipped, **settings | {"padding": padding})


def _to_kernel(cotangent: Any, x: Any, kernel: Any, **settings: Any) -> Array:
    """`convolve_p` transposed in its kernel."""
    del kernel
    return kernel_gradient_p.bind(x, cotangent, **settings)


def _gradient_to_image(kernel: Any, x: Any, cotangent: Any, **settings: Any) -> Array:
    """`kernel_gradient_p` transposed in its image."""
    return _to_image(cotangent, x, kernel, **settings)


def _gradient_to_output(kernel: Any, x: Any, cotangent: Any, **settings: Any) -> Array:
    """`kernel_gradient_p` transposed in its cotangent."""
    del cotangent
    return convolve_p.bind(x, kernel, **settings)


def _merge(array: Array, axis: int, into: int) -> Array:
    """Fold the mapped `axis` into the axis that is `into` without it."""
    moved = jnp.moveaxis(array, axis, into)
    shape = moved.shape
    return moved.reshape(
        *shape[:into], shape[into] * shape[into + 1], *shape[into + 2 :]
    )


def _split(array: Array, axis: int, size: int) -> Array:
    """Undo `_merge`: a mapped axis of `size` in front of `axis`, moved to the front."""
    shape = array.shape
    parts = array.reshape(*shape[:axis], size, shape[axis] // size, *shape[axis + 1 :])
    return jnp.moveaxis(parts, axis, 0)


def _batch_convolve(args: Any, axes: Any, **settings: Any) -> tuple[Array, int]:
    """`vmap` over images joins the batch, over kernels the output channels."""
    (x, kernel), (x_axis, kernel_axis) = args, axes
    if kernel_axis is None:
        out = convolve_p.bind(_merge(x, x_axis, 0), kernel, **settings)
        return _split(out, 0, x.shape[x_axis]), 0
    if x_axis is None:
        wide = _merge(kernel, kernel_axis, kernel.ndim - 2)
        out = convolve_p.bind(x, wide, **settings)
        return _split(out, out.ndim - 1, kernel.shape[kernel_axis]), 0
    return _mapped(convolve_p, args, axes, settings)


def _batch_kernel_gradient(args: Any, axes: Any, **settings: Any) -> tuple[Array, int]:
    """`vmap` over one of the two arrays joins its channels."""
    (x, cotangent), (x_axis, cotangent_axis) = args, axes
    if cotangent_axis is None:
        wide = _merge(x, x_axis, x.ndim - 2)
        out = kernel_gradient_p.bind(wide, cotangent, **settings)
        return _split(out, out.ndim - 2, x.shape[x_axis]), 0
    if x_axis is None:
        wide = _merge(cotangent, cotangent_axis, cotangent.ndim - 2)
        out = kernel_gradient_p.bind(x, wide, **settings)
        return _split(out, out.ndim - 1, cotangent.shape[cotangent_axis]), 0
    return _mapped(kernel_gradient_p, args, axes, settings)


def _mapped(primitive: Primitive, args: Any, axes: Any, settings: Any) -> Any:
    """One after the other: both arguments differ along the mapped axis."""
    leading = [jnp.moveaxis(a, axis, 0) for a, axis in zip(args, axes, strict=True)]
    return lax.map(lambda pair: primitive.bind(*pair, **settings), tuple(leading)), 0


def _register(
    primitive: Primitive, compute: Callable[..., Array], shape: Any, *rules: Any
) -> None:
    """Tell JAX the value, shape, derivatives and lowering of one primitive."""

    # Lowered long after `jax.default_matmul_precision` has been left.
    def lowering(a: Array, b: Array, *, precision: Any, **settings: Any) -> Array:
        with jax.default_matmul_precision(precision):
            return compute(a, b, **settings)

    primitive.def_impl(lowering)
    primitive.def_abstract_eval(shape)
    ad.defbilinear(primitive, *rules)
    mlir.register_lowering(primitive, mlir.lower_fun(lowering, multiple_results=False))


_register(convolve_p, convolve, _convolve_shape, _to_image, _to_kernel)
_register(
    kernel_gradient_p,
    kernel_gradient,
    _kernel_gradient_shape,
    _gradient_to_image,
    _gradient_to_output,
)
batching.primitive_batchers[convolve_p] = _batch_convolve
batching.primitive_batchers[kernel_gradient_p] = _batch_kernel_gradient


def stride_one(x: Array, kernel: Array, *, dilation: int, padding: Padding) -> Array:
    """Convolution of stride 1, differentiable any number of times in any mode.

    It and its derivatives keep the `jax.default_matmul_precision` of this call.
    """
    config: Any = jax.config  # its attributes are made at run time
    settings = {"dilation": dilation, "padding": padding}
    precision = config.jax_default_matmul_precision
    return convolve_p.bind(x, kernel, precision=precision, **settings)
