"""Tiny cohorts made with NumPy and one configuration for all tests of the workflows."""

import dataclasses

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from autoreg_jax import config, data

SIZE = 16


def make_cohort(num_subjects: int, seed: int, *, with_labels: bool = True):
    """Blobs of two sizes in different places, one structure each."""
    rng = np.random.default_rng(seed)
    grid = np.indices((SIZE, SIZE))
    images = np.zeros((num_subjects, SIZE, SIZE, 1), np.float32)
    labels = np.zeros((num_subjects, SIZE, SIZE), np.int32)
    for subject in range(num_subjects):
        for structure, radius in ((1, 4.5), (2, 2.5)):
            centre = rng.uniform(6, 9, (2, 1, 1))
            inside = np.sum((grid - centre) ** 2, axis=0) < radius**2
            images[subject, ..., 0][inside] = 0.4 * structure
            labels[subject][inside] = structure
        images[subject, ..., 0] = gaussian_filter(images[subject, ..., 0], 0.7)
    return data.Cohort(
        names=tuple(f"s{seed}-{subject}" for subject in range(num_subjects)),
        images=images,
        labels=labels if with_labels else None,
        structures=("large", "small") if with_labels else (),
        affine=np.diag([2.0, 2.0, 2.0, 1.0]),
        spacing=(2.0, 2.0),
    )


def without_labels(cohort):
    """The same subjects, nothing known about them."""
    return dataclasses.replace(cohort, labels=None, structures=())


@pytest.fixture(scope="session")
def cohorts():
    """Training, validation and test subjects."""
    return make_cohort(4, 1), make_cohort(3, 2), make_cohort(3, 3)


@pytest.fixture(scope="session")
def settings():
    """A narrow network and a few steps of everything."""
    stage = {"steps": 3, "warm_up": 1}
    return config.merge(
        config.RunConfig(),
        {
            "network": {"width": 0.1, "num_steps": 2},
            "objective": {"windows": [5, 3, 3]},
            "search": {
                "feature": stage | {"learning_rate": 1e-2},
                "deformation": stage | {"learning_rate": 2e-2},
                "lam": stage | {"learning_rate": 1e-1},
            },
            "train": {"steps": 6, "log_every": 2},
            "evaluate": {"pairs": 4, "refine": {"steps": 3}},
        },
    )
