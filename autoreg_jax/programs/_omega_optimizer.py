"""How the weights ω of a network move, in search and training."""

import math
from typing import Any

import jax
import optax

from autoreg_jax.config import TrainConfig
from autoreg_jax.programs._layout import Layout, on_tree

# Kernels and biases below this root mean square move as if they had it.
_SMALLEST_RMS = 0.05


def training_schedule(config: TrainConfig) -> optax.Schedule:
    """The learning rate of the training: constant, or along a cosine to zero."""
    if config.omega_steps == "absolute":
        return optax.constant_schedule(config.learning_rate)
    return optax.warmup_cosine_decay_schedule(
        0.0, config.learning_rate, min(50, config.steps // 10), config.steps
    )


def make_omega_optimizer(
    learning_rate: optax.ScalarOrSchedule,
    layout: Layout,
    steps: str = "relative",
    clip: float = 0.0,
) -> optax.GradientTransformation:
    """Adam on the vector of ω, its step `relative` to the size of each kernel.

    A step of one size for all weights that a small kernel needs to learn at all throws
    a kernel of 7³ taps, whose weights start ten times smaller, into divergence. Nor is
    the same part of each kernel the same to what comes out: smooth images add the
    changes of n taps up to n, their weights to √n. So kernels of more than 3 taps an
    axis move by √(3^d / n) of it, and all candidates of an edge learn alike. The paper
    takes one step for all, `absolute`, small enough for them and many of them.

    Args:
        learning_rate: The step.
        layout: Where each kernel lies in the vector.
        steps: "relative" or "absolute".
        clip: Norm to which the gradient is cut before; 0 for not at all.
    """
    if clip > 0:
        rest = make_omega_optimizer(learning_rate, layout, steps)
        return optax.chain(optax.clip_by_global_norm(clip), rest)
    if steps == "absolute":
        return optax.adam(learning_rate)
    return optax.chain(
        # A second moment over a hundred steps forgets the still fields of the start.
        optax.scale_by_adam(b2=0.99),
        on_tree(optax.scale_by_param_block_rms(_SMALLEST_RMS), layout),
        on_tree(optax.stateless(_by_taps), layout),
        optax.scale_by_learning_rate(learning_rate),
    )


def _by_taps(updates: Any, params: Any) -> Any:
    """Shorter steps of kernels with many taps."""
    del params

    def shortened(update: jax.Array) -> jax.Array:
        *taps, _, _ = (1, 1, *update.shape)
        usual = 3 ** len([size for size in taps if size > 1])
        return update * min(1.0, math.sqrt(usual / math.prod(taps)))

    return jax.tree.map(shortened, updates)
