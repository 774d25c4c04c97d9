"""Rivals in Flax: parameter counts, shapes, and the torch module with equal weights."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util
from unoptimised import quick

from autoreg_jax.baselines import NETWORKS, BasicVoxelMorph
from autoreg_jax.spatial import half_shape, integrate, resize_displacement

# VoxelMorph: counted from the widths of its paper, 27 c f + f a layer.
COUNTS = {
    "multipropreg": 526_444,
    "voxelmorph": 300_547,
    "voxelmorph_basic": 105_017,
    "voxelmorph_diff": 265_075,
}


def _shapes(name, shape=(16, 16, 16)):
    image = jax.ShapeDtypeStruct((1, *shape, 1), jnp.float32)
    network = NETWORKS[name](7)
    return jax.eval_shape(network.init, jax.random.key(0), image, image)["params"]


def _weights(name, ndim, seed=0):
    """Normal numbers of the size of the start, so that fields are not tiny."""
    rng = np.random.default_rng(seed)

    def draw(leaf):
        scale = 1 / math.sqrt(max(1, math.prod(leaf.shape[:-1])))
        return (scale * rng.standard_normal(leaf.shape)).astype(np.float32)

    return jax.tree.map(draw, _shapes(name, (16,) * ndim))


@pytest.mark.parametrize(("name", "count"), COUNTS.items())
def test_parameters(name, count):
    sizes = [math.prod(leaf.shape) for leaf in jax.tree.leaves(_shapes(name))]
    assert sum(sizes) == count


def test_every_network_has_a_published_count():
    assert set(COUNTS) == set(NETWORKS)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("space", [(11, 18), (7, 9, 12)])
def test_fields_stand_on_the_three_grids(name, space):
    network = NETWORKS[name](7)
    image = jax.ShapeDtypeStruct((2, *space, 1), jnp.float32)
    params = _shapes(name, (16,) * len(space))
    out = jax.eval_shape(network.apply, {"params": params}, image, image)
    half = half_shape(space)
    assert out.velocity.shape == (2, *half, len(space))
    shapes = [field.shape[1:-1] for field in out.displacements]
    assert shapes == [space, half, half_shape(half)]


@pytest.mark.parametrize("name", NETWORKS)
def test_batch_entries_do_not_meet_and_order_matters(name):
    rng = np.random.default_rng(1)
    images = rng.random((2, 2, 13, 10, 1), np.float32)
    params = _weights(name, 2)
    network = NETWORKS[name](2)
    apply = quick(lambda m, f: network.apply({"params": params}, m, f).displacements)
    both = apply(*images)
    swapped = apply(*images[:, ::-1])
    for one, other in zip(both, swapped, strict=True):
        np.testing.assert_allclose(one[::-1], other, atol=2e-5)
    assert np.abs(both.full - apply(*images[::-1]).full).max() > 1e-3
    assert np.abs(both.full).max() > 1e-2


@pytest.mark.parametrize("name", ["multipropreg", "voxelmorph_diff"])
def test_displacements_are_exponentials_of_the_velocity(name):
    images = np.random.default_rng(2).random((2, 1, 12, 15, 1), np.float32)
    network = NETWORKS[name](3)
    apply = quick(lambda *a: network.apply({"params": _weights(name, 2)}, *a))
    out = apply(*images)
    half = integrate(out.velocity, 3)
    np.testing.assert_allclose(out.displacements.half, half, atol=1e-5)
    full = resize_displacement(half, (12, 15))
    np.testing.assert_allclose(out.displacements.full, full, atol=1e-5)


def test_equal_features_cost_nothing():
    """MultiPropReg sees two equal images as one: only the fixed features remain."""
    image = np.random.default_rng(3).random((1, 12, 12, 1), np.float32)
    params = _weights("multipropreg", 2)
    for scale in ("half", "quarter"):
        params[f"matching_{scale}_0"]["kernel"][:, :, 1:] = 0  # all but the cost
        for layer in params:
            if scale in layer:
                params[layer]["bias"][:] = 0
    network = NETWORKS["multipropreg"](2)
    out = quick(lambda m, f: network.apply({"params": params}, m, f))(image, image)
    assert not np.any(out.displacements.quarter)


@pytest.mark.parametrize("space", [(32, 64), (32, 32, 32)])
def test_basic_voxelmorph_is_the_module_of_the_package(space):
    torch = pytest.importorskip("torch")
    models = pytest.importorskip("voxelmorph.nn.models")
    from autoreg_jax.baselines.adapters import torch_weights

    ndim = len(space)
    params = _weights("voxelmorph_basic", ndim)
    rng = np.random.default_rng(4)
    moving, fixed = rng.random((2, *space), np.float32)
    module = models.VxmPairwise(ndim, 1, 1, integration_steps=0)
    state = torch_weights(traverse_util.flatten_dict(params, sep="/"))
    assert {k: v.shape for k, v in state.items()} == {
        k: tuple(v.shape) for k, v in module.state_dict().items()
    }
    module.load_state_dict({k: torch.from_numpy(v) for k, v in state.items()})
    with torch.no_grad():
        theirs = module(*(torch.from_numpy(x[None, None]) for x in (moving, fixed)))
    theirs = np.moveaxis(theirs.numpy(), 1, -1)
    network = BasicVoxelMorph()
    ours = quick(lambda m, f: network.apply({"params": params}, m, f))(
        moving[None, ..., None], fixed[None, ..., None]
    )
    assert np.abs(theirs).max() > 0.05
    np.testing.assert_allclose(ours.displacements.full, theirs, atol=1e-4)
