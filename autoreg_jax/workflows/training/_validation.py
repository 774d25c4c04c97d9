"""What is measured of a training on a few validation pairs, now and then."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import numpy as np

from autoreg_jax.config import RunConfig, TrainConfig
from autoreg_jax.data import Cohort
from autoreg_jax.errors import DataError
from autoreg_jax.losses import image_terms
from autoreg_jax.programs import Network, Programs, gather_pairs, make_lambda
from autoreg_jax.runtime import Placement
from autoreg_jax.training import TrainState, better
from autoreg_jax.workflows._images import split_images
from autoreg_jax.workflows._pairs import scored_pairs

# Validations of a training: a few numbers for the reader, more if they decide.
_NUM_SHOWN, _NUM_DECIDING = 5, 20
# Records from one to the next where nobody knows how many there will be.
_RECORDS = 10


class Validation(NamedTuple):
    """A measure of weights, and how often it is taken.

    Attributes:
        name: In records: "validation_dice" or "validation_loss".
        measure: A number of ω.
        sign: -1 where the number is to be large.
        every: Steps between two validations.
        keep: `(best, omega, score, step) -> best`, compiled.
    """

    name: str
    measure: Callable[[Any], float]
    sign: int
    every: int
    keep: Callable[..., Any]

    def __call__(self, state: TrainState) -> tuple[TrainState, dict[str, Any]]:
        """Measure the weights of a state, which remembers the best ones if it may."""
        value = self.measure(state.averaged)
        if state.best is None:
            return state, {self.name: value}
        score = np.float32(self.sign * value)
        best = self.keep(state.best, state.averaged, score, state.step)
        found = {self.name: value, "best_step": int(best.step)}
        return replace(state, best=best), found


def check_judge(settings: TrainConfig, validation: Cohort | None) -> None:
    """Refuse a training whose weights are to be judged by what is not there.

    Raises:
        DataError: If there are no validation subjects, or no labels of them.
    """
    if settings.keep == "best" and validation is None:
        raise DataError(
            "train.keep: the best weights are those of validation subjects, of which "
            "there are none; give some, or set train.keep=last."
        )
    has_labels = validation is not None and validation.labels is not None
    if settings.judge == "dice" and validation is not None and not has_labels:
        raise DataError(
            "train.judge: dice needs label maps of the validation subjects, which have "
            "none; set train.judge=loss."
        )


def make_validation(
    config: RunConfig,
    network: Network,
    lam: Mapping[str, float],
    programs: Programs,
    validation: Cohort | None,
    devices: Placement,
) -> Validation | None:
    """What is measured; None where nothing is, or where nobody asks for a loss."""
    settings = config.train
    if validation is None:
        return None
    is_deciding = settings.keep == "best"
    count = _NUM_DECIDING if is_deciding else _NUM_SHOWN
    usual = max(1, settings.steps // count)
    if settings.minutes is not None:
        usual = _RECORDS * settings.log_every
    every = settings.validate_every or usual
    keep = programs.once("better", lambda: jax.jit(better))
    if validation.labels is not None and settings.judge != "loss":
        dice = _mean_dice(config, network, programs, validation, devices)
        return Validation("validation_dice", dice, -1, every, keep)
    if not is_deciding and settings.validate_every is None:
        return None
    loss = _mean_loss(config, network, lam, programs, validation, devices)
    return Validation("validation_loss", loss, 1, every, keep)


def _mean_dice(
    config: RunConfig,
    network: Network,
    programs: Programs,
    validation: Cohort,
    devices: Placement,
) -> Callable[[Any], float]:
    """Mean Dice over a few fixed pairs as a function of ω."""
    program = programs.dice(network, len(validation.structures))
    pairs = np.transpose(scored_pairs(validation, config, config.train.validate_pairs))
    split = split_images(validation, config, devices, with_labels=True)
    cohort, (moving, fixed) = split.of_pairs(tuple(pairs))
    scored = np.stack([moving, fixed], 1)

    def mean_dice(omega: Any) -> float:
        arrays = (pair[:, None] for pair in scored)
        scores = [program(omega, cohort.images, cohort.labels, *p) for p in arrays]
        return float(np.nanmean(jax.device_get(scores)))

    return mean_dice


def _mean_loss(
    config: RunConfig,
    network: Network,
    lam: Mapping[str, float],
    programs: Programs,
    validation: Cohort,
    devices: Placement,
) -> Callable[[Any], float]:
    """Mean L_reg, but for terms beyond the images, over a few fixed pairs."""
    terms = programs.problem(network, config.search).inner_terms
    weights = devices.everywhere(make_lambda(image_terms(lam)))
    pairs = np.transpose(scored_pairs(validation, config, config.train.validate_pairs))
    split = split_images(validation, config, devices)
    cohort, (moving, fixed) = split.of_pairs(tuple(pairs))
    scored = np.stack([moving, fixed], 1)

    def mean_loss(omega: Any) -> float:
        losses = [
            terms(omega, weights, gather_pairs(cohort, pair[:, None]))[0]
            for pair in scored
        ]
        return float(np.mean(jax.device_get(losses)))

    return mean_loss
