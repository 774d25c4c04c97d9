"""Relaxations: what turns the logits α into the weights of a mixture.

A relaxation is a function `(..., operation) -> (..., operation)`. It touches nothing
but the losses, so each composes with each hypergradient estimator; fix what else it
takes with `functools.partial`, and give a random one a new key with each batch.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array

from autoreg_jax.search_space._architecture import probabilities

Relaxation = Callable[[Array], Array]


def tempered_weights(logits: Array, temperature: float | Array = 1.0) -> Array:
    """softmax(α / T): from equal weights (T → ∞) to the best operation alone (T → 0).

    Args:
        logits: `(..., operation)`.
        temperature: T > 0; 1 is the softmax of the paper.

    Returns:
        The same shape, in [0, 1], summing to 1 over the last axis.
    """
    return probabilities(logits / temperature)


def sigmoid_weights(logits: Array) -> Array:
    """σ(α): operations do not compete (Fair DARTS, Chu et al., ECCV 2020).

    Without competition nothing drives a weight to 0 or 1: add `zero_one_loss` to the
    outer loss.

    Args:
        logits: `(..., operation)`.

    Returns:
        The same shape, each in (0, 1).
    """
    return jax.nn.sigmoid(logits)


def zero_one_loss(logits: Array) -> Array:
    """−mean (σ(α) − ½)², which is least where every weight is 0 or 1 (Fair DARTS).

    Args:
        logits: Any shape.

    Returns:
        Scalar in [−¼, 0].
    """
    return -jnp.mean((jax.nn.sigmoid(logits) - 0.5) ** 2)


def dirichlet_weights(logits: Array, key: Array) -> Array:
    """A draw from Dirichlet(elu(α) + 1) (DrNAS, Chen et al., ICLR 2021).

    The draw is differentiable once in α, by implicit reparametrisation; a second
    derivative in α does not exist in JAX, and the mixed one with ω needs none.

    Args:
        logits: `(..., operation)`; 0 is the flat Dirichlet distribution.
        key: Random key.

    Returns:
        The same shape, in [0, 1], summing to 1 over the last axis.
    """
    smallest = jnp.finfo(logits.dtype).eps  # elu + 1 underflows far below zero
    concentration = jnp.maximum(jax.nn.elu(logits) + 1, smallest)
    # In logarithms: a gamma variate of small shape underflows.
    return jax.nn.softmax(jax.random.loggamma(key, concentration), axis=-1)


def gumbel_weights(
    logits: Array,
    key: Array,
    temperature: float | Array = 1.0,
    *,
    is_hard: bool = False,
) -> Array:
    """softmax((α + Gumbel noise) / T), nearly one operation at a time (GDAS).

    Args:
        logits: `(..., operation)`.
        key: Random key.
        temperature: T > 0.
        is_hard: The largest weight becomes 1 and the others 0, with the gradient of the
            soft weights (straight through).

    Returns:
        The same shape, in [0, 1], summing to 1 over the last axis.

    References:
        Jang et al., "Categorical reparameterization with Gumbel-softmax", ICLR 2017.
        Dong and Yang, "Searching for a robust neural architecture in four GPU hours",
        CVPR 2019.
    """
    noise = jax.random.gumbel(key, logits.shape, logits.dtype)
    soft = tempered_weights(logits + noise, temperature)
    if not is_hard:
        return soft
    return one_hot_weights(soft) + soft - jax.lax.stop_gradient(soft)


def one_hot_weights(logits: Array) -> Array:
    """1 for the largest logit, the first one of equals, and 0 for the others.

    The mixture that the decoded network computes; its gradient is zero.

    Args:
        logits: `(..., operation)`.

    Returns:
        The same shape.
    """
    best = jnp.argmax(logits, axis=-1)
    return jax.nn.one_hot(best, logits.shape[-1], dtype=logits.dtype)


def best_operations(logits: Array, count: int) -> Array:
    """Mask of the `count` largest logits of each edge (P-DARTS, Chen et al., 2019).

    Args:
        logits: `(..., operation)`.
        count: How many stay, from 1 to the number of operations.

    Returns:
        The same shape, bool; of equal logits the first ones stay.

    Raises:
        ValueError: If `count` is out of its range.

    Examples:
        >>> best_operations(jnp.array([0.1, 0.7, 0.4]), 2).tolist()
        [False, True, True]
    """
    if not 1 <= count <= logits.shape[-1]:
        raise ValueError(
            f"count must be between 1 and {logits.shape[-1]} operations, got {count}."
        )
    rank = jnp.argsort(jnp.argsort(-logits, axis=-1, stable=True), axis=-1)
    return rank < count


def pruned_weights(logits: Array, mask: Array) -> Array:
    """Softmax over the operations that are left; the others weigh exactly 0.

    Args:
        logits: `(..., operation)`.
        mask: The same shape, bool, at least one true in each row: `best_operations`.

    Returns:
        The same shape, summing to 1 over the last axis.
    """
    return jax.nn.softmax(jnp.where(mask, logits, -jnp.inf), axis=-1)


def beta_decay_loss(logits: Array) -> Array:
    """Mean over edges of log Σ exp α (β-DARTS, Ye et al., CVPR 2022).

    Its gradient is the softmax itself: it holds the large logits back and with them the
    variance of the weights. Add it, times a factor that grows, to the outer loss.

    Args:
        logits: `(..., operation)`.

    Returns:
        Scalar.
    """
    return jnp.mean(jax.nn.logsumexp(logits, axis=-1))


def partial_channels(
    x: Array, mixture: Callable[[Array], Array], fraction: int = 4
) -> Array:
    """Send one channel in `fraction` through the mixture (PC-DARTS, Xu et al., 2020).

    The others pass by; then the channels are shuffled, so that the next edge mixes
    others. Memory and time of the mixture fall by about `fraction`.

    Args:
        x: `(b, *space, c)`.
        mixture: Maps `(b, *space, c / fraction)` to the same shape.
        fraction: Divides c.

    Returns:
        `(b, *space, c)`.

    Raises:
        ValueError: If `fraction` does not divide c, or if the mixture changes the
            shape.
    """
    channels = x.shape[-1]
    if fraction < 1 or channels % fraction:
        raise ValueError(f"fraction must divide {channels} channels, got {fraction}.")
    inside, outside = jnp.split(x, [channels // fraction], axis=-1)
    mixed = mixture(inside)
    if mixed.shape != inside.shape:
        raise ValueError(
            f"the mixture must keep the shape {inside.shape}, got {mixed.shape}."
        )
    both = jnp.concatenate([mixed, outside], axis=-1)
    groups = both.reshape(*x.shape[:-1], fraction, channels // fraction)
    return jnp.swapaxes(groups, -1, -2).reshape(x.shape)
