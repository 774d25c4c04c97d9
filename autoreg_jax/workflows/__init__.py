"""Whole jobs: the only loops and the only clocks of the package."""

from autoreg_jax.workflows._auto import auto, demo
from autoreg_jax.workflows._doctor import Check, check_run, selfcheck
from autoreg_jax.workflows._journal import Journal
from autoreg_jax.workflows._run_steps import (
    evaluate_run,
    search_run,
    smoothness_run,
    train_run,
)
from autoreg_jax.workflows._search import search
from autoreg_jax.workflows._stage import as_lists
from autoreg_jax.workflows._stepped import SearchProgress, SteppedSearch
from autoreg_jax.workflows._stored import config_beside, config_of
from autoreg_jax.workflows._train import train
from autoreg_jax.workflows.cohorts import (
    CorrectedSeries,
    Template,
    build_template,
    register_series,
)
from autoreg_jax.workflows.evaluation import (
    Evaluation,
    evaluate,
    evaluate_dataset,
    read_evaluation,
    smoothness_dataset,
    smoothness_front,
)
from autoreg_jax.workflows.planning import (
    Plan,
    Prepared,
    plan,
    prepare,
    prepare_again,
)
from autoreg_jax.workflows.planning import summary as plan_summary
from autoreg_jax.workflows.refinement import search_refinement
from autoreg_jax.workflows.strategies import (
    STRATEGIES,
    SearchJob,
    SearchResult,
    Strategy,
)

__all__ = [
    "STRATEGIES",
    "Check",
    "CorrectedSeries",
    "Evaluation",
    "Journal",
    "Plan",
    "Prepared",
    "SearchJob",
    "SearchProgress",
    "SearchResult",
    "SteppedSearch",
    "Strategy",
    "Template",
    "as_lists",
    "auto",
    "build_template",
    "check_run",
    "config_beside",
    "config_of",
    "demo",
    "evaluate",
    "evaluate_dataset",
    "evaluate_run",
    "plan",
    "plan_summary",
    "prepare",
    "prepare_again",
    "read_evaluation",
    "register_series",
    "search",
    "search_refinement",
    "search_run",
    "selfcheck",
    "smoothness_dataset",
    "smoothness_front",
    "smoothness_run",
    "train",
    "train_run",
]
