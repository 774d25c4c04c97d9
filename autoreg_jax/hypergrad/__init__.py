"""Hypergradients of bilevel problems; needs jax and optax, nothing else."""

from autoreg_jax.hypergrad._base import BilevelProblem as BilevelProblem
from autoreg_jax.hypergrad._base import EstimateFn as EstimateFn
from autoreg_jax.hypergrad._base import Hypergradient as Hypergradient
from autoreg_jax.hypergrad._base import (
    HypergradientEstimator as HypergradientEstimator,
)
from autoreg_jax.hypergrad._finite_difference import (
    finite_difference as finite_difference,
)
from autoreg_jax.hypergrad._look_ahead import from_optax as from_optax
from autoreg_jax.hypergrad._look_ahead import sgd as sgd
from autoreg_jax.hypergrad._mixed_product import mixed_product as mixed_product
from autoreg_jax.hypergrad._one_step_unroll import one_step_unroll as one_step_unroll

__all__ = [
    "BilevelProblem",
    "EstimateFn",
    "Hypergradient",
    "HypergradientEstimator",
    "finite_difference",
    "from_optax",
    "mixed_product",
    "one_step_unroll",
    "sgd",
]
