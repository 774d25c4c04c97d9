"""Hypergradient estimators for bilevel problems; depends on jax and optax only."""

from autoreg_jax.hypergrad import problems
from autoreg_jax.hypergrad._base import (
    BilevelProblem,
    EstimateFn,
    Hypergradient,
    HypergradientEstimator,
    InnerUpdate,
    Point,
)
from autoreg_jax.hypergrad._second_order import (
    MixedBackend,
    SecondOrderProducts,
    central_difference,
    forward_over_reverse,
    mixed_product,
    reverse_over_forward,
)
from autoreg_jax.hypergrad._trajectory import from_optax, gradient_descent
from autoreg_jax.hypergrad.diagnostics._agreement import (
    Agreement,
    BatchNoise,
    agreement,
    alignment,
    batch_noise,
    compare,
    cosine,
    kink_density,
)
from autoreg_jax.hypergrad.diagnostics._curvature import (
    EigenvalueStop,
    eigenvalue_stop,
    largest_eigenvalue,
    outer_hessian,
)
from autoreg_jax.hypergrad.diagnostics._finite_response import (
    FiniteResponse,
    finite_response,
    gradient_response,
    smoothed_product,
)
from autoreg_jax.hypergrad.estimators._evolution_strategies import (
    evolution_strategies,
    persistent_evolution_strategies,
)
from autoreg_jax.hypergrad.estimators._first_order import first_order
from autoreg_jax.hypergrad.estimators._forward_mode import (
    forward_mode,
    online_forward_mode,
)
from autoreg_jax.hypergrad.estimators._linear_systems import (
    conjugate_gradient,
    full_hessian,
)
from autoreg_jax.hypergrad.estimators._nested_forward import (
    ThreeLevelProblem,
    nested_forward,
)
from autoreg_jax.hypergrad.estimators._neumann import (
    neumann,
    t1t2,
    warm_started_linear_system,
)
from autoreg_jax.hypergrad.estimators._nystrom import nystrom
from autoreg_jax.hypergrad.estimators._one_step import (
    finite_difference,
    one_step_unroll,
)
from autoreg_jax.hypergrad.estimators._unroll import unroll
from autoreg_jax.hypergrad.estimators._value_function import value_function

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
    "Point",
    "SecondOrderProducts",
    "ThreeLevelProblem",
    "agreement",
    "alignment",
    "batch_noise",
    "central_difference",
    "compare",
    "conjugate_gradient",
    "cosine",
    "eigenvalue_stop",
    "evolution_strategies",
    "finite_difference",
    "finite_response",
    "first_order",
    "forward_mode",
    "forward_over_reverse",
    "from_optax",
    "full_hessian",
    "gradient_descent",
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
    "persistent_evolution_strategies",
    "problems",
    "reverse_over_forward",
    "smoothed_product",
    "t1t2",
    "unroll",
    "value_function",
    "warm_started_linear_system",
]
