"""Images, label maps, lists of subjects, pairs, and a virtual population."""

from autoreg_jax.data._cohort import Cohort, label_values, load_cohort
from autoreg_jax.data._dataset import Dataset, Subject, read_dataset
from autoreg_jax.data._intensity import normalize_intensity
from autoreg_jax.data._pair_files import PairFiles, match_images, read_pairs
from autoreg_jax.data._pairs import PairSampler, evaluation_pairs
from autoreg_jax.data._population import write_population
from autoreg_jax.data._reading import read_image, read_labels
from autoreg_jax.data._volume import Volume
from autoreg_jax.data._writing import write_displacement, write_volume

__all__ = [
    "Cohort",
    "Dataset",
    "PairFiles",
    "PairSampler",
    "Subject",
    "Volume",
    "evaluation_pairs",
    "label_values",
    "load_cohort",
    "match_images",
    "normalize_intensity",
    "read_dataset",
    "read_image",
    "read_labels",
    "read_pairs",
    "write_displacement",
    "write_population",
    "write_volume",
]
