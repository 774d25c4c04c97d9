"""`ops.convolution` against XLA's own convolution, in every derivative."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from unoptimised import quick

from autoreg_jax.ops import convolution

SHAPES = [(5, 6, 7), (1, 4, 3), (6, 7), (7,)]


# Taps, stride and dilation: odd and even, the stride dividing the dilation or not.
KINDS = [
    (1, 1, 1),
    (1, 2, 2),
    (2, 3, 1),
    (3, 1, 1),
    (3, 1, 2),
    (3, 2, 1),
    (3, 2, 2),
    (3, 3, 2),
    (4, 1, 2),
    (4, 2, 1),
    (5, 1, 1),
    (5, 2, 1),
]


def xla_convolution(x, kernel, stride=1, dilation=1, groups=1):
    ndim = x.ndim - 2
    space = "DHW"[-ndim:]
    return lax.conv_general_dilated(
        x,
        kernel,
        (stride,) * ndim,
        [(dilation * (taps - 1) // 2,) * 2 for taps in kernel.shape[:-2]],
        rhs_dilation=(dilation,) * ndim,
        dimension_numbers=(f"N{space}C", f"{space}IO", f"N{space}C"),
        feature_group_count=groups,
    )


def arrays(shape, size, groups=1, channels=4):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, *shape, channels))
    kernel = rng.normal(size=(size,) * len(shape) + (channels // groups, 4))
    return jnp.asarray(x), jnp.asarray(kernel)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("shape", SHAPES)
def test_value_equals_xla(shape, groups):
    # A depthwise kernel is one operation a tap: large ones take long and show no more.
    largest = 5 if groups < 4 or len(shape) < 3 else 3
    fitting = [
        (size, {"stride": stride, "dilation": dilation, "groups": groups})
        for size, stride, dilation in KINDS
        if size <= largest
        and all(
            n + 2 * (dilation * (size - 1) // 2) > dilation * (size - 1) for n in shape
        )
    ]
    given = [arrays(shape, size, groups) for size, _ in fitting]

    def all_kinds(op):
        return quick(
            lambda given: [
                op(*pair, **settings)
                for pair, (_, settings) in zip(given, fitting, strict=True)
            ]
        )(given)

    assert len(fitting) >= 5
    for ours, theirs in zip(
        all_kinds(convolution), all_kinds(xla_convolution), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-11)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("shape", [(5, 4, 3), (6, 5)])
@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (1, 2), (2, 2)])
def test_derivatives_of_both_orders_and_modes_equal_xla(shape, stride, dilation):
    x, kernel = arrays(shape, 3, channels=2)
    tangents = jax.tree.map(lambda a: jnp.cos(a), (x, kernel))

    def everything(op):
        def loss(x, kernel):
            return jnp.sum(jnp.sin(op(x, kernel, stride=stride, dilation=dilation)))

        gradient = jax.grad(loss, (0, 1))
        forward = jax.jvp(loss, (x, kernel), tangents)
        forward_over_reverse = jax.jvp(gradient, (x, kernel), tangents)
        reverse_over_reverse = jax.grad(
            lambda *a: sum(
                jnp.vdot(g, t) for g, t in zip(gradient(*a), tangents, strict=True)
            ),
            (0, 1),
        )(x, kernel)
        return forward, forward_over_reverse, reverse_over_reverse

    ours, theirs = (
        quick(everything, static_argnums=0)(op) for op in (convolution, xla_convolution)
    )
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-10)


def mapped(members, batch, space):
    """Images and kernels of some members."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(members, batch, *space, 2))
    kernel = rng.normal(size=(members, *(3,) * len(space), 2, 3))
    return jnp.asarray(x), jnp.asarray(kernel)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("axes", "members"), [((0, None), 3), ((None, 0), 3), ((0, 0), 3), ((0, 0), 5)]
)
def test_vmap_of_the_gradient_equals_a_loop(axes, members):
    x, kernel = mapped(members, 2, (4, 3, 2))
    gradient = jax.grad(lambda x, k: jnp.sum(convolution(x, k) ** 3), (0, 1))
    pick = [a if axis == 0 else a[0] for a, axis in zip((x, kernel), axes, strict=True)]
    together = quick(jax.vmap(gradient, axes))(*pick)
    gradient = quick(gradient)
    for i in range(members):
        alone = gradient(
            *(a[i] if axis == 0 else a for a, axis in zip(pick, axes, strict=True))
        )
        for a, b in zip(together, alone, strict=True):
            np.testing.assert_allclose(a[i], b, rtol=1e-10)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("axes", [(0, None), (None, 0), (0, 0)])
def test_vmap_of_members_equals_a_loop(axes):
    """An axis of images, of kernels or of both over members with their own kernels."""
    x, kernel = (a.reshape(2, 2, *a.shape[1:]) for a in mapped(4, 2, (5, 3)))
    of_members = jax.vmap(lambda x, k: convolution(x, k, stride=2))
    pick = [a if axis == 0 else a[0] for a, axis in zip((x, kernel), axes, strict=True)]
    together = quick(jax.vmap(of_members, axes))(*pick)
    of_members = quick(of_members)
    for i in range(2):
        alone = of_members(
            *(a[i] if axis == 0 else a for a, axis in zip(pick, axes, strict=True))
        )
        np.testing.assert_allclose(together[i], alone, rtol=1e-10)


def test_members_are_one_convolution_on_accelerators():
    gradient = jax.grad(lambda x, k: jnp.sum(convolution(x, k, stride=2) ** 3), (0, 1))
    traced = jax.jit(jax.vmap(gradient)).trace(*mapped(5, 2, (6, 4)))
    text = traced.lower(lowering_platforms=("tpu",)).as_text()
    assert text.count("stablehlo.convolution") == 3
    assert text.count("_group_count = 5") == 3
    assert "stablehlo.while" not in text


@pytest.mark.parametrize(
    ("x_shape", "kernel_shape", "settings", "message"),
    [
        ((1, 4, 4, 2), (3, 2, 2), {}, "equally many spatial axes"),
        ((1, 4, 2), (3, 3, 2), {}, "do not fit a kernel"),
        ((1, 4, 2), (3, 1, 3), {"groups": 2}, "do not fit a kernel"),
        ((1, 4, 2), (3, 2, 2), {"stride": 0}, "at least 1"),
    ],
)
def test_what_does_not_fit_is_said(x_shape, kernel_shape, settings, message):
    with pytest.raises(ValueError, match=message):
        convolution(jnp.zeros(x_shape), jnp.zeros(kernel_shape), **settings)
