"""Whole jobs: the only loops and the only clocks of the package."""

from autoreg_jax.workflows._auto import auto as auto
from autoreg_jax.workflows._demo import demo as demo
from autoreg_jax.workflows._evaluate import evaluate as evaluate
from autoreg_jax.workflows._evaluation import Evaluation as Evaluation
from autoreg_jax.workflows._evaluation import read_evaluation as read_evaluation
from autoreg_jax.workflows._many import search_many as search_many
from autoreg_jax.workflows._plan import Plan as Plan
from autoreg_jax.workflows._plan import plan as plan
from autoreg_jax.workflows._plan import summary as plan_summary
from autoreg_jax.workflows._prepare import Prepared as Prepared
from autoreg_jax.workflows._prepare import prepare as prepare
from autoreg_jax.workflows._prepare import prepare_again as prepare_again
from autoreg_jax.workflows._search import SearchResult as SearchResult
from autoreg_jax.workflows._search import search as search
from autoreg_jax.workflows._train import train as train

__all__ = [
    "Evaluation",
    "Plan",
    "Prepared",
    "SearchResult",
    "auto",
    "demo",
    "evaluate",
    "plan",
    "plan_summary",
    "prepare",
    "prepare_again",
    "read_evaluation",
    "search",
    "search_many",
    "train",
]
