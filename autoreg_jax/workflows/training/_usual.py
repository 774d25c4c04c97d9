"""What a trained network does to validation pairs, kept with the model."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np

from autoreg_jax.config import RunConfig
from autoreg_jax.data import Cohort
from autoreg_jax.errors import DataError
from autoreg_jax.inference import RegistrationModel
from autoreg_jax.inference.trust import Done, Usual, done, shown, there_and_back
from autoreg_jax.workflows._pairs import scored_pairs


def with_usual(
    model: RegistrationModel, validation: Cohort | None, config: RunConfig
) -> RegistrationModel:
    """The model with `description.usual`, measured on validation pairs both ways.

    Args:
        model: The trained network.
        validation: Subjects that it has not seen; without them, or without a pair of
            them, the model stays as it is.
        config: The run; `train.validate_pairs` says how many pairs are measured.
    """
    if validation is None:
        return model
    try:
        pairs = scored_pairs(validation, config, config.train.validate_pairs)
    except DataError:
        return model
    found = [
        each
        for moving, fixed in pairs
        for each in _done(model, validation, moving, fixed)
    ]
    about = replace(model.description, usual=Usual.of(found))
    return replace(model, description=about)


def _done(
    model: RegistrationModel, cohort: Cohort, moving: int, fixed: int
) -> list[Done]:
    """Of a pair, and of the same with the images swapped."""
    sides = moving, fixed
    images = [jnp.asarray(cohort.images[side][None]) for side in sides]
    fields = [
        np.asarray(model(one, other).displacements.full)[0]
        for one, other in (images, images[::-1])
    ]
    found = []
    for side, there, back in ((1, *fields), (0, *fields[::-1])):
        spacing = model.description.spacing
        missed = there_and_back(there, back, spacing)
        shows = shown(np.asarray(images[side])[0, ..., 0], None)
        found.append(done(there, missed, spacing, shows))
    return found
