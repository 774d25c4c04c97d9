"""A dense convolution of any stride and dilation."""

from jax import Array

from autoreg_jax.ops._bilinear import convolve_by_form
from autoreg_jax.ops._form import Form


def dense(x: Array, kernel: Array, form: Form) -> Array:
    """A dense convolution with the fewest products.

    Output `o` reads `stride·o + dilation·t − pad`. If the stride divides the dilation,
    all taps of an output lie in one phase `x[r::stride]`. With another dilation, which
    no network here uses, every output is computed and some are kept.
    """
    stride, dilation, padding = form.stride, form.dilation, form.padding
    if stride == 1 or dilation == 1:
        return convolve_by_form(x, kernel, form)
    if dilation % stride == 0:
        first = [-low % stride for low, _ in padding]
        phase = x[(slice(None), *(slice(f, None, stride) for f in first))]
        space, dilation = phase.shape[1:-1], dilation // stride
        widths = []
        for f, (low, _), n, k, size in zip(
            first, padding, form.out, form.taps, space, strict=True
        ):
            before = (low + f) // stride
            widths.append((before, n + dilation * (k - 1) - size - before))
        one = Form(space, form.taps, 1, dilation, tuple(widths))
        return convolve_by_form(phase, kernel, one)
    every = convolve_by_form(x, kernel, form._replace(stride=1))
    return every[(slice(None), *(slice(None, None, stride) for _ in form.out))]
