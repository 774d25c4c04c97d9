"""How well a linear map brings two images together, at one resolution."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from autoreg_jax.losses import global_ncc, mutual_information
from autoreg_jax.ops import sample_linear
from autoreg_jax.spatial import apply_affine

# Part of the fixed object that must lie in the field of view of the moving image; below
# it a map is the worse the less there is to compare.
_LEAST_OVERLAP = 0.4
_OVERLAP_PENALTY = 10.0
# Mean square stretch and volume ratio beyond which no map is tried.
_LARGEST_STRETCH, _SMALLEST_VOLUME = 2.0, 0.25
_NUM_BINS = 24
# Points at which the many starts are compared, and starts compared at once.
_NUM_LOOKS, _CHUNK = 2048, 32


class Level(NamedTuple):
    """The pair at one resolution, in lengths of the radius of the fixed object.

    Attributes:
        points: Where the fixed image is looked at, from its centre, `(n, d)`.
        values: Its intensities there, in [0, 1], `(n,)`.
        weights: What each counts, 0 where there are fewer points than room, `(n,)`.
        is_object: 1 at points of the object, 0 beside it, `(n,)`.
        image: Moving image times its mask, and the mask, `(*space, 2)`.
        to_voxels: From positions about the centre of the moving image to its voxels,
            `(d + 1, d + 1)`.
    """

    points: Array
    values: Array
    weights: Array
    is_object: Array
    image: Array
    to_voxels: Array


class Quality(NamedTuple):
    """How well two images agree under a map.

    Attributes:
        correlation: Of all points, in [-1, 1].
        correlation_inside: Of the points of the object alone, so that its outline does
            not count.
        information_inside: What the intensities tell about each other there beyond
            chance, as the correlation of a Gaussian that tells as much, in [0, 1].
        overlap: Part of the fixed object inside of the moving image, in [0, 1].
    """

    correlation: Array
    correlation_inside: Array
    information_inside: Array
    overlap: Array


@jax.jit
def quality(level: Level, matrix: Float[Array, "d+1 d+1"]) -> Quality:
    """Judge a map by measures that do not depend on the metric.

    Args:
        level: The pair.
        matrix: The map.

    Returns:
        Its quality; zeros where there is nothing to compare.
    """
    values, share = moving_values(level, places(level, matrix))
    every = level.weights * share
    inside = every * level.is_object

    def arrays(weights: Array, values: Array) -> list[Array]:
        return [x[None, :, None] for x in (level.values, values, weights)]

    # Points are in random order: the next one is another voxel by chance.
    told = mutual_information(*arrays(inside, values), num_bins=_NUM_BINS)[0]
    shuffled = arrays(inside, jnp.roll(values, 1))
    chance = mutual_information(*shuffled, num_bins=_NUM_BINS)[0]
    objects = level.weights * level.is_object
    return Quality(
        global_ncc(*arrays(every, values))[0],
        global_ncc(*arrays(inside, values))[0],
        jnp.sqrt(1 - jnp.exp(-2 * jax.nn.relu(told - chance))),
        jnp.sum(inside) / (jnp.sum(objects) + 1e-12),
    )


@partial(jax.jit, static_argnames="metric")
def losses_of(
    level: Level, matrices: Float[Array, "s d+1 d+1"], metric: str
) -> Float[Array, " s"]:
    """Loss of each of many maps.

    Args:
        level: The pair.
        matrices: The maps.
        metric: "ncc" or "mi".

    Returns:
        Losses, infinite for maps that are not admissible.
    """
    # In random order, so that the first are as good as any.
    few = {
        name: getattr(level, name)[:_NUM_LOOKS]
        for name in ("points", "values", "weights", "is_object")
    }
    level = level._replace(**few)

    def loss(matrix: Array) -> Array:
        values, share = moving_values(level, places(level, matrix))
        return map_loss(level, matrix, values, share, metric)[0]

    return jax.lax.map(loss, matrices, batch_size=_CHUNK)


def places(level: Level, matrix: Array) -> Float[Array, "n d"]:
    """Voxels of the moving image to which a map sends the points."""
    to_voxels = jnp.matmul(level.to_voxels, matrix, precision="highest")
    return apply_affine(to_voxels, level.points)


def moving_values(
    level: Level, voxels: Float[Array, "n d"]
) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
    """Moving intensities at voxels, and how far these are inside the mask, 0 to 1."""
    sampled = sample_linear(level.image[None], voxels[None])[0]
    share = sampled[:, 1]
    # Beside the mask there is no intensity rather than a dark one.
    return sampled[:, 0] / jnp.maximum(share, 1e-3), share


def map_loss(
    level: Level, matrix: Array, values: Array, share: Array, metric: str
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """The loss of a map, and what a squared difference of intensity weighs in it.

    Args:
        level: The pair.
        matrix: The map.
        values: Moving intensities at the points.
        share: How far these are inside.
        metric: "ncc" or "mi".

    Returns:
        The loss, infinite for a map that is not admissible, and a factor on the squared
        change of intensity, its Gauss-Newton curvature.
    """
    weights = level.weights * jax.lax.stop_gradient(share)
    arrays = [x[None, :, None] for x in (level.values, values, weights)]
    total = jnp.sum(weights) + 1e-12
    spread = jnp.sum(weights * values**2) - jnp.sum(weights * values) ** 2 / total
    spread = jax.lax.stop_gradient(jnp.maximum(spread, 1e-6 * total))
    if metric == "ncc":
        loss = 1 - global_ncc(*arrays)[0]
        curvature = 1 / spread
    else:
        loss = -mutual_information(*arrays, num_bins=_NUM_BINS)[0]
        # What a Gaussian of that information would leave unexplained.
        curvature = jnp.exp(-2 * jax.lax.stop_gradient(loss)) / spread
    overlap = jnp.sum(weights) / (jnp.sum(level.weights) + 1e-12)
    loss += _OVERLAP_PENALTY * jax.nn.relu(_LEAST_OVERLAP - overlap)
    size = len(matrix) - 1
    linear = matrix[:size, :size]
    is_wild = jnp.linalg.det(linear) < _SMALLEST_VOLUME
    is_wild |= jnp.sum(linear**2) / size > _LARGEST_STRETCH**2
    return jnp.where(is_wild, jnp.inf, loss), curvature
