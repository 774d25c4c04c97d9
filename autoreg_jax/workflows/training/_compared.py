"""By what the pairs of a trained network are compared."""

from autoreg_jax.config import RunConfig
from autoreg_jax.losses import Objective, Similarity


def compared_by(config: RunConfig, objective: Objective) -> str:
    """What a refinement with the model minimises: a similarity by its name.

    It is that of the training; MIND, if the network saw other contrasts than those that
    the loss compared, since its pairs may have any.
    """
    augment = config.train.augment
    has_any_contrast = augment.remap.probability > 0 or augment.paint.probability > 0
    if augment.loss_on == "original" and has_any_contrast:
        return "mind"
    return loss_compares(config, objective)


def loss_compares(config: RunConfig, objective: Objective) -> str:
    """What the loss of the training compares: a similarity by its name."""
    if isinstance(objective.similarity, Similarity):
        return config.objective.similarity
    return objective.similarity
