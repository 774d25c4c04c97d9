"""Scales, cells and what they see: each choice against an identity that it obeys."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from unoptimised import QUICK, quick
from weights import initial_weights

from autoreg_jax import config
from autoreg_jax.errors import ConfigError
from autoreg_jax.networks import (
    Registration,
    RegistrationNetwork,
    Structure,
    Wiring,
    composed,
    inverse_displacements,
)
from autoreg_jax.networks._encoder import encode
from autoreg_jax.programs import make_network, make_structure
from autoreg_jax.search_space import ArchitectureLogits, Genotype
from autoreg_jax.spatial import compose, integrate, resize_displacement

SHAPE, STEPS = (20, 17), 2
# A pyramid whose cells are as cheap as possible.
POOLED = {
    "encoder": "pooled",
    "feature_channels": (3,),
    "feature_edges": 1,
    "deformation_channels": (4, 2),
    "has_context": False,
}


def network(matching=None, **choices):
    structure = Structure(**choices)
    genotype = Genotype.uniform("conv_3", structure.cells)
    return RegistrationNetwork(genotype, 1.0, STEPS, matching, structure=structure)


@partial(jax.jit, static_argnums=0, compiler_options=QUICK)
def run(module, params, moving, fixed):
    return module.apply({"params": params}, moving, fixed)


def images(shape=SHAPE):
    rng = np.random.default_rng(0)
    return [jnp.asarray(rng.random((1, *shape, 1)), jnp.float32) for _ in range(2)]


def with_heads(params, change):
    """The weights with other heads, `change(scale name, head)`."""
    heads = {name: change(name, params[name]) for name in params if "velocity" in name}
    return params | heads


def pushing(params, velocities):
    """Heads that predict a constant velocity whatever they see."""

    def constant(name, head):
        bias = jnp.full_like(head["bias"], velocities[name.removeprefix("velocity_")])
        return {"kernel": jnp.zeros_like(head["kernel"]), "bias": bias}

    return with_heads(params, constant)


def lively(params):
    return with_heads(params, lambda _, head: jax.tree.map(lambda x: 10 * x, head))


def close(left, right):
    scale = float(np.abs(right).max())
    assert scale > 1e-3
    np.testing.assert_allclose(left, right, rtol=0, atol=2e-5 * scale)


@pytest.mark.parametrize(
    ("scales", "space", "used"),
    [
        (2, (4, 1), 2),  # the scales of the loss are always there
        (1, (64, 64), 1),
        (6, (160, 192, 224), 6),
        (6, (48, 64, 40), 4),  # 64 voxels are 4 at 1/16 and 2 at 1/32
        (4, (40, 9), 4),
        (4, (32, 9), 3),
    ],
)
def test_small_images_leave_out_scales(scales, space, used):
    assert Structure(scales=scales).used_scales(space) == used


def test_a_number_of_scales_without_names_is_refused():
    for scales in (0, 7):
        with pytest.raises(ValueError, match="scales must be 1 to 6"):
            Structure(scales=scales)


def test_a_scale_that_is_left_out_has_weights_and_no_effect():
    four, three = network(scales=4, **POOLED), network(scales=3, **POOLED)
    params = lively(initial_weights(four, 2, (0,)))
    unused = {"deformation_sixteenth", "velocity_sixteenth"}
    fewer = {name: params[name] for name in params.keys() - unused}
    assert fewer.keys() == initial_weights(three, 2, (0,)).keys()
    left, right = (run(n, w, *images()) for n, w in ((four, params), (three, fewer)))
    np.testing.assert_array_equal(left.velocity, right.velocity)
    assert float(jnp.abs(left.velocity).max()) > 1e-3


def test_without_the_coarser_scale_its_context_is_zero():
    """Its part of the kernel multiplies zeros."""
    module = network(scales=4, **POOLED | {"has_context": True})
    params = lively(initial_weights(module, 2, (0,)))
    kernel = params["deformation_eighth"]["edge_0"]["conv_3"]["kernel"]
    assert kernel.shape[-2:] == (2 * 3 + 2 + 2, 4)
    cut = {"conv_3": {"kernel": kernel.at[..., 6:, :].set(0)}}
    cell = params["deformation_eighth"] | {"edge_0": cut}
    found = run(module, params | {"deformation_eighth": cell}, *images())
    np.testing.assert_array_equal(
        found.velocity, run(module, params, *images()).velocity
    )
    cell = jax.tree.map(jnp.zeros_like, params["deformation_eighth"])
    other = run(module, params | {"deformation_eighth": cell}, *images())
    assert float(jnp.abs(other.velocity - found.velocity).max()) > 1e-3


def test_a_volume_at_rest():
    """No velocity, no motion; the four grids are those of the loss."""
    structure = POOLED | {"fusion": "sum_difference"}
    module = network(scales=4, **structure)
    shape = (19, 24, 9)
    params = initial_weights(module, 3, (0,))
    still = pushing(
        params, dict.fromkeys(("half", "quarter", "eighth", "sixteenth"), 0)
    )
    out = run(module, still, *images(shape))
    assert [x.shape[1:] for x in (out.velocity, *out.displacements)] == [
        (10, 12, 5, 3),
        (*shape, 3),
        (10, 12, 5, 3),
        (5, 6, 3, 3),
    ]
    for field in (out.velocity, *out.displacements):
        np.testing.assert_array_equal(field, 0)


def test_velocities_of_all_scales_and_passes_are_added():
    constants = {"half": 0.125, "quarter": -0.25, "eighth": 0.5}
    module = network(scales=3, iterations=(3, 1, 2), **POOLED)
    params = pushing(initial_weights(module, 2, (0,)), constants)
    out = run(module, params, *images())
    total = 0.0
    for name, shape, passes in (
        ("eighth", (3, 3), 2),
        ("quarter", (5, 5), 1),
        ("half", (10, 9), 3),
    ):
        total = np.zeros((1, *shape, 2), np.float32) + total
        total = total + passes * constants[name]
        if name == "quarter":
            close(out.displacements.quarter, integrate(total, STEPS))
        if name != "half":
            finer = {"eighth": (5, 5), "quarter": (10, 9)}[name]
            total = resize_displacement(total, finer)
    close(out.velocity, total)
    close(out.displacements.half, integrate(out.velocity, STEPS))
    eighth = jnp.full((1, 3, 3, 2), 2 * constants["eighth"])
    close(out.levels["eighth"], integrate(eighth, STEPS))


def test_composed_velocities_are_one_exponential_after_the_other():
    module = network(scales=3, iterations=(1, 2), velocities="composed", **POOLED)
    params = lively(initial_weights(module, 2, (0,)))
    out = run(module, params, *images())
    velocities = (*out.coarser, out.velocity)
    shapes = [x.shape[1:3] for x in velocities]
    assert shapes == [(3, 3), (3, 3), (5, 5), (5, 5), (10, 9)]
    join = partial(composed, num_steps=STEPS, wiring=Wiring())
    coarse, fine = quick(lambda x: (join(x[:4]), join(x)))(velocities)
    close(out.displacements.quarter, coarse)
    close(out.displacements.half, fine)


def test_the_inverse_of_a_composition_is_exact():
    """Up to linear interpolation, whose error is a quarter on twice the grid."""

    def velocity(shape, angle, size):
        x, y = np.meshgrid(*(np.linspace(0, np.pi, n) for n in shape), indexing="ij")
        wave = size * np.sin(x) * np.sin(y) * np.cos(x - angle)
        return jnp.asarray(wave[None, ..., None] * [np.cos(angle), np.sin(angle)])

    @partial(quick, static_argnums=1)
    def error(velocities, space):
        *coarser, last = velocities
        found = Registration(last, None, tuple(coarser))
        there = composed(velocities, 7, Wiring())
        back = inverse_displacements(found, space, 7, Wiring()).half
        # The last velocity may also be at full resolution.
        full, half, _ = inverse_displacements(found, last.shape[1:-1], 7, Wiring())
        same = jnp.abs(full - back).max()
        same += jnp.abs(half - resize_displacement(full, half.shape[1:-1])).max()
        both = jnp.stack([compose(back, there), compose(there, back)])
        return jnp.abs(both).max(), jnp.abs(there).max(), same

    errors = []
    for n in (17, 33):
        parts = ((n // 2 + 1, 0.3, n / 40), (n, 1.9, n / 25), (n, 0.9, n / 20))
        velocities = [velocity((size, size), *rest) for size, *rest in parts]
        found, largest, same = error(velocities, (2 * n - 1, 2 * n - 1))
        assert largest > n / 15
        assert same == 0
        errors.append(float(found) / n)
    assert errors[1] < 0.3 * errors[0] < 1e-3


@pytest.mark.parametrize(
    "velocities", ["composed", pytest.param("summed", marks=pytest.mark.slow)]
)
def test_a_scale_at_full_resolution_corrects_the_others(velocities):
    """Everything below it is the network without it."""
    choices = POOLED | {"velocities": velocities, "scales": 3, "iterations": (2, 1)}
    whole = network((1,), resolution="full", **choices)
    params = lively(initial_weights(whole, 2, (0,)))
    own = {"feature_full", "deformation_full", "velocity_full"}
    rest = {name: params[name] for name in params.keys() - own}
    below = network((1,), **choices)
    assert rest.keys() == initial_weights(below, 2, (0,)).keys()
    out, half = run(whole, params, *images()), run(below, rest, *images())
    assert out.velocity.shape == (1, *SHAPE, 2)
    for name in ("half", "quarter"):
        left, right = (getattr(x.displacements, name) for x in (out, half))
        close(left, right)
    before = resize_displacement(half.velocity, SHAPE)
    if velocities == "composed":
        close(out.coarser[-1], half.velocity)
        before = 0.0
    step = integrate(out.velocity, STEPS)
    if velocities == "composed":
        step = compose(half.displacements.full, step)
    close(out.displacements.full, step)
    assert float(jnp.abs(out.velocity - before).max()) > 1e-3
    kernels = params["feature_full"]["edge_0"], params["deformation_full"]["edge_1"]
    assert [edge["conv_3"]["kernel"].shape[-2:] for edge in kernels] == [(1, 2), (2, 1)]


def test_the_operations_at_full_resolution_are_those_at_half():
    structure = Structure(resolution="full", velocities="replaced")
    cells = Genotype.uniform("conv_3")
    first = tuple(("conv_1",) * 3 if i == 0 else c for i, c in enumerate(cells.feature))
    image = jax.ShapeDtypeStruct((1, 7, 6, 9, 1), jnp.float32)
    inputs = jax.random.key(0), image, image
    chosen = RegistrationNetwork(
        Genotype(first, cells.deformation), 0.1, 1, (1, 2), structure=structure
    )
    out, params = jax.eval_shape(chosen.init_with_output, *inputs)
    assert set(params["params"]["feature_full"]["edge_2"]) == {"conv_1"}
    assert out.velocity.shape == out.displacements.full.shape == (1, 7, 6, 9, 3)
    mixed = RegistrationNetwork(None, 0.1, 1, (1, 2), structure=structure)
    alpha = ArchitectureLogits.zeros()
    params = jax.eval_shape(mixed.init, *inputs, alpha)["params"]
    assert len(params["deformation_full"]["edge_0"]) == 8
    assert "matching_full" not in params


def test_one_scale_has_the_two_others_of_the_loss():
    """With one scale there is nothing to pool either."""
    pooled = network(scales=1, **POOLED)
    params = lively(initial_weights(pooled, 2, (0,)))
    out = run(pooled, params, *images())
    strided = network(scales=1, **POOLED | {"encoder": "strided"})
    close(run(strided, params, *images()).velocity, out.velocity)
    close(
        out.displacements.quarter, resize_displacement(out.displacements.half, (5, 5))
    )


def test_sum_and_difference_are_another_basis_of_the_same_features():
    module = network(scales=2, **POOLED | {"fusion": "sum_difference"})
    params = lively(initial_weights(module, 2, (0,)))
    out = run(module, params, *images())
    changed = dict(params)
    for name in ("deformation_half", "deformation_quarter"):
        kernel = params[name]["edge_0"]["conv_3"]["kernel"]
        plus, minus = jnp.split(kernel, 2, axis=-2)
        first = {
            "conv_3": {"kernel": jnp.concatenate([plus - minus, plus + minus], -2)}
        }
        changed[name] = params[name] | {"edge_0": first}
    close(run(network(scales=2, **POOLED), changed, *images()).velocity, out.velocity)


def test_pooled_features_are_means_of_the_finer_ones():
    pair = images((11, 8))

    def cell(scale, owner):
        assert (scale, owner) == (0, "")
        return lambda x: x[:, ::2, ::2]

    levels = encode(
        *pair,
        cell,
        num_scales=3,
        structure=Structure(scales=3, encoder="pooled"),
        wiring=Wiring(is_standardised=False),
    )
    for of_levels, image in zip(zip(*levels, strict=True), pair, strict=True):
        half, quarter, eighth = of_levels
        np.testing.assert_array_equal(half, image[:, ::2, ::2])
        blocks = np.asarray(half).reshape(1, 3, 2, 2, 2, 1)
        np.testing.assert_allclose(quarter, blocks.mean((2, 4)), rtol=1e-6)
        three = np.pad(quarter, [(0, 0), (0, 1), (0, 0), (0, 0)], "edge")
        pairs = three.reshape(1, 2, 2, 1, 2, 1)
        np.testing.assert_allclose(eighth, pairs.mean((2, 4)), rtol=1e-6)


def test_normalised_features_have_no_scale():
    choices = POOLED | {"has_normalised_features": True}
    module = network(scales=2, **choices)
    params = lively(initial_weights(module, 2, (0,)))
    louder = jax.tree.map(lambda x: 5 * x, params["feature_half"])
    wanted = run(module, params, *images()).velocity
    found = run(module, params | {"feature_half": louder}, *images()).velocity
    np.testing.assert_allclose(found, wanted, atol=1e-4 * float(jnp.abs(wanted).max()))
    plain = network(scales=2, **POOLED)
    change = run(plain, params, *images()).velocity - wanted
    assert float(jnp.abs(change).max()) > 1e-2


def test_correlations_are_channels():
    module = network(matching=(1,), scales=3, correlation=(2, 1), **POOLED)
    params = initial_weights(module, 2, (0,))
    for name, offsets in (("half", 25), ("quarter", 9), ("eighth", 9)):
        kernel = params[f"deformation_{name}"]["edge_0"]["conv_3"]["kernel"]
        assert kernel.shape[-2] == 3 + 3 + offsets + 2
    assert np.isfinite(run(module, params, *images()).velocity).all()


def test_architecture_and_structure_must_agree():
    inputs = jax.random.key(0), *images()
    one = RegistrationNetwork(Genotype.uniform("conv_3"), structure=Structure(scales=3))
    with pytest.raises(ValueError, match="the genotype has"):
        jax.eval_shape(one.init, *inputs)
    with pytest.raises(ConfigError, match="the genotype has CellShapes"):
        make_network(config.load("compact"), Genotype.uniform("conv_3"))
    with pytest.raises(ConfigError, match=r"'conv_3': no network .* voxelmorph"):
        make_network(config.load("compact"), "conv_3")
    mixed = RegistrationNetwork(structure=Structure(scales=3))
    with pytest.raises(ValueError, match="feature has shape"):
        jax.eval_shape(mixed.init, *inputs, ArchitectureLogits.zeros())


@pytest.mark.parametrize(("preset", "most"), [("compact", 0.3), ("compact_large", 1.0)])
def test_presets_are_small(preset, most):
    settings = config.load(preset)
    genotype = Genotype.uniform("conv_3", make_structure(settings).cells)
    module = make_network(settings, genotype)
    image = jax.ShapeDtypeStruct((1, 16, 16, 16, 1), jnp.float32)
    shapes = jax.eval_shape(module.init, jax.random.key(0), image, image)
    count = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(shapes))
    assert most / 4 < count / 1e6 < most


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scales": 7}, "scales: must be < 7"),
        ({"matching": [0]}, "matching: must be one or more numbers, each at"),
        ({"scales": 2, "iterations": [1, 1, 2]}, "iterations: has 3 numbers"),
        ({"deformation_channels": [0, 3]}, r"channels: must be one or more .* got \[0"),
        ({"resolution": "double"}, "resolution: must be one of half, full"),
        ({"encoder": "wide"}, "encoder: must be one of strided, pooled"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        config.merge(config.RunConfig(), {"network": settings})
