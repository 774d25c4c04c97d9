"""Whole jobs: the only loops and the only clocks of the package."""

from autoreg_jax.workflows._auto import auto as auto
from autoreg_jax.workflows._demo import demo as demo
from autoreg_jax.workflows._evaluate import evaluate as evaluate
from autoreg_jax.workflows._evaluation import Evaluation as Evaluation
from autoreg_jax.workflows._evaluation import read_evaluation as read_evaluation
from autoreg_jax.workflows._many import search_many as search_many
from autoreg_jax.workflows._search import SearchResult as SearchResult
from autoreg_jax.workflows._search import search as search
from autoreg_jax.workflows._train import train as train
from autoreg_jax.workflows.comparison import compare as compare
from autoreg_jax.workflows.experiments import Protocol as Protocol
from autoreg_jax.workflows.experiments import reproduce as reproduce

__all__ = [
    "Evaluation",
    "Protocol",
    "SearchResult",
    "auto",
    "compare",
    "demo",
    "evaluate",
    "read_evaluation",
    "reproduce",
    "search",
    "search_many",
    "train",
]
