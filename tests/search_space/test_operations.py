"""The candidates against the published code, and the mixture against Eq. (3)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from autoreg_jax.search_space import OPERATIONS, MixedOperation, make_operation

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


@pytest.fixture(scope="module")
def reference(shared):
    with np.load(shared / "reference" / "autoreg_reference.npz") as content:
        return dict(content)


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
        jnp.shape, module.init(jax.random.key(0), x)
    )
    np.testing.assert_allclose(module.apply(params, x), expected, rtol=1e-4, atol=1e-5)


def test_mixture_equals_the_published_code(reference):
    expected = channels_last(reference["mixture_output"])
    params = {name: reference_params(reference, name) for name in OPERATIONS}
    weights = jax.nn.softmax(jnp.asarray(reference["mixture_logits"]))
    x = jnp.asarray(channels_last(reference["op_input"]))
    out = MixedOperation(expected.shape[-1]).apply({"params": params}, x, weights)
    np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(5, 4, 6), (5, 6)])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_one_hot_mixture_is_the_operation_alone(shape, stride):
    x = jax.random.normal(jax.random.key(0), (1, *shape, 2))
    mixture = MixedOperation(3, stride)
    variables = mixture.init(jax.random.key(1), x, jnp.zeros(len(OPERATIONS)))
    for index, name in enumerate(OPERATIONS):
        alone = make_operation(name, 2, 3, len(shape), stride).apply(
            {"params": variables["params"][name]}, x
        )
        assert alone.shape == (1, *(-(-n // stride) for n in shape), 3)
        mixed = mixture.apply(variables, x, jnp.eye(len(OPERATIONS))[index])
        np.testing.assert_allclose(mixed, alone, rtol=1e-6, atol=1e-6)
