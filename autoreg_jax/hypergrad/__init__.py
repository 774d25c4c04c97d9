"""Hypergradients of bilevel problems; needs jax and optax, nothing else."""

from autoreg_jax.hypergrad._base import BilevelProblem as BilevelProblem
from autoreg_jax.hypergrad._base import EstimateFn as EstimateFn
from autoreg_jax.hypergrad._base import Hypergradient as Hypergradient
from autoreg_jax.hypergrad._base import HypergradientEstimator as HypergradientEstimator
from autoreg_jax.hypergrad._base import InnerUpdate as InnerUpdate
from autoreg_jax.hypergrad._conjugate_gradient import (
    conjugate_gradient as conjugate_gradient,
)
from autoreg_jax.hypergrad._dense import dense as dense
from autoreg_jax.hypergrad._evolution_strategies import (
    evolution_strategies as evolution_strategies,
)
from autoreg_jax.hypergrad._finite_difference import (
    finite_difference as finite_difference,
)
from autoreg_jax.hypergrad._first_order import first_order as first_order
from autoreg_jax.hypergrad._forward_mode import forward_mode as forward_mode
from autoreg_jax.hypergrad._look_ahead import from_optax as from_optax
from autoreg_jax.hypergrad._look_ahead import sgd as sgd
from autoreg_jax.hypergrad._mixed_product import mixed_product as mixed_product
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
    "BilevelProblem",
    "EstimateFn",
    "Hypergradient",
    "HypergradientEstimator",
    "InnerUpdate",
    "MixedBackend",
    "Products",
    "central_difference",
    "conjugate_gradient",
    "dense",
    "evolution_strategies",
    "finite_difference",
    "first_order",
    "forward_mode",
    "forward_over_reverse",
    "from_optax",
    "mixed_product",
    "neumann",
    "nystrom",
    "one_step_unroll",
    "online_forward_mode",
    "persistent_evolution_strategies",
    "reverse_over_forward",
    "sgd",
    "t1t2",
    "unroll",
    "value_function",
    "warm_started_linear_system",
]
