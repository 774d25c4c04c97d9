"""One step of a training, from indices of pairs."""

from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from autoreg_jax.bilevel import PairBatch, spread_ratios
from autoreg_jax.config import TrainConfig
from autoreg_jax.networks import Conditions
from autoreg_jax.programs._cohort import DeviceCohort, gather_pair
from autoreg_jax.programs._iteration import is_whole_program, say_compiling
from autoreg_jax.programs._network import Network
from autoreg_jax.programs._policy import with_guard
from autoreg_jax.programs._programs import Programs
from autoreg_jax.programs._steps import Step, Steps, in_one_program, one_by_one
from autoreg_jax.training import TrainingAlgorithm


class TrainingData(NamedTuple):
    """What stays the same in the steps of a training.

    Attributes:
        images: The training images.
        lam: λ.
        key: Of the augmentation; None without one.
        used: Part of the time that is over, in [0, 1]; None without a limit.
    """

    images: DeviceCohort
    lam: Any
    key: Any = None
    used: Any = None


def training_step(
    algorithm: TrainingAlgorithm,
    num_structures: int = 0,
    accumulate: int = 1,
    conditions: Conditions | None = None,
    *,
    is_compiled: bool = True,
) -> Step:
    """A step `(TrainState, (moving, fixed), TrainingData) -> (state, TrainInfo)`.

    Args:
        algorithm: Of the training.
        num_structures: Foreground classes of the labels, if the images have any.
        accumulate: Batches among which the pairs of a step are divided.
        conditions: What the network is told: each step is one under other weights of
            these terms, spread evenly over their range.
        is_compiled: The step becomes a part of a program. Otherwise the batches of a
            step are called one by one.
    """

    def step(state: Any, row: Any, data: TrainingData) -> tuple[Any, Any]:
        key = data.key
        if key is not None:
            key = jax.random.fold_in(key, state.step)
        lam, condition = data.lam, None
        if conditions is not None:
            reach = conditions.reach
            lam, condition = spread_ratios(lam, conditions.terms, reach, state.step)

        def images(row: Any, key: Any) -> PairBatch:
            batch = gather_pair(data.images, row, num_structures)
            return batch._replace(key=key, condition=condition)

        if accumulate == 1:
            batch = images(row, key), lam
            return algorithm.step(state, batch, data.used)

        def gradient(part: Any) -> Any:
            number, *pairs = part
            own = None if key is None else jax.random.fold_in(key, number)
            return algorithm.gradient(state, (images(tuple(pairs), own), lam))

        sides = (side.reshape(accumulate, -1) for side in row)
        parts = (np.arange(accumulate), *sides)
        if is_compiled:
            found = jax.lax.map(gradient, parts)
        else:
            each = [gradient(part) for part in zip(*parts, strict=True)]
            found = jax.tree.map(lambda *values: jnp.stack(values), *each)
        mean = jax.tree.map(lambda values: jnp.mean(values, 0), found)
        return algorithm.update(state, mean, data.used)

    return step


def training_steps(
    programs: Programs,
    network: Network,
    settings: TrainConfig,
    images: DeviceCohort,
    num_structures: int = 0,
    conditions: Conditions | None = None,
) -> Steps:
    """The steps of a training, see `training_step`."""

    def make(*, is_whole: bool) -> Steps:
        algorithm = programs.training(network, settings, is_plain=is_whole)
        step = training_step(
            algorithm,
            num_structures,
            settings.accumulate,
            conditions,
            is_compiled=is_whole,
        )
        step = with_guard(
            step,
            programs.config.divergence,
            is_compiled=is_whole,
            keeps_best=settings.keep == "best",
        )
        return in_one_program(step) if is_whole else one_by_one(step)

    programs.once(("said", False), lambda: say_compiling(is_mixed=False))
    if not is_whole_program(programs, network, images, settings.steps):
        return make(is_whole=False)
    same = replace(settings, log_every=1, steps_per_call=None)
    key = ("training steps", network, same, num_structures, conditions)
    return programs.once(key, lambda: make(is_whole=True))
