"""Simulated images of tissues: contrast, bias field and noise."""

import numpy as np
from jaxtyping import Float, UInt8
from scipy.ndimage import gaussian_filter

from autoreg_jax.data.simulation._template import Tissues

__all__ = ["CONTRASTS", "noise_free", "scan", "smooth_noise"]

# Mean intensity of grey matter, white matter and fluid, 1 = bright, and the weight of
# the detail of the template, which is inverted where white matter is dark.
CONTRASTS = {
    "t1": (0.58, 0.86, 0.15, 1.0),
    "t2": (0.52, 0.36, 0.98, -0.6),
}

TISSUE_VARIATION = 0.05  # standard deviation of a mean, relative
BIAS = 0.08  # standard deviation of the logarithm of the bias field
BIAS_MM = 50.0  # width of its bumps
NOISE = 0.02  # standard deviation in each of the two channels of a magnitude image
WHITE = 210.0  # grey level of intensity 1; leaves room for bias and noise below 255


def noise_free(
    tissues: Tissues, means: tuple[float, ...]
) -> Float[np.ndarray, "*space"]:
    """Sum of the tissues weighted by `means`, as in `CONTRASTS`; about 0 to 1."""
    return np.maximum(sum(m * t for m, t in zip(means, tissues, strict=True)), 0)


def scan(
    tissues: Tissues, contrast: str, spacing: float, rng: np.random.Generator
) -> UInt8[np.ndarray, "*space"]:
    """Image of the tissues with bias field and noise.

    Args:
        tissues: Fractions and detail.
        contrast: `t1` or `t2`.
        spacing: Voxel size, mm.
        rng: Source of the variation; advanced.

    Returns:
        Grey levels; 0 outside of the brain, as in a skull-stripped scan.
    """
    *means, detail = CONTRASTS[contrast]
    varied = [mean * (1 + TISSUE_VARIATION * rng.standard_normal()) for mean in means]
    ideal = noise_free(tissues, (*varied, detail))
    bias = np.exp(BIAS * smooth_noise(ideal.shape, BIAS_MM / spacing, rng))
    real, imaginary = NOISE * rng.standard_normal((2, *ideal.shape))
    magnitude = np.hypot(ideal * bias + real, imaginary)
    brain = tissues.grey + tissues.white + tissues.fluid > 0.5
    return np.clip(np.rint(WHITE * magnitude * brain), 0, 255).astype(np.uint8)


def smooth_noise(
    shape: tuple[int, ...], sigma: float, rng: np.random.Generator
) -> Float[np.ndarray, "*space"]:
    """White noise after a Gaussian of `sigma` voxels, of mean 0 and variance 1."""
    field = gaussian_filter(rng.standard_normal(shape), sigma, truncate=3)
    return (field - field.mean()) / field.std()
