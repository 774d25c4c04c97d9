"""The similarities that a registration can minimise, one row each."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from autoreg_jax.losses._mind import mind_descriptor, mind_loss
from autoreg_jax.losses._ncc import local_ncc, local_ncc_loss

# With ten times this weight, pairs of two real contrasts end up worse than they began.
_MIND_WEIGHT = 0.6


class Similarity(NamedTuple):
    """How a fixed and a moved image are compared; all images are `(b, *space, 1)`.

    Attributes:
        loss: `(fixed, moved, window) -> scalar`, minimised by training and refinement.
            `window` is the edge of a local window in voxels; a loss may ignore it.
        describe: `fixed -> description`, computed once for a pair that is registered
            without a model.
        difference: `(description, moved, window) -> (b, *space, 1)`, the difference in
            each voxel that registration without a model minimises; its scale is
            relative to that of the local correlation.
    """

    loss: Callable[[Array, Array, int], Array]
    describe: Callable[[Array], Array]
    difference: Callable[[Array, Array, int], Array]


def _mind_difference(description: Array, moved: Array, window: int) -> Array:
    del window
    squares = (description - mind_descriptor(moved)) ** 2
    return _MIND_WEIGHT * jnp.mean(squares, axis=-1, keepdims=True)


SIMILARITIES: Mapping[str, Similarity] = MappingProxyType(
    {
        "ncc": Similarity(
            local_ncc_loss,
            lambda fixed: fixed,
            lambda fixed, moved, window: -local_ncc(fixed, moved, window),
        ),
        "mind": Similarity(
            lambda fixed, moved, window: mind_loss(fixed, moved),
            mind_descriptor,
            _mind_difference,
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
