"""Lists of subjects and of pairs in any form, and what a dataset is like."""

from autoreg_jax.data.datasets._dataset import SPLITS, Dataset, PairList, Subject
from autoreg_jax.data.datasets._fingerprint import (
    MOST_IMAGES,
    Fingerprint,
    Scan,
    fingerprint,
)
from autoreg_jax.data.datasets._pair_files import PairFiles, match_images, read_pairs
from autoreg_jax.data.datasets._read import (
    STRUCTURES_FILE,
    read_dataset,
    read_structures,
)
from autoreg_jax.data.datasets._table import read_table

__all__ = [
    "MOST_IMAGES",
    "SPLITS",
    "STRUCTURES_FILE",
    "Dataset",
    "Fingerprint",
    "PairFiles",
    "PairList",
    "Scan",
    "Subject",
    "fingerprint",
    "match_images",
    "read_dataset",
    "read_pairs",
    "read_structures",
    "read_table",
]
