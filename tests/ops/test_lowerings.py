"""Every form in which a CPU computes a convolution, against XLA's own in float64."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from unoptimised import quick

from autoreg_jax.ops import _lowering, _planes, convolution
from autoreg_jax.ops._form import Form
from autoreg_jax.ops._planes import (
    _filled,
    convolve_planes,
    convolve_stacked,
    images_kernel_gradient,
    stacked_kernel_gradient,
)
from autoreg_jax.ops._tiled import tiled_convolve, tiled_kernel_gradient
from autoreg_jax.ops._winograd import best_tile, tile
from autoreg_jax.ops._xla import (
    phased_kernel_gradient,
    plain_convolve,
    plain_image_gradient,
    plain_kernel_gradient,
)


def _arrays(*shapes):
    rng = np.random.default_rng(1)
    return [jnp.asarray(rng.normal(size=shape)) for shape in shapes]


def _agree(found, wanted):
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-11 * np.abs(wanted).max())


@pytest.mark.parametrize(
    ("outputs", "taps"),
    [(2, 2), (3, 2), (5, 2), (2, 3), (4, 3), (3, 4), (4, 5), (2, 7)],
)
def test_tile_is_a_correlation(outputs, taps):
    short = tile(outputs, taps)
    rng = np.random.default_rng(0)
    image, kernel = rng.normal(size=short.products), rng.normal(size=taps)
    found = short.of_output @ ((short.of_kernel @ kernel) * (short.of_image @ image))
    np.testing.assert_allclose(found, np.correlate(image, kernel, "valid"), atol=1e-13)


def test_best_tile_has_the_fewest_products():
    assert (
        best_tile(40, 3, 1).outputs == 5
    )  # 8 blocks of 7; 10 of 6 and 7 of 8 are more
    assert best_tile(6, 3, 1).outputs == 6  # one block of 8
    assert best_tile(8, 3, 2).outputs == 4  # one block of 6 for each of two phases
    assert best_tile(40, 1, 1) is None  # a single tap needs no sums
    assert best_tile(1, 3, 1) is None  # 3 products at least, as without a tile


@pytest.mark.parametrize(
    ("batch", "taps", "dilation", "padding"),
    [
        (1, 3, 1, ((1, 1), (1, 1), (1, 1))),
        (2, 3, 2, ((2, 2), (2, 2), (2, 2))),
        (2, 5, 1, ((0, 3), (2, 2), (1, 0))),
        (1, 5, 2, ((4, 4), (4, 4), (4, 4))),
        (2, 7, 2, ((6, 6), (6, 6), (6, 6))),
        (2, 2, 1, ((-1, 1), (0, 1), (1, 0))),
        (2, 3, 3, ((3, 1), (3, 3), (0, 4))),
    ],
)
def test_forms_of_a_volume(batch, taps, dilation, padding):
    settings = {"dilation": dilation, "padding": padding}
    tiles = [tile(outputs, taps) for outputs in (2, 9 - taps)]

    @quick
    def forms(x, kernel):
        wanted = plain_convolve(x, kernel, **settings)
        (cotangent,) = _arrays(wanted.shape)
        values = [
            convolve_stacked(x, kernel, **settings),
            *(tiled_convolve(x, kernel, short, **settings) for short in tiles),
        ]
        gradients = [
            stacked_kernel_gradient(x, cotangent, plain_kernel_gradient, **settings),
            stacked_kernel_gradient(x, cotangent, images_kernel_gradient, **settings),
            phased_kernel_gradient(x, cotangent, **settings),
            *(tiled_kernel_gradient(x, cotangent, t, **settings) for t in tiles),
        ]
        gradient = plain_kernel_gradient(x, cotangent, **settings)
        return values, wanted, gradients, gradient

    with jax.enable_x64(True):
        x, kernel = _arrays((batch, 11, 8, 9, 2), (taps, taps, taps, 2, 3))
        values, wanted, gradients, gradient = forms(x, kernel)
    for value in values:
        _agree(value, wanted)
    for found in gradients:
        _agree(found, gradient)


@pytest.mark.parametrize("block", [1, 4000, 2**22])
@pytest.mark.parametrize(
    ("taps", "dilation", "padding"),
    [
        ((3, 3), 1, ((1, 1), (1, 1))),
        ((5, 3), 1, ((0, 3), (2, 0))),
        ((3, 7), 2, ((2, 2), (6, 6))),
        ((2, 1), 3, ((-1, 1), (1, -2))),
    ],
)
def test_kernel_gradient_of_images(monkeypatch, block, taps, dilation, padding):
    """One product over all lines, over blocks of a few lines, and over single lines."""
    monkeypatch.setattr(_planes, "_BLOCK", block)
    settings = {"dilation": dilation, "padding": padding}

    @quick
    def forms(x, kernel):
        (cotangent,) = _arrays(plain_convolve(x, kernel, **settings).shape)
        found = images_kernel_gradient(x, cotangent, **settings)
        return found, plain_kernel_gradient(x, cotangent, **settings)

    with jax.enable_x64(True):
        _agree(*forms(*_arrays((2, 13, 9, 2), (*taps, 2, 3))))


@pytest.mark.parametrize(
    ("channels", "features"), [(1, 4), (3, 4), (9, 12), (16, 16), (20, 11), (20, 6)]
)
def test_zero_channels_change_nothing(channels, features):
    with jax.enable_x64(True):
        settings = {"dilation": 1, "padding": ((1, 1), (1, 1))}
        x, kernel = _arrays((2, 5, 4, channels), (3, 3, channels, features))
        forms = plain_convolve, convolve_planes
        wanted, found = quick(lambda *a: [form(*a, **settings) for form in forms])(
            x, kernel
        )
        _agree(found, wanted)


def test_filled_never_takes_away():
    for channels in range(1, 40):
        for features in range(1, 40):
            more = _filled(channels, features)
            assert more[0] >= channels
            assert more[1] >= features
            assert _filled(*more) == more


@pytest.mark.parametrize(
    ("space", "taps", "stride", "dilation"),
    [((7, 8), 3, 2, 1), ((6, 9), 4, 3, 1), ((5, 6, 4), 2, 2, 1), ((8, 7), 3, 1, 2)],
)
def test_forms_with_a_stride(space, taps, stride, dilation):
    """A CPU's phases and what accelerators are given, against XLA's derivatives."""
    width = dilation * (taps - 1) // 2
    padding = ((width, width),) * len(space)
    form = Form(space, (taps,) * len(space), stride, dilation, padding)
    plain = partial(plain_convolve, dilation=dilation, padding=padding, stride=stride)

    @quick
    def forms(x, kernel):
        wanted, back = jax.vjp(plain, x, kernel)
        (cotangent,) = _arrays(wanted.shape)
        found = [
            (
                _lowering._cpu_convolve(x, kernel, form=form),
                _lowering._cpu_image_gradient(cotangent, kernel, form=form),
                _lowering._cpu_kernel_gradient(x, cotangent, form=form),
            ),
            (
                wanted,
                plain_image_gradient(cotangent, kernel, form=form),
                _lowering._xla_kernel_gradient(x, cotangent, form=form),
            ),
        ]
        return (wanted, *back(cotangent)), found

    with jax.enable_x64(True):
        wanted, found = forms(*_arrays((2, *space, 2), (*(taps,) * len(space), 2, 3)))
    for each in found:
        for a, b in zip(each, wanted, strict=True):
            _agree(a, b)


def test_wide_volumes_through_the_door_in_single_precision():
    """Winograd's sums lose little: against the same convolution in double precision."""
    x, kernel = (
        a.astype(np.float32) for a in _arrays((1, 17, 16, 17, 12), (5, 5, 5, 12, 12))
    )

    def with_gradient(convolve):
        def loss(x, kernel):
            value = convolve(x, kernel)
            return jnp.sum(value**2), value

        return jax.jit(jax.grad(loss, (0, 1), has_aux=True))

    found, value = with_gradient(convolution)(x, kernel)
    with jax.enable_x64(True):
        exact = np.asarray(x, np.float64), np.asarray(kernel, np.float64)
        plain = partial(plain_convolve, dilation=1, padding=((2, 2),) * 3)
        gradient, wanted = jax.device_get(with_gradient(plain)(*exact))
    spread = np.std(wanted)
    np.testing.assert_allclose(value, wanted, rtol=0, atol=3e-5 * spread)
    for a, b in zip(found, gradient, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=3e-5 * np.std(b))


def test_half_precision_is_summed_in_single():
    """A sum of 3³·8 products keeps the eight bits of bfloat16, not fewer."""
    x, kernel = (
        a.astype(jnp.bfloat16) for a in _arrays((1, 6, 5, 4, 8), (3, 3, 3, 8, 4))
    )
    summed = quick(convolution)
    found = summed(x, kernel)
    assert found.dtype == jnp.bfloat16
    single = summed(x.astype(jnp.float32), kernel.astype(jnp.float32))
    np.testing.assert_array_equal(found, single.astype(jnp.bfloat16))


def test_half_precision_of_a_depthwise_convolution_is_summed_in_single():
    x, kernel = (
        a.astype(jnp.bfloat16) for a in _arrays((1, 6, 5, 4, 3), (3, 3, 3, 1, 3))
    )
    summed = quick(partial(convolution, groups=3))
    found = summed(x, kernel)
    single = summed(x.astype(jnp.float32), kernel.astype(jnp.float32))
    assert found.dtype == jnp.bfloat16
    np.testing.assert_array_equal(found, single.astype(jnp.bfloat16))
