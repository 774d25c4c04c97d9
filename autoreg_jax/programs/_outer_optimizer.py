"""How α and λ move."""

import optax

from autoreg_jax.config import StageConfig
from autoreg_jax.programs._positive import reparametrised


def make_outer_optimizer(
    stage: StageConfig,
    epsilon: float,
    *,
    is_relative: bool,
    positive: str = "none",
) -> optax.GradientTransformation:
    """Adam; with `is_relative` each weight of λ moves in proportion to its size.

    The numbers of the optimizer are part of its state, so one compiled update serves
    both stages of α.

    Args:
        stage: Learning rate and decays.
        epsilon: Adam's ε.
        is_relative: Steps are relative, and no weight falls below zero.
        positive: "exp" or "softplus": Adam moves the logarithm or the inverse softplus
            of a positive λ instead.
    """
    is_reparametrised = positive != "none"
    optimizer = optax.inject_hyperparams(_adam, "is_relative")(
        stage.learning_rate,
        stage.beta1,
        stage.beta2,
        epsilon,
        is_relative=is_relative and not is_reparametrised,
    )
    if is_reparametrised:
        return reparametrised(optimizer, positive)
    if is_relative:
        # A negative weight would reward a bad match or a rough field without bound.
        optimizer = optax.chain(optimizer, optax.keep_params_nonnegative())
    return optimizer


def _adam(
    learning_rate: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    *,
    is_relative: bool,
) -> optax.GradientTransformation:
    """Adam; relative steps drive no weight of λ to zero."""
    relative = optax.scale_by_param_block_rms() if is_relative else optax.identity()
    return optax.chain(
        optax.scale_by_adam(beta1, beta2, eps=epsilon),
        relative,
        optax.scale_by_learning_rate(learning_rate),
    )
