"""The candidates against the published code, and the mixture against Eq. (3)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from unoptimised import quick

from autoreg_jax.search_space import (
    OPERATIONS,
    Cell,
    MixedOperation,
    make_operation,
)

TORCH_NAMES = {
    "conv_1": "conv_1x1",
    "conv_3": "conv_3x3",
    "conv_5": "conv_5x5",
    "sep_conv_3": "sep_conv_3x3",
    "sep_conv_5": "sep_conv_5x5",
    "dil_conv_3": "dil_conv_3x3",
    "dil_conv_5": "dil_conv_5x5",
    "dil_conv_7": "dil_conv_7x7",
}


def from_torch(kernel):
    """`(out, in, *k)` to `(*k, in, out)`."""
    return jnp.asarray(np.moveaxis(kernel, (0, 1), (-1, -2)))


def reference_params(reference, name):
    prefix = f"op/{TORCH_NAMES[name]}"
    weight = lambda index: from_torch(reference[f"{prefix}/op.{index}.weight"])  # noqa: E731
    if name.startswith("sep"):
        return {
            "dense": weight(0),
            "depthwise": weight(2),
            "pointwise": weight(3)[0, 0, 0],
        }
    params = {"kernel": weight(0)}
    if name.startswith("dil"):
        params["bias"] = jnp.asarray(reference[f"{prefix}/op.0.bias"])
    return params


def channels_last(array):
    return np.moveaxis(array, 0, -1)[None]


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_equals_the_published_code(reference, name, stride):
    expected = channels_last(reference[f"op/{TORCH_NAMES[name]}/output_stride{stride}"])
    params = {"params": reference_params(reference, name)}
    x = jnp.asarray(channels_last(reference["op_input"]))
    module = make_operation(name, x.shape[-1], expected.shape[-1], 3, stride)
    assert jax.tree.map(jnp.shape, params) == jax.tree.map(
        jnp.shape, jax.eval_shape(module.init, jax.random.key(0), x)
    )
    step = 3 if stride == 1 else 1  # of the voxels whose values are kept
    out = np.asarray(quick(module.apply)(params, x))[:, ::step, ::step, ::step]
    np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-5)


def test_mixture_equals_the_published_code(reference):
    expected = channels_last(reference["mixture_output"])
    params = {name: reference_params(reference, name) for name in OPERATIONS}
    weights = jax.nn.softmax(jnp.asarray(reference["mixture_logits"]))
    x = jnp.asarray(channels_last(reference["op_input"]))
    apply = quick(MixedOperation(expected.shape[-1]).apply)
    out = np.asarray(apply({"params": params}, x, weights))[:, ::3, ::3, ::3]
    np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "stride"),
    [
        ((5, 4, 6), 2),
        ((5, 6), 1),
        pytest.param((5, 4, 6), 1, marks=pytest.mark.slow),
        pytest.param((5, 6), 2, marks=pytest.mark.slow),
    ],
)
def test_a_one_hot_mixture_is_the_operation_alone(shape, stride):
    x = jax.random.normal(jax.random.key(0), (1, *shape, 2))
    mixture = MixedOperation(3, stride)
    start = quick(mixture.init)(jax.random.key(1), x, jnp.zeros(len(OPERATIONS)))

    @quick
    def alone(params, x):
        return [
            make_operation(name, 2, 3, len(shape), stride).apply(
                {"params": params[name]}, x
            )
            for name in OPERATIONS
        ]

    mixed = quick(mixture.apply)
    for index, wanted in enumerate(alone(start["params"], x)):
        assert wanted.shape == (1, *(-(-n // stride) for n in shape), 3)
        found = mixed(start, x, jnp.eye(len(OPERATIONS))[index])
        np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6)


@pytest.fixture(scope="module")
def mixture():
    rng = np.random.default_rng(3)
    x = jnp.asarray(rng.normal(size=(1, 9, 10, 2)), jnp.float32)
    weights = jnp.asarray(rng.dirichlet(np.ones(8)), jnp.float32)
    params = quick(MixedOperation(3).init)(jax.random.key(0), x, weights)["params"]
    return x, weights, params


def test_rematerialised_mixture_is_the_mixture_with_less_kept(mixture):
    x, weights, params = mixture

    def programs(rematerialise):
        module = MixedOperation(3, rematerialise=rematerialise)

        def loss(params, weights):
            return jnp.sum(module.apply({"params": params}, x, weights) ** 2)

        return jax.value_and_grad(loss, (0, 1)), loss

    (plain, loss), (bounded, bounded_loss) = programs(False), programs(True)
    wanted, found = quick(plain)(params, weights), quick(bounded)(params, weights)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, 1e-5, 1e-5), wanted, found
    )

    def kept(loss):
        pullback = jax.eval_shape(lambda *at: jax.vjp(loss, *at)[1], params, weights)
        return sum(leaf.size for leaf in jax.tree.leaves(pullback))

    assert kept(bounded_loss) < 0.5 * kept(loss)

    # Forward over reverse, as the mixed product of a hypergradient needs it.
    def product(gradients):
        return jax.jvp(lambda p: gradients(p, weights)[1][1], (params,), (params,))[1]

    second = quick(product, static_argnums=0)
    np.testing.assert_allclose(second(bounded), second(plain), rtol=1e-4)


LAST_KERNELS = dict.fromkeys(OPERATIONS, "kernel") | dict.fromkeys(
    ("sep_conv_3", "sep_conv_5"), "pointwise"
)


@pytest.mark.parametrize("is_normalised", [False, True])
def test_slope_of_a_weight_is_that_of_the_kernel_unless_normalised(
    mixture, is_normalised
):
    x, weights, params = mixture
    module = MixedOperation(3, is_normalised=is_normalised)
    target = jax.random.normal(jax.random.key(7), (1, 9, 10, 3))

    def loss(params, weights):
        found = module.apply({"params": params}, x, weights)
        return jnp.mean((found - target) ** 2)

    of_params, of_weights = quick(jax.grad(loss, (0, 1)))(params, weights)
    # Euler: a candidate f is homogeneous in its last kernel W, so a ∂L/∂a = ⟨∂L/∂W, W⟩.
    along = [
        jnp.vdot(of_params[name][last], params[name][last])
        for name, last in LAST_KERNELS.items()
    ]
    if is_normalised:  # then the size of W changes nothing
        np.testing.assert_allclose(along, np.zeros(8), atol=1e-6)
        assert np.abs(of_weights).min() > 1e-4
    else:
        np.testing.assert_allclose(along, weights * of_weights, rtol=1e-3, atol=1e-6)


def test_a_normalised_mixture_does_not_know_the_size_of_a_kernel(mixture):
    x, weights, params = mixture
    module = MixedOperation(3, is_normalised=True)

    @quick
    def both(params, x, weights):
        def total(x):
            return jnp.sum(module.apply({"params": params}, x, weights))

        return module.apply({"params": params}, x, weights), jax.grad(total)(x)

    doubled = params | {"conv_3": {"kernel": 2 * params["conv_3"]["kernel"]}}
    wanted, _ = both(params, x, weights)
    np.testing.assert_allclose(both(doubled, x, weights)[0], wanted, 1e-4, 1e-5)
    alone, _ = both(params, x, jnp.eye(8)[1])
    assert float(jnp.mean(alone**2)) == pytest.approx(1, rel=1e-4)
    # Candidates that are zero, and their gradients, stay finite.
    value, slope = both(params, jnp.zeros_like(x), weights)
    assert not value.any()
    assert jnp.isfinite(slope).all()


def test_half_precision_rounds_the_convolutions_only(mixture):
    x, weights, params = mixture
    cell = {"edge_0": params}
    single, half = (
        quick(Cell((3,), 1, precision=precision).apply)(
            {"params": cell}, x, weights[None]
        )
        for precision in ("float32", "bfloat16")
    )
    assert half.dtype == jnp.float32
    error = np.abs(np.asarray(half) - single).max() / np.std(single)
    assert 1e-4 < error < 3e-2  # some of the 2^-8 of bfloat16, and not more


def test_the_operation_of_dilation_8_reaches_eight_voxels():
    rng = np.random.default_rng(5)
    x = rng.normal(size=(1, 18, 10, 2)).astype(np.float32)
    kernel = rng.normal(size=(3, 3, 2, 3)).astype(np.float32)
    bias = rng.normal(size=3).astype(np.float32)
    around = np.pad(x, ((0, 0), (8, 8), (8, 8), (0, 0)))
    total = np.broadcast_to(bias, (1, 18, 10, 3)).copy()
    for i, j in np.ndindex(3, 3):
        total += around[:, 8 * i :, 8 * j :][:, :18, :10] @ kernel[i, j]
    wanted = np.where(total > 0, total, 0.2 * total)
    params = {"kernel": jnp.asarray(kernel), "bias": jnp.asarray(bias)}
    operation = make_operation("dil_conv_3_8", 2, 3, 2)
    found = quick(operation.apply)({"params": params}, x)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
