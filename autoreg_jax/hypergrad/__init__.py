"""Hypergradients of bilevel problems; needs jax and optax, nothing else."""

from autoreg_jax.hypergrad import problems as problems
from autoreg_jax.hypergrad._base import BilevelProblem as BilevelProblem
from autoreg_jax.hypergrad._base import EstimateFn as EstimateFn
from autoreg_jax.hypergrad._base import Hypergradient as Hypergradient
from autoreg_jax.hypergrad._base import (
    HypergradientEstimator as HypergradientEstimator,
)
from autoreg_jax.hypergrad._compare import Agreement as Agreement
from autoreg_jax.hypergrad._compare import agreement as agreement
from autoreg_jax.hypergrad._compare import compare as compare
from autoreg_jax.hypergrad._curvature import EigenvalueStop as EigenvalueStop
from autoreg_jax.hypergrad._curvature import eigenvalue_stop as eigenvalue_stop
from autoreg_jax.hypergrad._curvature import largest_eigenvalue as largest_eigenvalue
from autoreg_jax.hypergrad._curvature import outer_hessian as outer_hessian
from autoreg_jax.hypergrad._diagnostics import BatchNoise as BatchNoise
from autoreg_jax.hypergrad._diagnostics import Parts as Parts
from autoreg_jax.hypergrad._diagnostics import alignment as alignment
from autoreg_jax.hypergrad._diagnostics import batch_noise as batch_noise
from autoreg_jax.hypergrad._diagnostics import cosine as cosine
from autoreg_jax.hypergrad._diagnostics import kink_density as kink_density
from autoreg_jax.hypergrad._diagnostics import parts as parts
from autoreg_jax.hypergrad._finite_difference import (
    finite_difference as finite_difference,
)
from autoreg_jax.hypergrad._finite_response import FiniteResponse as FiniteResponse
from autoreg_jax.hypergrad._finite_response import finite_response as finite_response
from autoreg_jax.hypergrad._finite_response import (
    gradient_response as gradient_response,
)
from autoreg_jax.hypergrad._finite_response import smoothed_product as smoothed_product
from autoreg_jax.hypergrad._look_ahead import from_optax as from_optax
from autoreg_jax.hypergrad._look_ahead import sgd as sgd
from autoreg_jax.hypergrad._mixed_product import mixed_product as mixed_product
from autoreg_jax.hypergrad._one_step_unroll import one_step_unroll as one_step_unroll

__all__ = [
    "Agreement",
    "BatchNoise",
    "BilevelProblem",
    "EigenvalueStop",
    "EstimateFn",
    "FiniteResponse",
    "Hypergradient",
    "HypergradientEstimator",
    "Parts",
    "agreement",
    "alignment",
    "batch_noise",
    "compare",
    "cosine",
    "eigenvalue_stop",
    "finite_difference",
    "finite_response",
    "from_optax",
    "gradient_response",
    "kink_density",
    "largest_eigenvalue",
    "mixed_product",
    "one_step_unroll",
    "outer_hessian",
    "parts",
    "problems",
    "sgd",
    "smoothed_product",
]
