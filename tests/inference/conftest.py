"""Tiny models and images with known geometry."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from autoreg_jax import inference
from autoreg_jax.geometry import Volume
from autoreg_jax.networks import RegistrationNetwork
from autoreg_jax.search_space import Genotype

WIDTH, NUM_STEPS, SPACING = 0.1, 4, 2.0


def make_model(ndim, head_scale):
    """A model whose heads are `head_scale` times noise: 0 predicts no motion."""
    genotype = Genotype.uniform("conv_3")
    network = RegistrationNetwork(genotype, WIDTH, NUM_STEPS)
    image = jax.ShapeDtypeStruct((1, *(8,) * ndim, 1), jnp.float32)
    shapes = jax.eval_shape(network.init, jax.random.key(0), image, image)["params"]
    rng = np.random.default_rng(0)

    def draw(path, leaf):
        scale = head_scale if path[0].key.startswith("velocity") else 0.3
        return jnp.asarray(scale * rng.standard_normal(leaf.shape), jnp.float32)

    description = inference.ModelDescription(
        genotype=genotype,
        width=WIDTH,
        num_steps=NUM_STEPS,
        matching=None,
        orientation="RAS",
        spacing=(SPACING,) * ndim,
        lam={"full": 10.0, "smooth": 15.0, "half": 3.2, "quarter": 0.8},
        similarity="ncc",
        windows=(5, 5, 3),
    )
    params = jax.tree_util.tree_map_with_path(draw, shapes)
    return inference.RegistrationModel(description, params)


@pytest.fixture(scope="package")
def model():
    """A model that moves voxels by about one."""
    return make_model(3, 0.02)


@pytest.fixture(scope="package")
def still_model():
    """A model that moves nothing."""
    return make_model(3, 0.0)


@pytest.fixture(scope="package")
def plane_model():
    """A model of planes."""
    return make_model(2, 0.05)


def smooth(shape, seed):
    """A smooth random image between 0 and 100."""
    noise = np.random.default_rng(seed).random(shape)
    image = ndimage.gaussian_filter(noise, 1.5)
    return (100 * (image - image.min()) / np.ptp(image)).astype(np.float32)


@pytest.fixture(scope="package")
def pair():
    """Two images on the grid of the models, which is not cubic."""
    affine = np.diag([SPACING] * 3 + [1.0])
    affine[:3, 3] = -10, 4, 7
    return tuple(Volume(smooth((16, 14, 12), seed), affine) for seed in (1, 2))


@pytest.fixture
def planes():
    """Two smooth pictures on the grid of the models of planes."""
    rng = np.random.default_rng(1)
    return [
        Volume(
            ndimage.gaussian_filter(rng.random((18, 16)), 1.5).astype(np.float32),
            np.diag([2.0, 2.0, 5.0, 1]),
        )
        for _ in range(2)
    ]
