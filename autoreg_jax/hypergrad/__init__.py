"""Hypergradient estimators for bilevel problems; depends on jax and optax only."""

from autoreg_jax.hypergrad import problems
from autoreg_jax.hypergrad._argmin import argmin, descent_solver
from autoreg_jax.hypergrad._base import (
    BilevelProblem,
    EstimateFn,
    Hypergradient,
    HypergradientEstimator,
    InnerUpdate,
    Iterate,
    Point,
    make_hypergradient,
    outer_gradient,
)
from autoreg_jax.hypergrad._fixed_point import fixed_point, repeated
from autoreg_jax.hypergrad._implicit import LinearSolution, implicit
from autoreg_jax.hypergrad._second_order import (
    MixedBackend,
    SecondOrderProducts,
    central_difference,
    forward_over_reverse,
    mixed_product,
    mixed_term,
    reverse_over_forward,
)
from autoreg_jax.hypergrad._trajectory import (
    as_inner_update,
    descend,
    from_optax,
    gradient_descent,
)
from autoreg_jax.hypergrad.algorithms._algorithm import Algorithm, AlgorithmState
from autoreg_jax.hypergrad.algorithms._alternating import alternating
from autoreg_jax.hypergrad.algorithms._double_loop import amigo, stocbio
from autoreg_jax.hypergrad.algorithms._penalty import bome, f2sa
from autoreg_jax.hypergrad.algorithms._saba import saba
from autoreg_jax.hypergrad.algorithms._samplers import (
    FiniteSum,
    minibatches,
    whole_batches,
)
from autoreg_jax.hypergrad.algorithms._single_loop import fsla, ma_soba, soba
from autoreg_jax.hypergrad.algorithms._solve import Solution, solve
from autoreg_jax.hypergrad.algorithms._truncated import ttsa
from autoreg_jax.hypergrad.algorithms._zeroth_order import pzobo
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
from autoreg_jax.hypergrad.diagnostics._table import Agreements
from autoreg_jax.hypergrad.estimators._distillation import (
    hyper_distill,
    hyper_distill_size,
)
from autoreg_jax.hypergrad.estimators._evolution_strategies import (
    evolution_strategies,
)
from autoreg_jax.hypergrad.estimators._first_order import first_order
from autoreg_jax.hypergrad.estimators._forward_mode import (
    forward_mode,
    online_forward_mode,
)
from autoreg_jax.hypergrad.estimators._generalised_minimal_residual import (
    generalised_minimal_residual,
)
from autoreg_jax.hypergrad.estimators._linear_systems import (
    conjugate_gradient,
    full_hessian,
)
from autoreg_jax.hypergrad.estimators._minimal_residual import minimal_residual
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
from autoreg_jax.hypergrad.estimators._persistent_strategies import (
    noise_reuse_evolution_strategies,
    persistent_evolution_strategies,
)
from autoreg_jax.hypergrad.estimators._preconditioned_identity import (
    preconditioned_identity,
)
from autoreg_jax.hypergrad.estimators._rank_one import (
    unbiased_online_recurrent_optimisation,
)
from autoreg_jax.hypergrad.estimators._unroll import unroll
from autoreg_jax.hypergrad.estimators._value_function import value_function

__all__ = [
    "Agreement",
    "Agreements",
    "Algorithm",
    "AlgorithmState",
    "BatchNoise",
    "BilevelProblem",
    "EigenvalueStop",
    "EstimateFn",
    "FiniteResponse",
    "FiniteSum",
    "Hypergradient",
    "HypergradientEstimator",
    "InnerUpdate",
    "Iterate",
    "LinearSolution",
    "MixedBackend",
    "Point",
    "SecondOrderProducts",
    "Solution",
    "ThreeLevelProblem",
    "agreement",
    "alignment",
    "alternating",
    "amigo",
    "argmin",
    "as_inner_update",
    "batch_noise",
    "bome",
    "central_difference",
    "compare",
    "conjugate_gradient",
    "cosine",
    "descend",
    "descent_solver",
    "eigenvalue_stop",
    "evolution_strategies",
    "f2sa",
    "finite_difference",
    "finite_response",
    "first_order",
    "fixed_point",
    "forward_mode",
    "forward_over_reverse",
    "from_optax",
    "fsla",
    "full_hessian",
    "generalised_minimal_residual",
    "gradient_descent",
    "gradient_response",
    "hyper_distill",
    "hyper_distill_size",
    "implicit",
    "kink_density",
    "largest_eigenvalue",
    "ma_soba",
    "make_hypergradient",
    "minibatches",
    "minimal_residual",
    "mixed_product",
    "mixed_term",
    "nested_forward",
    "neumann",
    "noise_reuse_evolution_strategies",
    "nystrom",
    "one_step_unroll",
    "online_forward_mode",
    "outer_gradient",
    "outer_hessian",
    "persistent_evolution_strategies",
    "preconditioned_identity",
    "problems",
    "pzobo",
    "repeated",
    "reverse_over_forward",
    "saba",
    "smoothed_product",
    "soba",
    "solve",
    "stocbio",
    "t1t2",
    "ttsa",
    "unbiased_online_recurrent_optimisation",
    "unroll",
    "value_function",
    "warm_started_linear_system",
    "whole_batches",
]
