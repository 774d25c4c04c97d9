"""Images, label maps, lists of subjects, pairs, and a virtual population."""

from autoreg_jax.data.cohort._cohort import Cohort, label_values, load_cohort
from autoreg_jax.data.cohort._pairs import PairSampler, evaluation_pairs
from autoreg_jax.data.cohort._working import Align, Working, check_contrast
from autoreg_jax.data.datasets._dataset import Dataset, Subject
from autoreg_jax.data.datasets._fingerprint import (
    MOST_IMAGES,
    Fingerprint,
    Scan,
    fingerprint,
)
from autoreg_jax.data.datasets._pair_files import PairFiles, match_images, read_pairs
from autoreg_jax.data.datasets._sources import read_dataset
from autoreg_jax.data.images._content import content_of
from autoreg_jax.data.images._intensity import Intensity, normalize_intensity
from autoreg_jax.data.images._reading import read_image, read_labels
from autoreg_jax.data.images._writing import write_displacement, write_volume
from autoreg_jax.data.simulation._population import write_population
from autoreg_jax.geometry import Grid, Volume, grid_along, resample

__all__ = [
    "MOST_IMAGES",
    "Align",
    "Cohort",
    "Dataset",
    "Fingerprint",
    "Grid",
    "Intensity",
    "PairFiles",
    "PairSampler",
    "Scan",
    "Subject",
    "Volume",
    "Working",
    "check_contrast",
    "content_of",
    "evaluation_pairs",
    "fingerprint",
    "grid_along",
    "label_values",
    "load_cohort",
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
