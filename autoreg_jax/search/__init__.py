"""Algorithm 1 as pure functions: its problems and one iteration."""

from autoreg_jax.search._batch import PairBatch
from autoreg_jax.search._judge import (
    Judge,
    agreement_judge,
    landmark_judge,
    overlap_judge,
)
from autoreg_jax.search._leak import with_leaking_lambda
from autoreg_jax.search._problem import (
    SearchProblem,
    architecture_problem,
    objective_problem,
    over_pairs,
)
from autoreg_jax.search._step import (
    InnerInfo,
    OuterInfo,
    SearchAlgorithm,
    SearchState,
    make_search,
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
    "landmark_judge",
    "make_search",
    "objective_problem",
    "over_pairs",
    "overlap_judge",
    "with_leaking_lambda",
]
