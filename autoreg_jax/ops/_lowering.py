"""How a convolution and its two gradients are computed on each platform.

| platform | image | form | why |
| --- | --- | --- | --- |
| any | kernel of one tap | matrix product | it is one |
| other than CPU | any, with its stride | XLA's own | tensor cores; see below |
| other than CPU | each with its own kernel | XLA's own, grouped | one program for all |
| CPU | each with its own kernel | one after the other | grouped: 12-27 times as long |
| CPU | with a stride | its phases as channels, without | XLA's own are slow there |
| CPU | 1-D | XLA's own | nothing here needs it |
| CPU | 2-D | XLA's own, filled up with zero channels | see `_planes._filled` |
| CPU | 3-D, narrow or small | taps as channels of a 2-D one | 5-50 times XLA's 3-D |
| CPU | 3-D | 2-D ones by Winograd's algorithm | half the products |
| CPU | bfloat16 | as float32, rounded at the end | XLA has no fast one there |

Elsewhere a stride is left to XLA. Phases as channels are a transpose of nine axes, the
last of which have one entry where the image has one channel. A TPU keeps the last two
axes in tiles of 8×128, and its compiler makes phases by itself where they help; on a
GPU strides are the library's own. (By reasoning; neither has been measured.)

The kernel gradients on a CPU are matrix products over the voxels of all images, or of
one plane after the other; those of small volumes are XLA's own 2-D ones. Elsewhere they
are XLA's own, but of dilated kernels on the phases of the dilation as a batch: on an
H200 a kernel gradient whose window has strides takes 5 to 15 times as long as
PyTorch's. Measurements: `tests/benchmarks/README.md`.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax import Array, lax

from autoreg_jax.ops._form import Form, Padding
from autoreg_jax.ops._planes import (
    convolve_planes,
    convolve_stacked,
    images_kernel_gradient,
    stacked_kernel_gradient,
    voxels,
)
from autoreg_jax.ops._strided import (
    image_of_phases,
    image_phases,
    kernel_of_phases,
    kernel_phases,
    phase_form,
)
from autoreg_jax.ops._tiled import tiled_convolve, tiled_kernel_gradient
from autoreg_jax.ops._winograd import best_tile
from autoreg_jax.ops._xla import (
    flipped,
    kernel_shape,
    phased_kernel_gradient,
    plain_convolve,
    plain_image_gradient,
    plain_kernel_gradient,
)

# Up to so many voxels the stacked forms win (measured with 15 to 36 channels: 1.2 to
# 1.9 times quicker at 12×14×12, 1.1 to 2.8 times slower at 24×28×24).
_SMALL = 4096
# So many members are written out: a loop over four took six times as long at 12×14×12
# (16 channels, with gradients), one grouped convolution twelve times.
_FEW = 4
# From so many channels on both sides Winograd's sums cost less than they save.
_WIDE = 12


def _volume_convolve(
    x: Array, kernel: Array, *, dilation: int, padding: Padding
) -> Array:
    """A volume on a CPU."""
    settings = {"dilation": dilation, "padding": padding}
    length = x.shape[1] + sum(padding[0]) - dilation * (kernel.shape[0] - 1)
    tile = best_tile(length, kernel.shape[0], dilation)
    is_wide = min(kernel.shape[-2:]) >= _WIDE and voxels(x) > _SMALL
    if tile is None or not is_wide:
        return convolve_stacked(x, kernel, **settings)
    return tiled_convolve(x, kernel, tile, **settings)


def _volume_kernel_gradient(
    x: Array, cotangent: Array, *, dilation: int, padding: Padding
) -> Array:
    """A volume on a CPU."""
    settings = {"dilation": dilation, "padding": padding}
    if voxels(cotangent) <= _SMALL:
        return stacked_kernel_gradient(x, cotangent, plain_kernel_gradient, **settings)
    taps = kernel_shape(x, cotangent, **settings)[0]
    tile = best_tile(cotangent.shape[1], taps, dilation)
    if tile is None:
        return stacked_kernel_gradient(x, cotangent, images_kernel_gradient, **settings)
    return tiled_kernel_gradient(x, cotangent, tile, **settings)


_CPU_CONVOLVE = {3: plain_convolve, 4: convolve_planes, 5: _volume_convolve}
_CPU_KERNEL_GRADIENT = {
    3: plain_kernel_gradient,
    4: images_kernel_gradient,
    5: _volume_kernel_gradient,
}


def _cpu_convolve(x: Array, kernel: Array, *, form: Form) -> Array:
    """A convolution on a CPU."""
    if form.stride > 1:
        phases = image_phases(x, form), kernel_phases(kernel, form)
        return _cpu_convolve(*phases, form=phase_form(form))
    if form.is_product:
        return _product(x, kernel)
    settings = {"dilation": form.dilation, "padding": form.padding}
    return _CPU_CONVOLVE[x.ndim](x, kernel, **settings)


def _cpu_image_gradient(cotangent: Array, kernel: Array, *, form: Form) -> Array:
    """The flipped kernel over the cotangent, on a CPU."""
    if form.stride > 1:
        taps = kernel_phases(kernel, form)
        image = _cpu_image_gradient(cotangent, taps, form=phase_form(form))
        return image_of_phases(image, form)
    back = form._replace(space=form.out, padding=form.back)
    return _cpu_convolve(cotangent, flipped(kernel), form=back)


def _cpu_kernel_gradient(x: Array, cotangent: Array, *, form: Form) -> Array:
    """A kernel gradient on a CPU."""
    if form.stride > 1:
        phases = image_phases(x, form)
        kernel = _cpu_kernel_gradient(phases, cotangent, form=phase_form(form))
        return kernel_of_phases(kernel, form)
    if form.is_product:
        return _product_gradient(x, cotangent)
    settings = {"dilation": form.dilation, "padding": form.padding}
    return _CPU_KERNEL_GRADIENT[x.ndim](x, cotangent, **settings)


def _xla_kernel_gradient(x: Array, cotangent: Array, *, form: Form) -> Array:
    """A kernel gradient elsewhere."""
    settings = {"dilation": form.dilation, "padding": form.read}
    if form.dilation > 1 and form.stride == 1:
        return phased_kernel_gradient(x, cotangent, **settings)
    return plain_kernel_gradient(x, cotangent, stride=form.stride, **settings)


def _product(x: Array, kernel: Array) -> Array:
    """A kernel of one tap."""
    return jnp.einsum("...c,cf->...f", x, kernel.reshape(kernel.shape[-2:]))


def _product_gradient(x: Array, cotangent: Array) -> Array:
    """The gradient of a kernel of one tap."""
    product = jnp.einsum("...c,...f->cf", x, cotangent)
    return product.reshape((1,) * (x.ndim - 2) + product.shape)


def _on_platform(
    a: Array,
    b: Array,
    cpu: Callable[..., Array],
    default: Callable[..., Array],
    *,
    members: bool,
) -> Array:
    """Pick one of two forms; half precision is summed in single."""
    dtype = a.dtype
    is_half = dtype.itemsize < 4

    def on_cpu(a: Array, b: Array) -> Array:
        if is_half:
            a, b = a.astype(jnp.float32), b.astype(jnp.float32)
        if not members:
            out = cpu(a, b)
        elif a.shape[0] <= _FEW:
            out = jnp.stack([cpu(*pair) for pair in zip(a, b, strict=True)])
        else:
            out = lax.map(lambda pair: cpu(*pair), (a, b))
        return out.astype(dtype)

    elsewhere = jax.vmap(default) if members else default
    return lax.platform_dependent(a, b, cpu=on_cpu, default=elsewhere)


def _members(function: Callable[..., Array], *, members: bool) -> Callable[..., Array]:
    return jax.vmap(function) if members else function


def convolve(x: Array, kernel: Array, *, form: Form, members: bool = False) -> Array:
    """Convolution of `(b, *space, c)` by `(*taps, c, f)`.

    With `members` all arrays have one more leading axis: of pairs of an image and its
    own kernel.
    """
    if form.is_product:
        return _members(_product, members=members)(x, kernel)
    settings = {
        "dilation": form.dilation,
        "padding": form.padding,
        "stride": form.stride,
    }
    return _on_platform(
        x,
        kernel,
        partial(_cpu_convolve, form=form),
        partial(plain_convolve, **settings),
        members=members,
    )


def image_gradient(
    cotangent: Array, kernel: Array, *, form: Form, members: bool = False
) -> Array:
    """The image `(b, *space, c)` that pairs a kernel with its cotangent."""
    if form.is_product:
        back = _members(_product, members=members)
        return back(cotangent, jnp.swapaxes(kernel, -1, -2))
    return _on_platform(
        cotangent,
        kernel,
        partial(_cpu_image_gradient, form=form),
        partial(plain_image_gradient, form=form),
        members=members,
    )


def kernel_gradient(
    x: Array, cotangent: Array, *, form: Form, members: bool = False
) -> Array:
    """The kernel `(*taps, c, f)` that pairs `x` `(b, *space, c)` with its cotangent."""
    if form.is_product:
        return _members(_product_gradient, members=members)(x, cotangent)
    return _on_platform(
        x,
        cotangent,
        partial(_cpu_kernel_gradient, form=form),
        partial(_xla_kernel_gradient, form=form),
        members=members,
    )
