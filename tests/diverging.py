"""Trainings of `shift.Shift` that diverge, and others that do not."""

import dataclasses

from autoreg_jax import config
from autoreg_jax.search_space import Genotype

LAM = {"full": 10.0, "smooth": 0.1, "half": 3.0, "quarter": 1.0}
CONV = Genotype.uniform("conv_3")
# Two hundred times a rate at which this network learns; it is reached slowly.
WILD = {"learning_rate": 20.0, "steps": 60, "warm_up": 59, "log_every": 10}
CALM = {"learning_rate": 0.1, "steps": 20, "warm_up": 2, "log_every": 4}
EVEN = CALM | {"schedule": "constant", "average": 0.9}


def run_with(settings, policy, train, **options):
    """Settings with a policy, and a training; each kind is compiled once."""
    lam = {"steps": 5, "warm_up": 1, "learning_rate": options.pop("lam", 0.1)}
    parts = {
        "network": {"operations": ["conv_3"]},
        "train": train,
        "search": {"strategy": "darts", "lam": lam},
        "divergence": {"policy": policy} | options,
    }
    return config.merge(settings, parts)


def poisoned_by(factor, cohort):
    """The subjects, of whom one has no intensities that mean something."""
    images = cohort.images.copy()
    images[2] *= factor
    return dataclasses.replace(cohort, images=images)
