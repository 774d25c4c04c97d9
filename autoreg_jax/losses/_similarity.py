"""The similarities that a registration can minimise, one row each."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array

from autoreg_jax.losses._mind import mind_descriptor, mind_loss
from autoreg_jax.losses._ncc import local_ncc, local_ncc_loss

# Without a model, windows with less than this fraction of the mean variance hardly
# count: else flat ones make an image move that is registered to itself.
_FLAT = 0.01
# Smallest deviation of a feature that is divided by it.
_SMALLEST_DEVIATION = 1e-6


class Similarity(NamedTuple):
    """How a fixed and a moved image are compared; all images are `(b, *space, 1)`.

    `channel_similarity` joins those of several channels.

    Attributes:
        loss: `(fixed, moved, window) -> scalar`, minimised by training and refinement.
            `window` is the edge of a local window in voxels; a loss may ignore it.
        describe: `fixed -> description`, computed once for a pair that is registered
            without a model.
        difference: `(description, moved, window) -> (b, *space, 1)`, the difference in
            each voxel that registration without a model minimises; its scale is
            relative to that of the local correlation.
        features: `image -> (b, *space, k)`. If given, registration without a model
            computes them once for both images, moves those of the moving image and
            minimises their mean squared difference instead of `difference`, whatever
            their scale.
    """

    loss: Callable[[Array, Array, int], Array]
    describe: Callable[[Array], Any]
    difference: Callable[[Any, Array, int], Array]
    features: Callable[[Array], Array] | None = None


def feature_similarity(extract: Callable[[Array], Array]) -> Similarity:
    """Compare images by features of your own, such as those of a trained encoder.

    Each feature is brought to zero mean and equal deviation in each image, such that
    the mean squared difference is 1 - ρ, ρ the mean correlation of the features: a
    scale like that of the local correlation.

    Args:
        extract: `(b, *space, 1) -> (b, *space, k)`, differentiable, on the same grid.
            Use one function for all pairs: programs are compiled for it.

    Returns:
        The similarity, for `Objective(similarity=...)`, `register` and training.

    Examples:
        >>> edges = feature_similarity(lambda x: jnp.stack(jnp.gradient(x[..., 0],
        ...     axis=(1, 2)), -1))
        >>> image = jnp.sin(jnp.arange(30.0)).reshape(1, 5, 6, 1)
        >>> bool(edges.loss(image, 3 * image + 1, 9) < 1e-6)
        True
    """

    def features(image: Array) -> Array:
        found = extract(image)
        space = tuple(range(1, found.ndim - 1))
        found = found - jnp.mean(found, space, keepdims=True)
        variance = jnp.mean(found**2, space, keepdims=True)
        return found * jnp.sqrt(0.5 / (variance + _SMALLEST_DEVIATION**2))

    return _of_features(features)


def _of_features(
    features: Callable[[Array], Array],
    loss: Callable[[Array, Array, int], Array] | None = None,
) -> Similarity:
    """Features by their squared difference; `loss`, if given, in a training."""

    def difference(description: Array, moved: Array, window: int) -> Array:
        del window
        squares = (description - features(moved)) ** 2
        return jnp.mean(squares, axis=-1, keepdims=True)

    def own_loss(fixed: Array, moved: Array, window: int) -> Array:
        return jnp.mean(difference(features(fixed), moved, window))

    return Similarity(loss or own_loss, features, difference, features)


SIMILARITIES: Mapping[str, Similarity] = MappingProxyType(
    {
        "ncc": Similarity(
            local_ncc_loss,
            lambda fixed: fixed,
            lambda fixed, moved, window: -local_ncc(fixed, moved, window, floor=_FLAT),
        ),
        # Small patches lose less by being moved with the image.
        "mind": _of_features(
            partial(mind_descriptor, radius=1),
            lambda fixed, moved, window: mind_loss(fixed, moved),
        ),
    }
)
"""`ncc`, local correlation, for one modality; `mind`, MIND descriptors, for several."""


def find_similarity(similarity: str | Similarity) -> Similarity:
    """Look up a similarity by name; a `Similarity` is returned as it is.

    Raises:
        ValueError: If the name is unknown.
    """
    if isinstance(similarity, Similarity):
        return similarity
    if similarity not in SIMILARITIES:
        names = ", ".join(SIMILARITIES)
        raise ValueError(f"similarity must be one of {names}, got {similarity!r}.")
    return SIMILARITIES[similarity]
