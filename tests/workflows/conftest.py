"""Tiny subjects and one configuration; see `stand_in`."""

import pytest
from stand_in import make_cohort

from autoreg_jax import config


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
