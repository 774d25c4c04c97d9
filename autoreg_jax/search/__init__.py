"""Algorithm 1 as pure functions: its problems and one iteration."""

from autoreg_jax.search._own_estimator import checked_estimator
from autoreg_jax.search._problem import (
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
from autoreg_jax.search._step import (
    InnerInfo,
    OuterInfo,
    SearchAlgorithm,
    SearchState,
    make_search,
    with_leaking_lambda,
)

__all__ = [
    "InnerInfo",
    "Judge",
    "OuterInfo",
    "PairBatch",
    "SearchAlgorithm",
    "SearchProblem",
    "SearchState",
    "agreement_judge",
    "architecture_problem",
    "checked_estimator",
    "landmark_judge",
    "make_search",
    "objective_problem",
    "over_pairs",
    "overlap_judge",
    "with_leaking_lambda",
]
