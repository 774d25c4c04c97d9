"""Linear maps along one axis as a primitive, so that both directions are quick.

JAX transposes slices and gathers into pads and scatters, which on a CPU take four times
as long as the map itself. A map that names its transpose is spared that, in derivatives
of every order and mode.
"""

from typing import Any, Protocol, Self

import jax
from jax import Array
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir


class AxisMap(Protocol):
    """A linear map along one axis; a hashable value."""

    def __call__(self, x: Array, axis: int) -> Array:
        """Map `x` along `axis`."""
        ...

    def length(self, size: int) -> int:
        """Voxels of an axis of `size` voxels after the map."""
        ...

    def transposed(self) -> Self:
        """The transpose."""
        ...


along_axis_p = Primitive("autoreg_along_axis")


def along_axis(x: Array, axis: int, linear: AxisMap) -> Array:
    """`linear(x, axis)`, whose pullback is `linear.transposed()`.

    Args:
        x: Any array.
        axis: From 0; not divided over devices.
        linear: The map.

    Returns:
        The mapped array; other axes keep their size and their place on devices.
    """
    return along_axis_p.bind(x, axis=axis, linear=linear)


def _compute(x: Array, *, axis: int, linear: AxisMap) -> Array:
    return linear(x, axis)


def _type(x: Any, *, axis: int, linear: AxisMap) -> Any:
    shape = list(x.shape)
    shape[axis] = linear.length(shape[axis])
    return x.update(shape=tuple(shape), weak_type=False)


def _transpose(output: Array, x: Any, *, axis: int, linear: AxisMap) -> list[Any]:
    del x
    if type(output) is ad.Zero:
        return [output]
    return [along_axis(output, axis, linear.transposed())]


def _batch(args: Any, mapped: Any, *, axis: int, linear: AxisMap) -> Any:
    (x,), (place,) = args, mapped
    return along_axis(x, axis + (place <= axis), linear), place


along_axis_p.def_impl(jax.jit(_compute, static_argnames=("axis", "linear")))
along_axis_p.def_abstract_eval(_type)
ad.deflinear2(along_axis_p, _transpose)
batching.primitive_batchers[along_axis_p] = _batch
mlir.register_lowering(along_axis_p, mlir.lower_fun(_compute, multiple_results=False))
