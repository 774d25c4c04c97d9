"""The network of the published code, written down once more in NumPy."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates
from weights import initial_weights

from autoreg_jax import config
from autoreg_jax.networks import RegistrationNetwork
from autoreg_jax.programs import make_structure, make_wiring
from autoreg_jax.search_space import PUBLISHED_GENOTYPES

SHAPE, WIDTH, STEPS = (48, 40), 0.125, 7


def convolution(x, kernel, stride=1, dilation=1, is_depthwise=False):
    """`(*space, c)` with `(*taps, c, f)`, or `(*taps, 1, c)` where depthwise."""
    taps, space = kernel.shape[:-2], x.shape[:-1]
    margins = [(dilation * (size - 1) // 2,) * 2 for size in taps]
    around = np.pad(x, (*margins, (0, 0)))
    total = np.zeros((*space, kernel.shape[-1]))
    for tap in itertools.product(*map(range, taps)):
        starts = [dilation * t for t in tap]
        window = around[*(slice(a, a + n) for a, n in zip(starts, space, strict=True))]
        total += window * kernel[tap][0] if is_depthwise else window @ kernel[tap]
    return total[(slice(None, None, stride),) * len(space)]


def leaky(x):
    return np.where(x > 0, x, 0.2 * x)


def operation(name, weights, x, stride):
    if name.startswith("conv"):
        return leaky(convolution(x, weights["kernel"], stride))
    if name.startswith("dil"):
        dilation = 8 if name.endswith("_8") else 2
        return leaky(
            convolution(x, weights["kernel"], stride, dilation) + weights["bias"]
        )
    dense = leaky(convolution(x, weights["dense"]))
    depth = convolution(dense, weights["depthwise"], stride, is_depthwise=True)
    return leaky(depth @ weights["pointwise"])


def sample(image, places):
    """`grid_sample`: linear, zeros outside."""
    places = np.moveaxis(places, -1, 0)
    channels = [
        map_coordinates(image[..., c], places, order=1, mode="grid-constant")
        for c in range(image.shape[-1])
    ]
    return np.stack(channels, -1)


def warp(image, displacement):
    grid = np.moveaxis(np.indices(image.shape[:-1]), 0, -1)
    return sample(image, grid + displacement)


def doubled(x):
    """`ResizeTransform(1 / 2)`: corners aligned, everything times 2."""
    grid = np.moveaxis(np.indices([2 * n for n in x.shape[:-1]]), 0, -1)
    old = np.array(x.shape[:-1])
    return 2 * sample(x, grid * ((old - 1) / (2 * old - 1)))


def integrate(velocity):
    """`VecInt`."""
    displacement = velocity / 2**STEPS
    for _ in range(STEPS):
        displacement = displacement + warp(displacement, displacement)
    return displacement


def published(genotype, weights, moving, fixed):
    """Displacements at full, half and quarter resolution."""

    def cell(kind, scale, x):
        place, stride = ("half", "quarter")[scale], 2 if kind == "feature" else 1
        for edge, name in enumerate(getattr(genotype, kind)[scale]):
            own = weights[f"{kind}_{place}"][f"edge_{edge}"][name]
            x = operation(name, own, x, stride if edge == 0 else 1)
        return x

    def head(x):
        own = weights["velocity_half"]
        return convolution(x, own["kernel"]) + own["bias"]

    half = [cell("feature", 0, image) for image in (moving, fixed)]
    quarter = [cell("feature", 1, features) for features in half]
    coarse = cell("deformation", 1, np.concatenate(quarter, -1))
    u_quarter = integrate(head(coarse))
    upsampled = doubled(u_quarter)
    stack = [warp(half[0], upsampled), half[1], upsampled, doubled(coarse)]
    u_half = integrate(head(cell("deformation", 0, np.concatenate(stack, -1))))
    return integrate(doubled(u_half)), u_half, u_quarter


def test_all_quirks_together_are_the_published_network():
    genotype = PUBLISHED_GENOTYPES["ppmi"]
    released = config.load("released_code")
    options = {"wiring": make_wiring(released), "structure": make_structure(released)}
    network = RegistrationNetwork(genotype, WIDTH, STEPS, **options)
    weights = initial_weights(network, 2, (0,), is_torch=True)
    weights["velocity_half"] = jax.tree.map(lambda w: 20 * w, weights["velocity_half"])
    noise = np.random.default_rng(0).random((2, *SHAPE))
    images = 10 * (gaussian_filter(noise, (0, 2, 2)) - 0.3)[..., None]
    wanted = published(genotype, jax.tree.map(np.asarray, weights), *images)
    moving, fixed = jnp.asarray(images[:, None], jnp.float32)
    out = jax.jit(network.apply)({"params": weights}, moving, fixed)
    for ours, theirs in zip(out.displacements, wanted, strict=True):
        scale = np.abs(theirs).max()
        assert 0.3 < scale < 10  # voxels: a field that moves something
        assert np.ptp(theirs) > 0.1 * scale
        np.testing.assert_allclose(ours[0], theirs, rtol=0, atol=2e-4 * scale)
