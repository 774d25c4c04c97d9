"""How ω moves in a training: learning rate, optimizer, average."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array

from autoreg_jax.config import DivergenceConfig, TrainConfig
from autoreg_jax.errors import ConfigError
from autoreg_jax.losses import Terms
from autoreg_jax.programs._layout import Layout, on_tree
from autoreg_jax.programs._optimizers import compiled_update, make_omega_optimizer
from autoreg_jax.programs._pair_loss import PairLoss
from autoreg_jax.programs._policy import with_policy
from autoreg_jax.training import TrainingAlgorithm, make_training, moved_average

_USUAL_WARM_UP = 50
# What the names of the modules of feature cells begin with.
_FEATURES = "feature"


def training_algorithm(
    terms: PairLoss,
    layout: Layout,
    settings: TrainConfig,
    divergence: DivergenceConfig,
    *,
    is_plain: bool,
) -> TrainingAlgorithm:
    """Adam on a loss, ω a vector.

    Args:
        terms: `(omega, lam, batch) -> (loss, terms)`; the batch of a step of the
            algorithm is `(PairBatch, λ)`.
        layout: Of ω.
        settings: Of the training.
        divergence: What is done where it diverges.
        is_plain: Nothing is compiled: the functions are parts of a larger program.
    """
    compiled: Callable[..., Any] = (lambda f: f) if is_plain else jax.jit
    # With the same state, so that time may limit a continued training.
    scale = None if settings.minutes is None else scale_by_time(settings)
    optimizer = make_omega_optimizer(
        training_schedule(settings), layout, settings.omega_steps, scale=scale
    )
    if settings.freeze == "features":
        optimizer = optax.chain(optimizer, frozen_features(layout))
    optimizer = with_policy(optimizer, divergence)
    if not is_plain:
        optimizer = compiled_update(optimizer)
    average = None
    if settings.average is not None:
        average = compiled(partial(moved_average, decay=settings.average))

    def loss_and_terms(omega: Any, batch: Any) -> tuple[Array, Terms]:
        images, lam = batch
        return terms(omega, lam, images)

    keeps_best = settings.keep == "best"
    return make_training(loss_and_terms, optimizer, average, keeps_best=keeps_best)


def training_schedule(config: TrainConfig) -> optax.Schedule:
    """The learning rate of the training: constant, or along cosines to zero."""
    rate, warm_up = config.learning_rate, warm_up_steps(config)
    if has_constant_rate(config):
        if not warm_up:
            return optax.constant_schedule(rate)
        return optax.linear_schedule(0.0, rate, warm_up)
    first, *others = lengths = cycle_lengths(config)
    schedule = optax.warmup_cosine_decay_schedule(0.0, rate, warm_up, first)
    if not others:
        return schedule
    rest = [optax.cosine_decay_schedule(rate, length) for length in others]
    ends = [sum(lengths[: place + 1]) for place in range(len(others))]
    return optax.join_schedules([schedule, *rest], ends)


def scale_by_time(config: TrainConfig) -> optax.GradientTransformationExtraArgs:
    """Updates times the negative rate of a training that time may end before its steps.

    Its place in the schedule is its step or, if that is more, the part `used` of its
    time times its steps. The warm-up counts steps alone.
    """
    schedule, warm_up = training_schedule(config), warm_up_steps(config)
    begin, length = config.restart, config.steps - config.restart

    def init(params: Any) -> optax.ScaleByScheduleState:
        del params
        return optax.ScaleByScheduleState(jnp.zeros((), jnp.int32))

    def update(
        updates: Any, state: Any, params: Any = None, *, used: Any = 0.0, **others: Any
    ) -> tuple[Any, Any]:
        del params, others
        step = state.count
        place = jnp.where(step < begin, step, jnp.maximum(step, begin + used * length))
        most = config.learning_rate * jnp.minimum(1.0, step / max(1, warm_up))
        rate: Any = schedule(place)
        rate = jnp.minimum(rate, most) if warm_up else rate
        count = optax.safe_increment(step)
        return -rate * updates, optax.ScaleByScheduleState(count)

    return optax.GradientTransformationExtraArgs(init, update)


def warm_up_steps(config: TrainConfig) -> int:
    """Steps in which the rate rises: within the first cosine, where there is one."""
    first = cycle_lengths(config)[0]
    if config.warm_up is not None:
        return (
            config.warm_up
            if has_constant_rate(config)
            else min(config.warm_up, first - 1)
        )
    return 0 if has_constant_rate(config) else min(_USUAL_WARM_UP, first // 10)


def frozen_features(layout: Layout) -> optax.GradientTransformation:
    """No step for the weights of the feature cells.

    Raises:
        ConfigError: If the network has no feature cells.
    """
    is_frozen = {name: name.startswith(_FEATURES) for name in layout.shapes}
    if not any(is_frozen.values()):
        raise ConfigError(
            "train.freeze: the network has no weights of feature cells; set "
            "train.freeze=none."
        )
    return on_tree(optax.masked(optax.set_to_zero(), is_frozen), layout)


def cycle_lengths(config: TrainConfig) -> list[int]:
    """Steps of each cosine; the first ones take what does not divide."""
    phases = [config.restart, config.steps - config.restart]
    return [
        length
        for steps in filter(None, phases)
        for length in _divided(steps, config.cycles)
    ]


def _divided(steps: int, count: int) -> list[int]:
    length, more = divmod(steps, count)
    return [length + (place < more) for place in range(count)]


def has_constant_rate(config: TrainConfig) -> bool:
    """Whether the learning rate of a training stays as it is, see `train.schedule`."""
    if config.schedule != "auto":
        return config.schedule == "constant"
    is_averaged = config.average is not None and config.cycles == 1
    return config.omega_steps == "absolute" or is_averaged
