"""Initial weights of a network as the tree that `network.apply` takes."""

from functools import cache
from typing import Any

import jax
import numpy as np

from autoreg_jax.programs._layout import initial_vector, layout_of

_layout = cache(layout_of)  # a network is traced for it


def initial_weights(network: Any, ndim: int, seed: tuple[int, ...], **options) -> Any:
    """Random ω of a run with this seed; `options` are those of `initial_vector`."""
    layout = _layout(network, ndim)
    vector = initial_vector(network, ndim, layout, seed, **options)
    return jax.tree.map(jax.numpy.array, layout.to_tree(np.asarray(vector)))
