"""How well a linear map aligns two images, at one resolution."""

import math
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from autoreg_jax.losses import global_ncc, mutual_information
from autoreg_jax.ops import sample_linear
from autoreg_jax.spatial import apply_affine

# Fraction of the fixed object that must lie in the field of view of the moving image;
# below it the loss of a map grows with what is missing.
_LEAST_OVERLAP = 0.4
_OVERLAP_PENALTY = 10.0
# Maps beyond this root mean square stretch or below this volume ratio are rejected.
_LARGEST_STRETCH, _SMALLEST_VOLUME = 2.0, 0.25
_NUM_BINS = 24
# Points at which the initial maps are compared, and how many maps at a time.
_NUM_INITIAL_POINTS, _CHUNK = 2048, 32


class Level(NamedTuple):
    """A pair at one resolution, in units of the radius of the fixed object.

    Attributes:
        points: Positions in the frame of the fixed image, `(n, d)`.
        values: Fixed intensities there, in [0, 1], `(n,)`.
        weights: 1, and 0 for padding, `(n,)`.
        is_object: 1 at points of the object, 0 beside it, `(n,)`.
        image: Moving image times its mask, and the mask, `(*space, 2)`.
        to_voxels: From the frame of the moving image to its voxels, `(d + 1, d + 1)`.
    """

    points: Array
    values: Array
    weights: Array
    is_object: Array
    image: Array
    to_voxels: Array


@jax.jit
def quality(level: Level, matrix: Float[Array, "d+1 d+1"]) -> tuple[Array, Array]:
    """Information inside the object, and overlap, both in [0, 1].

    The first is mutual information beyond chance, as the correlation of Gaussian
    intensities with the same information; the second is the fraction of the fixed
    object that lies inside the moving image. Neither depends on the metric.
    """
    values, coverage = moving_values(level, voxel_positions(level, matrix))
    inside = level.weights * coverage * level.is_object

    def information(values: Array) -> Array:
        arrays = [x[None, :, None] for x in (level.values, values, inside)]
        return mutual_information(*arrays, num_bins=_NUM_BINS)[0]

    # The points are in random order: the next one is another voxel by chance.
    excess = jax.nn.relu(information(values) - information(jnp.roll(values, 1)))
    whole = jnp.sum(level.weights * level.is_object) + 1e-12
    return jnp.sqrt(1 - jnp.exp(-2 * excess)), jnp.sum(inside) / whole


@partial(jax.jit, static_argnames="metric")
def initial_losses(
    level: Level, matrices: Float[Array, "s d+1 d+1"], metric: str
) -> Float[Array, " s"]:
    """Loss of each of many maps at a subset of the points; infinite if rejected."""
    # The points are in random order, so the first ones are a fair sample.
    level = level._replace(
        points=level.points[:_NUM_INITIAL_POINTS],
        values=level.values[:_NUM_INITIAL_POINTS],
        weights=level.weights[:_NUM_INITIAL_POINTS],
    )

    def loss(matrix: Array) -> Array:
        values, coverage = moving_values(level, voxel_positions(level, matrix))
        return map_loss(level, matrix, values, coverage, metric)[0]

    return jax.lax.map(loss, matrices, batch_size=_CHUNK)


def voxel_positions(level: Level, matrix: Array) -> Float[Array, "n d"]:
    """Voxels of the moving image to which a map sends the points."""
    to_voxels = jnp.matmul(level.to_voxels, matrix, precision="highest")
    return apply_affine(to_voxels, level.points)


def moving_values(
    level: Level, voxels: Float[Array, "n d"]
) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
    """Moving intensities at voxels, and how much the mask covers them, 0 to 1."""
    sampled = sample_linear(level.image[None], voxels[None])[0]
    coverage = sampled[:, 1]
    # Beside the mask there is no intensity rather than a dark one.
    return sampled[:, 0] / jnp.maximum(coverage, 1e-3), coverage


def map_loss(
    level: Level, matrix: Array, values: Array, coverage: Array, metric: str
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """The loss of a map from the `moving_values` at the points.

    It is infinite for a map that is rejected. The second result is its Gauss-Newton
    curvature, the factor on the squared change of an intensity.
    """
    weights = level.weights * jax.lax.stop_gradient(coverage)
    arrays = [x[None, :, None] for x in (level.values, values, weights)]
    total = jnp.sum(weights) + 1e-12
    spread = jnp.sum(weights * values**2) - jnp.sum(weights * values) ** 2 / total
    spread = jax.lax.stop_gradient(jnp.maximum(spread, 1e-6 * total))
    if metric == "ncc":
        loss = 1 - global_ncc(*arrays)[0]
        curvature = 1 / spread
    else:
        loss = -mutual_information(*arrays, num_bins=_NUM_BINS)[0]
        # The unexplained variance of a Gaussian with this information.
        curvature = jnp.exp(-2 * jax.lax.stop_gradient(loss)) / spread
    overlap = jnp.sum(weights) / (jnp.sum(level.weights) + 1e-12)
    loss += _OVERLAP_PENALTY * jax.nn.relu(_LEAST_OVERLAP - overlap)
    size = len(matrix) - 1
    linear = matrix[:size, :size]
    is_rejected = jnp.linalg.det(linear) < _SMALLEST_VOLUME
    is_rejected |= jnp.sum(linear**2) / size > _LARGEST_STRETCH**2
    return jnp.where(is_rejected, jnp.inf, loss), curvature


def information(loss: float, metric: str) -> float:
    """A loss as mutual information in nats; "ncc" assumes Gaussian intensities."""
    if metric == "mi":
        return max(-float(loss), 0.0)
    correlation = min(max(1 - float(loss), 0.0), 1 - 1e-6)
    return -0.5 * math.log(1 - correlation**2)
