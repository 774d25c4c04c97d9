"""The weights λ of a configuration and of a file, as the device holds them."""

from collections.abc import Mapping

import jax.numpy as jnp

from autoreg_jax.config import RunConfig
from autoreg_jax.losses import Weights


def start_of_lambda(config: RunConfig) -> Weights:
    """λ before its search."""
    start, extra = config.objective, config.objective.extra
    further = {
        "ncc_full": extra.ncc_full,
        "ncc_half": extra.ncc_half,
        "ncc_quarter": extra.ncc_quarter,
        "mind_full": extra.mind_full,
        "mind_half": extra.mind_half,
        "mind_quarter": extra.mind_quarter,
        "bending": extra.bending,
        "folding": extra.folding,
    }
    values = {
        "full": start.full,
        "smooth": start.smooth,
        "half": start.half,
        "quarter": start.quarter,
    }
    present = {name: weight for name, weight in further.items() if weight is not None}
    return make_lambda(values | present)


def make_lambda(values: Mapping[str, float]) -> Weights:
    """λ as device scalars from its named values."""
    return {name: jnp.float32(value) for name, value in values.items()}
