"""The subjects of one split on one grid, in memory or on disk, and pairs of them."""

from autoreg_jax.data.cohort._cache import ImageCache, content_digest, default_cache
from autoreg_jax.data.cohort._cohort import Cohort
from autoreg_jax.data.cohort._loading import load_cohort, load_cohorts
from autoreg_jax.data.cohort._preprocessing import Preprocessing
from autoreg_jax.data.cohort._sampling import PairSampler, evaluation_pairs
from autoreg_jax.data.cohort._stored import StoredArray

__all__ = [
    "Cohort",
    "ImageCache",
    "PairSampler",
    "Preprocessing",
    "StoredArray",
    "content_digest",
    "default_cache",
    "evaluation_pairs",
    "load_cohort",
    "load_cohorts",
]
