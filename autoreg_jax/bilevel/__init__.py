"""Algorithm 1 as pure functions: its problems and one iteration."""

from autoreg_jax.bilevel._amortised import make_amortised, told
from autoreg_jax.bilevel._branches import make_branches
from autoreg_jax.bilevel._far import (
    ON_DEVICE,
    ON_HOST,
    Control,
    FarAlgorithm,
    FarState,
    MoveInfo,
    no_move,
)
from autoreg_jax.bilevel._forward import make_forward, tangent_step
from autoreg_jax.bilevel._log_ratios import (
    normalised_steps,
    of_log_ratios,
    ratio_names,
    spread_ratios,
)
from autoreg_jax.bilevel._own_estimator import checked_estimator
from autoreg_jax.bilevel._problem import (
    Judge,
    PairBatch,
    SearchProblem,
    agreement_judge,
    architecture_problem,
    landmark_judge,
    objective_problem,
    over_pairs,
    overlap_judge,
)
from autoreg_jax.bilevel._step import (
    InnerInfo,
    OuterInfo,
    SearchAlgorithm,
    SearchState,
    make_search,
    with_leaking_lambda,
)

__all__ = [
    "ON_DEVICE",
    "ON_HOST",
    "Control",
    "FarAlgorithm",
    "FarState",
    "InnerInfo",
    "Judge",
    "MoveInfo",
    "OuterInfo",
    "PairBatch",
    "SearchAlgorithm",
    "SearchProblem",
    "SearchState",
    "agreement_judge",
    "architecture_problem",
    "checked_estimator",
    "landmark_judge",
    "make_amortised",
    "make_branches",
    "make_forward",
    "make_search",
    "no_move",
    "normalised_steps",
    "objective_problem",
    "of_log_ratios",
    "over_pairs",
    "overlap_judge",
    "ratio_names",
    "spread_ratios",
    "tangent_step",
    "told",
    "with_leaking_lambda",
]
