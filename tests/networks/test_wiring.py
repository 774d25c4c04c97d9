"""What happens between the cells: each choice against an identity that it obeys."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from unoptimised import QUICK
from weights import initial_weights

from autoreg_jax.networks import RegistrationNetwork, Structure, Wiring
from autoreg_jax.search_space import OPERATIONS, ArchitectureLogits, Genotype
from autoreg_jax.spatial import integrate, resize_displacement

SHAPE, STEPS = (16, 16), 2
PLAIN = Wiring()
# What happens between cells does not depend on how many operations they have.
CELLS = Structure(feature_edges=1, deformation_channels=(16,))
GENOTYPE = Genotype.uniform("conv_3", CELLS.cells)
# Unoptimised programs compile three times as fast.


@partial(jax.jit, static_argnames=("wiring", "structure"), compiler_options=QUICK)
def run(params, moving, fixed, wiring=PLAIN, structure=CELLS):
    """The network of a wiring; one program each for all tests."""
    return network(wiring, structure).apply({"params": params}, moving, fixed)


def network(wiring, structure=CELLS):
    return RegistrationNetwork(GENOTYPE, 0.1, STEPS, wiring=wiring, structure=structure)


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    return [jnp.asarray(rng.random((1, *SHAPE, 1)), jnp.float32) for _ in range(2)]


@pytest.fixture(scope="module")
def params():
    """Weights whose fields are about a voxel."""
    weights = initial_weights(network(PLAIN), 2, (3,))
    for name in ("velocity_half", "velocity_quarter"):
        weights[name] = jax.tree.map(lambda leaf: 10 * leaf, weights[name])
    return weights


def still(params, name):
    """The same weights, except that a head predicts no velocity."""
    return params | {name: jax.tree.map(jnp.zeros_like, params[name])}


def close(left, right):
    scale = float(jnp.abs(right).max())
    np.testing.assert_allclose(left, right, rtol=0, atol=2e-5 * scale)


def far(left, right):
    scale = float(jnp.abs(right).max())
    assert float(jnp.abs(left - right).max()) > 1e-3 * scale > 0


def test_integrated_twice(params, images):
    out = run(params, *images, wiring=Wiring(is_integrated_twice=True)).displacements
    once = resize_displacement(out.half, SHAPE)
    close(out.full, integrate(once, STEPS))
    far(out.full, once)
    close(out.half, run(params, *images).displacements.half)


def test_nominal_scale_is_twice(params, images):
    out = run(params, *images, wiring=Wiring(is_nominal=True)).displacements
    close(out.full, resize_displacement(out.half, SHAPE) * (2 * 7 / 15))
    assert Wiring(is_nominal=True).resized(jnp.ones((1, 3, 3, 2)), (6, 6)).max() == 2
    assert PLAIN.resized(jnp.ones((1, 3, 3, 2)), (6, 6)).max() == 2.5


def test_replaced_velocities(params, images):
    anew = {"structure": dataclasses.replace(CELLS, velocities="replaced")}
    alone = run(params, *images, **anew)
    far(alone.velocity, run(params, *images).velocity)
    coarse = still(params, "velocity_quarter")
    close(run(coarse, *images, **anew).velocity, run(coarse, *images).velocity)
    fine = run(still(params, "velocity_half"), *images, **anew)
    np.testing.assert_array_equal(fine.velocity, 0)
    assert float(jnp.abs(fine.displacements.quarter).max()) > 0


def test_shared_head_is_two_equal_ones(params, images):
    wiring = Wiring(has_shared_head=True)
    weights = dict(params)
    head = weights["velocity_quarter"] = weights["velocity_half"]
    two = run(weights, *images)
    del weights["velocity_quarter"]
    shapes = jax.tree.map(jnp.shape, initial_weights(network(wiring), 2, (0,)))
    assert shapes == jax.tree.map(jnp.shape, weights)
    close(run(weights, *images, wiring=wiring).velocity, two.velocity)
    assert head["kernel"].shape == (3, 3, 2, 2)


def test_doubled_features_are_doubled_rows_of_the_kernel(params, images):
    """The last channels of the stack at half resolution are the coarse features."""
    wiring = Wiring(has_doubled_features=True)
    doubled = run(params, *images, wiring=wiring).velocity
    far(doubled, run(params, *images).velocity)
    kernel = params["deformation_half"]["edge_0"]["conv_3"]["kernel"]
    channels = 2  # of the last edge of the coarse cell
    assert kernel.shape[-2] == 2 + 2 + 2 + channels
    wider = kernel.at[..., -channels:, :].multiply(2)
    cell = params["deformation_half"] | {"edge_0": {"conv_3": {"kernel": wider}}}
    close(doubled, run(params | {"deformation_half": cell}, *images).velocity)


def test_separate_features_of_equal_weights_are_shared_ones(params, images):
    wiring = Wiring(has_separate_features=True)
    weights = initial_weights(network(wiring), 2, (0,))
    owned = {name for name in weights if name.startswith("feature")}
    assert owned == {
        f"feature_{scale}_{owner}"
        for scale in ("half", "quarter")
        for owner in ("moving", "fixed")
    }
    equal = params | {name: params[name.rpartition("_")[0]] for name in owned}
    for name in ("feature_half", "feature_quarter"):
        del equal[name]
    close(run(equal, *images, wiring=wiring).velocity, run(params, *images).velocity)
    other = equal | {"feature_half_moving": weights["feature_half_moving"]}
    far(run(other, *images, wiring=wiring).velocity, run(params, *images).velocity)


def test_zero_outside_matters_where_features_leave_the_grid(params, images):
    wiring = Wiring(is_zero_outside=True)
    far(run(params, *images, wiring=wiring).velocity, run(params, *images).velocity)
    rest = still(params, "velocity_quarter")
    close(run(rest, *images, wiring=wiring).velocity, run(rest, *images).velocity)


def test_standardised_images_have_no_brightness(params, images):
    moving, fixed = images
    brighter = 0.5 * moving + 0.3
    close(run(params, brighter, fixed).velocity, run(params, moving, fixed).velocity)
    raw = Wiring(is_standardised=False)
    far(
        run(params, brighter, fixed, wiring=raw).velocity,
        run(params, moving, fixed, wiring=raw).velocity,
    )


def test_every_choice_is_tested():
    """The tests above; a new choice needs one."""
    assert [field.name for field in dataclasses.fields(Wiring)] == [
        "is_standardised",
        "has_separate_features",
        "has_shared_head",
        "has_doubled_features",
        "is_integrated_twice",
        "is_nominal",
        "is_zero_outside",
    ]


def test_fixed_feature_cells_while_the_others_are_mixed(images):
    extractor = (("conv_5", "conv_1"), ("dil_conv_3_8", "conv_3"))
    structure = dataclasses.replace(CELLS, feature_edges=2)
    alpha = ArchitectureLogits.zeros(cells=structure.cells)
    half = RegistrationNetwork(
        width=0.1, num_steps=STEPS, extractor=extractor, structure=structure
    )
    weights = initial_weights(half, 2, (0,))
    for scale, names in zip(("half", "quarter"), extractor, strict=True):
        cell = weights[f"feature_{scale}"]
        assert [set(cell[f"edge_{edge}"]) for edge in range(2)] == [{n} for n in names]
        assert set(weights[f"deformation_{scale}"]["edge_0"]) == set(OPERATIONS)
    apply = jax.jit(half.apply, compiler_options=QUICK)
    velocity = partial(lambda *given: apply(*given).velocity, {"params": weights})
    one = np.eye(8, dtype=np.float32)[np.zeros((2, 2), int)]
    plain = velocity(*images, alpha)
    other = velocity(*images, alpha._replace(feature=one))
    np.testing.assert_array_equal(other, plain)
    far(velocity(*images, alpha._replace(deformation=one[:, :1])), plain)
