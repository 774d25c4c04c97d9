"""Algorithm 1 as pure functions: its problems and one iteration."""

from autoreg_jax.search._batch import PairBatch as PairBatch
from autoreg_jax.search._judge import Judge as Judge
from autoreg_jax.search._judge import agreement_judge as agreement_judge
from autoreg_jax.search._judge import landmark_judge as landmark_judge
from autoreg_jax.search._judge import overlap_judge as overlap_judge
from autoreg_jax.search._leak import with_leaking_lambda as with_leaking_lambda
from autoreg_jax.search._problem import SearchProblem as SearchProblem
from autoreg_jax.search._problem import architecture_problem as architecture_problem
from autoreg_jax.search._problem import objective_problem as objective_problem
from autoreg_jax.search._problem import over_pairs as over_pairs
from autoreg_jax.search._step import InnerInfo as InnerInfo
from autoreg_jax.search._step import OuterInfo as OuterInfo
from autoreg_jax.search._step import SearchAlgorithm as SearchAlgorithm
from autoreg_jax.search._step import SearchState as SearchState
from autoreg_jax.search._step import make_search as make_search

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
