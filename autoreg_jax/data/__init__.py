"""Images, label maps, lists of subjects, pairs, and a virtual population."""

from autoreg_jax.data.cohort import (
    Cohort,
    PairSampler,
    Preprocessing,
    evaluation_pairs,
    load_cohort,
    load_cohorts,
)
from autoreg_jax.data.datasets import (
    MOST_IMAGES,
    Dataset,
    Fingerprint,
    PairFiles,
    Scan,
    Subject,
    fingerprint,
    match_images,
    read_dataset,
    read_pairs,
)
from autoreg_jax.data.images import (
    Intensity,
    check_contrast,
    normalize_intensity,
    read_image,
    read_labels,
    write_displacement,
    write_volume,
)
from autoreg_jax.data.simulation import write_population
from autoreg_jax.geometry import Grid, Volume, grid_along, resample

__all__ = [
    "MOST_IMAGES",
    "Cohort",
    "Dataset",
    "Fingerprint",
    "Grid",
    "Intensity",
    "PairFiles",
    "PairSampler",
    "Preprocessing",
    "Scan",
    "Subject",
    "Volume",
    "check_contrast",
    "evaluation_pairs",
    "fingerprint",
    "grid_along",
    "load_cohort",
    "load_cohorts",
    "match_images",
    "normalize_intensity",
    "read_dataset",
    "read_image",
    "read_labels",
    "read_pairs",
    "resample",
    "write_displacement",
    "write_population",
    "write_volume",
]
