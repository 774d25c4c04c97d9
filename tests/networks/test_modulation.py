"""A network that is told numbers: what they change, and that nothing else does."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from unoptimised import quick

from autoreg_jax.networks import Modulation, RegistrationNetwork, Structure
from autoreg_jax.programs import initial_vector
from autoreg_jax.programs._layout import layout_of
from autoreg_jax.search_space import Genotype

TINY = Structure(
    scales=2,
    encoder="pooled",
    feature_channels=(4,),
    feature_edges=1,
    deformation_channels=(4,),
    has_context=False,
    velocities="composed",
)
GENOTYPE = Genotype((("conv_3",),), (("conv_3",), ("conv_3",)))


def network(conditions):
    return RegistrationNetwork(
        GENOTYPE, num_steps=2, structure=TINY, conditions=conditions
    )


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    return jnp.asarray(rng.random((2, 1, 16, 16, 1)), jnp.float32)


@pytest.fixture(scope="module")
def weights():
    """Of a told network, the last kernels large."""
    told = network(2)
    layout = layout_of(told, 2)
    params = layout.to_tree(initial_vector(told, 2, layout, (0,)))
    for name in params:
        if name.startswith("condition"):
            params[name]["out"]["kernel"] = 10 * params[name]["out"]["kernel"]
    return params


def test_features_are_scaled_and_shifted_and_the_velocity_scaled():
    rng = np.random.default_rng(1)
    condition = jnp.asarray(rng.standard_normal(3), jnp.float32)
    features = jnp.asarray(rng.standard_normal((2, 4, 5, 6)), jnp.float32)
    params = Modulation().init(jax.random.key(0), condition, features)
    changed, size = Modulation().apply(params, condition, features)
    other, _ = Modulation().apply(params, condition, 2 * features)
    # Linear in the features, the same everywhere, each channel by itself.
    scale = (other - changed) / features
    np.testing.assert_allclose(
        scale, jnp.broadcast_to(scale[0, 0, 0], scale.shape), rtol=1e-3
    )
    shift = changed - features * scale
    np.testing.assert_allclose(
        shift, jnp.broadcast_to(shift[0, 0, 0], shift.shape), atol=1e-5
    )
    assert size.shape == ()
    assert size > 0


@pytest.fixture(scope="module")
def field(images):
    """`(params, condition) -> displacement`, one program."""

    def told(params, condition):
        found = network(2).apply({"params": params}, *images, condition=condition)
        return found.displacements.full

    return quick(told)


def test_what_it_is_told_changes_the_field(field, weights):
    none, *others = (
        field(weights, jnp.asarray(condition))
        for condition in ([0.0, 0.0], [1.0, 0.0], [0.0, 1.0])
    )
    for other in others:
        assert np.abs(other - none).max() > 1e-3


def test_a_network_that_is_told_nothing_is_the_one_without(field, images, weights):
    params = {k: v for k, v in weights.items() if not k.startswith("condition")}
    layout = layout_of(network(0), 2)
    assert jax.tree.map(jnp.shape, params) == jax.tree.map(jnp.shape, layout.shapes)
    # With last kernels of zero it is the same network, whatever it is told.
    silent = params | {
        name: jax.tree.map(jnp.zeros_like, weights[name])
        for name in set(weights) - set(params)
    }
    found = quick(network(0).apply)({"params": params}, *images).displacements.full
    np.testing.assert_allclose(field(silent, jnp.ones(2)), found, atol=1e-6)


def test_initial_weights_are_those_of_the_module():
    told = network(3)
    layout = layout_of(told, 2)
    drawn = layout.to_tree(initial_vector(told, 2, layout, (1,)))
    features = jnp.zeros((1, 2, 2, 4))
    made = Modulation().init(jax.random.key(1), jnp.zeros(3), features)["params"]
    for name in ("condition_half", "condition_quarter"):
        for part in ("hidden", "out"):
            one, other = drawn[name][part], made[part]
            np.testing.assert_array_equal(one["bias"], other["bias"])
            ratio = jnp.std(one["kernel"]) / jnp.std(other["kernel"])
            assert 0.6 < ratio < 1.6
