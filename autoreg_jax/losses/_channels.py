"""Several images of one subject, each compared in its own way."""

from collections.abc import Sequence
from functools import lru_cache

import jax.numpy as jnp
import numpy as np
from jax import Array

from autoreg_jax.losses._similarity import Similarity, find_similarity

__all__ = ["channel_similarity"]


def channel_similarity(
    similarities: Sequence[str | Similarity], weights: Sequence[float] | None = None
) -> Similarity:
    """Compare images of several channels: the weighted mean of a similarity of each.

    Equal arguments give the same similarity, for which programs are compiled once.

    Args:
        similarities: What compares each channel, names in `SIMILARITIES` or
            similarities of your own.
        weights: Of the channels, > 0; only their ratios count. Default: all equal.

    Returns:
        A similarity of images `(b, *space, c)`; that of the channel itself if there is
        one only. It has features if all of them have.

    Raises:
        ValueError: If there are no similarities, one is unknown, or the weights are not
            as many numbers above 0.

    Examples:
        >>> both = channel_similarity(["ncc", "mind"])
        >>> image = jnp.sin(jnp.arange(60.0)).reshape(1, 5, 6, 2)
        >>> both is channel_similarity(["ncc", "mind"], [2, 2])
        True
        >>> both.difference(both.describe(image), image, 5).shape
        (1, 5, 6, 1)
    """
    number = len(similarities)
    given = np.ones(number) if weights is None else np.asarray(weights, float)
    if not number or given.shape != (number,) or not (given > 0).all():
        raise ValueError(
            f"weights must be {number} numbers above 0, one for each of one or more "
            f"channels, got {weights!r}."
        )
    shares = tuple((given / given.sum()).tolist())
    return _joined(tuple(map(find_similarity, similarities)), shares)


@lru_cache(maxsize=64)
def _joined(
    similarities: tuple[Similarity, ...], shares: tuple[float, ...]
) -> Similarity:
    if len(similarities) == 1:
        return similarities[0]
    channels = [slice(c, c + 1) for c in range(len(similarities))]
    parts = list(zip(similarities, channels, shares, strict=True))

    def loss(fixed: Array, moved: Array, window: int) -> Array:
        losses = (s * p.loss(fixed[..., c], moved[..., c], window) for p, c, s in parts)
        return sum(losses, start=jnp.zeros((), fixed.dtype))

    def describe(fixed: Array) -> tuple[Array, ...]:
        return tuple(part.describe(fixed[..., c]) for part, c, _ in parts)

    def difference(description: tuple[Array, ...], moved: Array, window: int) -> Array:
        found = (
            share * part.difference(own, moved[..., c], window)
            for own, (part, c, share) in zip(description, parts, strict=True)
        )
        return sum(found, start=jnp.zeros((), moved.dtype))

    def features(image: Array) -> Array:
        # Their mean square is the weighted mean of those of the channels.
        own = [p.features(image[..., c]) for p, c, _ in parts if p.features]
        number = sum(x.shape[-1] for x in own)
        scaled = [
            (share * number / x.shape[-1]) ** 0.5 * x
            for x, share in zip(own, shares, strict=True)
        ]
        return jnp.concatenate(scaled, -1)

    has_features = all(part.features is not None for part in similarities)
    return Similarity(loss, describe, difference, features if has_features else None)
