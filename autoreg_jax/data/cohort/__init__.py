"""The subjects of one split in memory on one grid, and pairs of them."""

from autoreg_jax.data.cohort._cohort import Cohort, load_cohort, load_cohorts
from autoreg_jax.data.cohort._preprocessing import Preprocessing
from autoreg_jax.data.cohort._sampling import PairSampler, evaluation_pairs

__all__ = [
    "Cohort",
    "PairSampler",
    "Preprocessing",
    "evaluation_pairs",
    "load_cohort",
    "load_cohorts",
]
