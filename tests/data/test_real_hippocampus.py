"""Real scans with manual labels load as one cohort."""

from pathlib import Path

import numpy as np
import pytest

from autoreg_jax.data import load_cohort, read_dataset

DATASET = Path(__file__).parents[3] / "shared" / "data" / "hippocampus" / "dataset.csv"

pytestmark = pytest.mark.skipif(
    not DATASET.exists(), reason="the hippocampus data set is not beside the repository"
)


def test_hippocampus():
    dataset = read_dataset(DATASET)
    sizes = [len(dataset.split(name)) for name in ("train", "validation", "test")]
    assert sizes == [100, 20, 20]
    cohort = load_cohort(dataset, "validation")
    assert cohort.label_values == (1, 2)
    assert cohort.images.shape == (20, 48, 64, 48, 1)
    assert cohort.spacing == (1.0, 1.0, 1.0)
    for image, labels in zip(cohort.images, cohort.labels, strict=True):
        assert 0.05 < image.mean() < 0.6
        assert set(np.unique(labels)) == {0, 1, 2}
