"""The registration network: shapes, mixture against choice, and its own arithmetic."""

from dataclasses import replace
from functools import partial
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from weights import initial_weights

from autoreg_jax import spatial
from autoreg_jax.networks import RegistrationNetwork, Structure
from autoreg_jax.search_space import (
    OPERATIONS,
    ArchitectureLogits,
    Genotype,
    decode,
    probabilities,
)

WIDTH = 0.07
# What is tested holds for any cells, so there are as few operations as possible.
STRUCTURE = Structure(feature_edges=1, deformation_channels=(16,))


@partial(jax.jit, static_argnums=1)
def half_and_full(velocity, shape):
    half = spatial.integrate(velocity)
    return half, spatial.resize_displacement(half, shape)


def images(shape):
    rng = np.random.default_rng(0)
    return [jnp.asarray(rng.random((1, *shape, 1)), jnp.float32) for _ in range(2)]


@pytest.mark.parametrize(
    ("shape", "matching"),
    [
        ((9, 7, 10), (1, 2)),
        ((12, 13), None),
        pytest.param((9, 7, 10), None, marks=pytest.mark.slow),
        pytest.param((12, 13), (1, 2), marks=pytest.mark.slow),
    ],
)
def test_shapes_and_fields_agree_with_each_other(shape, matching):
    genotype = Genotype.uniform("sep_conv_3", STRUCTURE.cells)
    network = RegistrationNetwork(
        genotype, WIDTH, matching=matching, structure=STRUCTURE
    )
    moving, fixed = images(shape)
    params = initial_weights(network, len(shape), (0,))
    out = jax.jit(network.apply)({"params": params}, moving, fixed)
    half = tuple(-(-n // 2) for n in shape)
    quarter = tuple(-(-n // 2) for n in half)
    ndim = len(shape)
    assert out.velocity.shape == (1, *half, ndim)
    assert out.displacements.full.shape == (1, *shape, ndim)
    assert out.displacements.quarter.shape == (1, *quarter, ndim)
    at_half, at_full = half_and_full(out.velocity, shape)
    np.testing.assert_allclose(out.displacements.half, at_half, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(out.displacements.full, at_full, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_a_decided_mixture_is_the_chosen_network():
    rng = np.random.default_rng(1)
    structure = Structure(feature_edges=2, deformation_channels=(32, 16))
    # Each of the eight candidates on one of the eight edges.
    places = rng.permutation(8).reshape(2, 2, 2)
    alpha = ArchitectureLogits(*200 * np.eye(8, dtype=np.float32)[places])
    genotype = decode(alpha)
    mixed = RegistrationNetwork(None, WIDTH, matching=(1, 1), structure=structure)
    discrete = replace(mixed, genotype=genotype)
    shape = (10, 12)
    params = initial_weights(mixed, len(shape), (0,))
    shared = ("velocity", "matching")
    chosen = {name: params[name] for name in params if name.startswith(shared)}
    for kind, (scale, place) in product(
        ("feature", "deformation"), enumerate(("half", "quarter"))
    ):
        cell = f"{kind}_{place}"
        operations = getattr(genotype, kind)[scale]
        chosen[cell] = {
            f"edge_{edge}": {name: params[cell][f"edge_{edge}"][name]}
            for edge, name in enumerate(operations)
        }
    moving, fixed = images(shape)
    ours = jax.jit(mixed.apply)({"params": params}, moving, fixed, alpha)
    theirs = jax.jit(discrete.apply)({"params": chosen}, moving, fixed)
    largest = float(np.abs(theirs.velocity).max())
    assert largest > 1e-4
    np.testing.assert_allclose(
        ours.velocity, theirs.velocity, rtol=0, atol=1e-4 * largest
    )


def test_alpha_is_no_parameter_and_every_candidate_has_its_own():
    network = RegistrationNetwork(None, WIDTH)
    params = initial_weights(network, 2, (0,))
    cells = {
        f"{k}_{s}" for k in ("feature", "deformation") for s in ("half", "quarter")
    }
    assert set(params) == cells | {"velocity_half", "velocity_quarter"}
    for cell in cells:
        assert set(params[cell]) == {"edge_0", "edge_1", "edge_2"}
        for edge in params[cell].values():
            assert set(edge) == set(OPERATIONS)


def test_what_does_not_fit_is_said():
    moving, fixed = images((8, 8))
    key, alpha = jax.random.key(0), ArchitectureLogits.zeros()
    mixed = RegistrationNetwork(None, WIDTH)
    discrete = RegistrationNetwork(Genotype.uniform("conv_1"), WIDTH)
    with pytest.raises(ValueError, match="either a genotype"):
        jax.eval_shape(mixed.init, key, moving, fixed)
    with pytest.raises(ValueError, match="either a genotype"):
        jax.eval_shape(discrete.init, key, moving, fixed, alpha)
    with pytest.raises(ValueError, match="one shape"):
        jax.eval_shape(discrete.init, key, moving[:, :6], fixed)


def test_one_call_relaxes_both_kinds_of_cells():
    seen = []

    def relaxation(logits):
        seen.append(logits.shape)
        return probabilities(logits)

    network = RegistrationNetwork(width=0.1, num_steps=2, relaxation=relaxation)
    image = jax.ShapeDtypeStruct((1, 8, 8, 1), jnp.float32)
    alpha = ArchitectureLogits.zeros()
    jax.eval_shape(network.init, jax.random.key(0), image, image, alpha)
    assert seen == [(2, 2, 3, 8)]
