"""Convolution, image gradient and kernel gradient as three bilinear primitives.

They are the three readings of one form that is linear in image, kernel and output, so
each of them, transposed in one argument, is another. Stated once, as JAX primitives,
this gives every derivative of every order, forward or reverse, at the speed of the
lowerings of `_lowering`, which a `custom_vjp` (no forward mode) or a `custom_jvp`
(XLA's own slow transposes) would not.

A batch that is divided over the devices of a mesh stays divided, whether the axes of
the mesh are automatic, explicit or those of a `jax.shard_map`.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jax.sharding import PartitionSpec

from autoreg_jax.ops._form import Form
from autoreg_jax.ops._lowering import convolve, image_gradient, kernel_gradient

convolve_p = Primitive("autoreg_convolve")
image_gradient_p = Primitive("autoreg_image_gradient")
kernel_gradient_p = Primitive("autoreg_kernel_gradient")


def convolve_by_form(x: Array, kernel: Array, form: Form) -> Array:
    """Convolution, differentiable any number of times in any mode.

    It and its derivatives keep the `jax.default_matmul_precision` of this call.
    """
    config: Any = jax.config  # its attributes are made at run time
    # Inside a `shard_map` both must vary over the same axes; for the kernel, this is
    # where its cotangents are summed over the devices.
    axes = [_varying(a) for a in (x, kernel)]
    x, kernel = (
        lax.pcast(a, tuple(sorted(frozenset.union(*axes) - own)), to="varying")
        for a, own in zip((x, kernel), axes, strict=True)
    )
    precision = config.jax_default_matmul_precision
    return convolve_p.bind(x, kernel, form=form, members=False, precision=precision)


def _varying(a: Array) -> frozenset[str]:
    """Axes of a `shard_map` over which an array differs."""
    return jax.typeof(a).manual_axis_type.varying


def _typed(like: Any, shape: tuple[int, ...], spec: tuple[Any, ...]) -> Any:
    """The type of a result: that of an argument, of another shape."""
    sharding = like.sharding.update(spec=PartitionSpec(*spec))
    return like.update(shape=shape, weak_type=False, sharding=sharding)


def _output_type(image: Any, kernel: Any, form: Form, lead: int) -> Any:
    shape = (*image.shape[: lead + 1], *form.out, kernel.shape[-1])
    spec = (*image.sharding.spec[:-1], kernel.sharding.spec[-1])
    return _typed(image, shape, spec)


def _image_type(output: Any, kernel: Any, form: Form, lead: int) -> Any:
    shape = (*output.shape[: lead + 1], *form.space, kernel.shape[-2])
    spec = (*output.sharding.spec[:-1], kernel.sharding.spec[-2])
    return _typed(output, shape, spec)


def _kernel_type(image: Any, output: Any, form: Form, lead: int) -> Any:
    """Replicated: a sum over the batch, wherever that lies."""
    shape = (*image.shape[:lead], *form.taps, image.shape[-1], output.shape[-1])
    specs = image.sharding.spec, output.sharding.spec
    spec = (*specs[0][:lead], *(None for _ in form.taps), specs[0][-1], specs[1][-1])
    return _typed(image, shape, spec)


def _fold(array: Array, mapped: int, axis: int, *, is_batch: bool) -> Array:
    """Join a mapped axis and `axis`, counted without it.

    The batch is the major one of the two, so that it stays divided over devices.
    """
    moved = jnp.moveaxis(array, mapped, axis + is_batch)
    shape = moved.shape
    return moved.reshape(
        *shape[:axis], shape[axis] * shape[axis + 1], *shape[axis + 2 :]
    )


def _unfold(array: Array, size: int, axis: int, *, is_batch: bool) -> Array:
    """Undo `_fold`; the mapped axis comes first."""
    shape, own = array.shape, array.shape[axis] // size
    parts = (own, size) if is_batch else (size, own)
    split = array.reshape(*shape[:axis], *parts, *shape[axis + 1 :])
    return jnp.moveaxis(split, axis + is_batch, 0)


def _batcher(primitive: Primitive, free: tuple[int, int], result: tuple[int, int]):
    """The rule of `vmap`, which keeps one program whatever is mapped.

    An axis of one argument joins the axis that this argument alone shares with the
    result: axis 0 is the batch, a negative one channels. An axis of both becomes that
    of members, each with its own image and kernel.
    """

    def rule(args: Any, mapped: Any, *, members: bool, **settings: Any) -> Any:
        if None in mapped:
            which = 0 if mapped[1] is None else 1
            array, is_batch = args[which], free[which] == 0
            size = array.shape[mapped[which]]

            def place(axis: int, ndim: int) -> int:
                return int(members) if is_batch else ndim + axis

            folded = list(args)
            at = place(free[which], array.ndim - 1)
            folded[which] = _fold(array, mapped[which], at, is_batch=is_batch)
            out = primitive.bind(*folded, members=members, **settings)
            at = place(result[which], out.ndim)
            return _unfold(out, size, at, is_batch=is_batch), 0
        leading = [
            jnp.moveaxis(a, axis, 0) for a, axis in zip(args, mapped, strict=True)
        ]
        if not members:
            return primitive.bind(*leading, members=True, **settings), 0
        size = leading[0].shape[0]
        merged = [a.reshape(-1, *a.shape[2:]) for a in leading]
        out = primitive.bind(*merged, members=True, **settings)
        return out.reshape(size, -1, *out.shape[1:]), 0

    return rule


def _register(
    primitive: Primitive,
    compute: Callable[..., Array],
    type_of: Callable[..., Any],
    transposes: tuple[Callable[..., Array], Callable[..., Array]],
) -> None:
    """Tell JAX the type, derivatives and lowering of one primitive."""

    def abstract(a: Any, b: Any, *, form: Form, members: bool, **_: Any) -> Any:
        return type_of(a, b, form, int(members))

    def lowering(a: Array, b: Array, *, precision: Any, **settings: Any) -> Array:
        here: Callable[..., Any] = compute
        if jax.sharding.get_abstract_mesh().explicit_axes:
            spec = abstract(jax.typeof(a), jax.typeof(b), **settings).sharding.spec
            here = jax.sharding.auto_axes(compute, out_sharding=spec)
        # Lowered long after `jax.default_matmul_precision` has been left.
        with jax.default_matmul_precision(precision):
            return here(a, b, **settings)

    primitive.def_impl(lowering)
    primitive.def_abstract_eval(abstract)
    ad.defbilinear(primitive, *transposes)
    mlir.register_lowering(primitive, mlir.lower_fun(lowering, multiple_results=False))


_register(
    convolve_p,
    convolve,
    _output_type,
    (
        lambda output, _, kernel, **s: image_gradient_p.bind(output, kernel, **s),
        lambda output, image, _, **s: kernel_gradient_p.bind(image, output, **s),
    ),
)
_register(
    image_gradient_p,
    image_gradient,
    _image_type,
    (
        lambda image, _, kernel, **s: convolve_p.bind(image, kernel, **s),
        lambda image, output, _, **s: kernel_gradient_p.bind(image, output, **s),
    ),
)
_register(
    kernel_gradient_p,
    kernel_gradient,
    _kernel_type,
    (
        lambda kernel, _, output, **s: image_gradient_p.bind(output, kernel, **s),
        lambda kernel, image, _, **s: convolve_p.bind(image, kernel, **s),
    ),
)
batching.primitive_batchers[convolve_p] = _batcher(convolve_p, (0, -1), (0, -1))
batching.primitive_batchers[image_gradient_p] = _batcher(
    image_gradient_p, (0, -2), (0, -1)
)
batching.primitive_batchers[kernel_gradient_p] = _batcher(
    kernel_gradient_p, (-1, -1), (-2, -1)
)
