"""Hypergradients of bilevel problems; needs jax and optax, nothing else."""

from autoreg_jax.hypergrad import problems as problems
from autoreg_jax.hypergrad._base import BilevelProblem as BilevelProblem
from autoreg_jax.hypergrad._base import EstimateFn as EstimateFn
from autoreg_jax.hypergrad._base import Hypergradient as Hypergradient
from autoreg_jax.hypergrad._base import HypergradientEstimator as HypergradientEstimator
from autoreg_jax.hypergrad._base import InnerUpdate as InnerUpdate
from autoreg_jax.hypergrad._compare import Agreement as Agreement
from autoreg_jax.hypergrad._compare import agreement as agreement
from autoreg_jax.hypergrad._compare import compare as compare
from autoreg_jax.hypergrad._conjugate_gradient import (
    conjugate_gradient as conjugate_gradient,
)
from autoreg_jax.hypergrad._curvature import EigenvalueStop as EigenvalueStop
from autoreg_jax.hypergrad._curvature import eigenvalue_stop as eigenvalue_stop
from autoreg_jax.hypergrad._curvature import largest_eigenvalue as largest_eigenvalue
from autoreg_jax.hypergrad._curvature import outer_hessian as outer_hessian
from autoreg_jax.hypergrad._dense import dense as dense
from autoreg_jax.hypergrad._diagnostics import BatchNoise as BatchNoise
from autoreg_jax.hypergrad._diagnostics import Parts as Parts
from autoreg_jax.hypergrad._diagnostics import alignment as alignment
from autoreg_jax.hypergrad._diagnostics import batch_noise as batch_noise
from autoreg_jax.hypergrad._diagnostics import cosine as cosine
from autoreg_jax.hypergrad._diagnostics import kink_density as kink_density
from autoreg_jax.hypergrad._diagnostics import parts as parts
from autoreg_jax.hypergrad._evolution_strategies import (
    evolution_strategies as evolution_strategies,
)
from autoreg_jax.hypergrad._finite_difference import (
    finite_difference as finite_difference,
)
from autoreg_jax.hypergrad._finite_response import FiniteResponse as FiniteResponse
from autoreg_jax.hypergrad._finite_response import finite_response as finite_response
from autoreg_jax.hypergrad._finite_response import (
    gradient_response as gradient_response,
)
from autoreg_jax.hypergrad._finite_response import smoothed_product as smoothed_product
from autoreg_jax.hypergrad._first_order import first_order as first_order
from autoreg_jax.hypergrad._forward_mode import forward_mode as forward_mode
from autoreg_jax.hypergrad._look_ahead import from_optax as from_optax
from autoreg_jax.hypergrad._look_ahead import sgd as sgd
from autoreg_jax.hypergrad._mixed_product import mixed_product as mixed_product
from autoreg_jax.hypergrad._nested_forward import ThreeLevelProblem as ThreeLevelProblem
from autoreg_jax.hypergrad._nested_forward import nested_forward as nested_forward
from autoreg_jax.hypergrad._neumann import neumann as neumann
from autoreg_jax.hypergrad._nystrom import nystrom as nystrom
from autoreg_jax.hypergrad._one_step_unroll import one_step_unroll as one_step_unroll
from autoreg_jax.hypergrad._online_forward_mode import (
    online_forward_mode as online_forward_mode,
)
from autoreg_jax.hypergrad._persistent_evolution_strategies import (
    persistent_evolution_strategies as persistent_evolution_strategies,
)
from autoreg_jax.hypergrad._second_order import MixedBackend as MixedBackend
from autoreg_jax.hypergrad._second_order import Products as Products
from autoreg_jax.hypergrad._second_order import central_difference as central_difference
from autoreg_jax.hypergrad._second_order import (
    forward_over_reverse as forward_over_reverse,
)
from autoreg_jax.hypergrad._second_order import (
    reverse_over_forward as reverse_over_forward,
)
from autoreg_jax.hypergrad._t1t2 import t1t2 as t1t2
from autoreg_jax.hypergrad._unroll import unroll as unroll
from autoreg_jax.hypergrad._value_function import value_function as value_function
from autoreg_jax.hypergrad._warm_started import (
    warm_started_linear_system as warm_started_linear_system,
)

__all__ = [
    "Agreement",
    "BatchNoise",
    "BilevelProblem",
    "EigenvalueStop",
    "EstimateFn",
    "FiniteResponse",
    "Hypergradient",
    "HypergradientEstimator",
    "InnerUpdate",
    "MixedBackend",
    "Parts",
    "Products",
    "ThreeLevelProblem",
    "agreement",
    "alignment",
    "batch_noise",
    "central_difference",
    "compare",
    "conjugate_gradient",
    "cosine",
    "dense",
    "eigenvalue_stop",
    "evolution_strategies",
    "finite_difference",
    "finite_response",
    "first_order",
    "forward_mode",
    "forward_over_reverse",
    "from_optax",
    "gradient_response",
    "kink_density",
    "largest_eigenvalue",
    "mixed_product",
    "nested_forward",
    "neumann",
    "nystrom",
    "one_step_unroll",
    "online_forward_mode",
    "outer_hessian",
    "parts",
    "persistent_evolution_strategies",
    "problems",
    "reverse_over_forward",
    "sgd",
    "smoothed_product",
    "t1t2",
    "unroll",
    "value_function",
    "warm_started_linear_system",
]
