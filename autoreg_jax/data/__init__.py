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
    ENDINGS,
    check_contrast,
    is_image_name,
    normalize_intensity,
    read_image,
    read_labels,
    read_mask,
    write_displacement,
    write_volume,
)
from autoreg_jax.data.simulation import write_population

__all__ = [
    "ENDINGS",
    "MOST_IMAGES",
    "Cohort",
    "Dataset",
    "Fingerprint",
    "PairFiles",
    "PairSampler",
    "Preprocessing",
    "Scan",
    "Subject",
    "check_contrast",
    "evaluation_pairs",
    "fingerprint",
    "is_image_name",
    "load_cohort",
    "load_cohorts",
    "match_images",
    "normalize_intensity",
    "read_dataset",
    "read_image",
    "read_labels",
    "read_mask",
    "read_pairs",
    "write_displacement",
    "write_population",
    "write_volume",
]
