"""Overlap of label maps, soft so that it can be differentiated."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def one_hot(
    labels: Int[Array, "b *space"], num_classes: int
) -> Float[Array, "b *space k"]:
    """Labels as one channel a class, background first.

    Args:
        labels: Class index of every voxel, 0 (background) to `num_classes` - 1; any
            other index belongs to no class.
        num_classes: Number of classes, background included.

    Returns:
        1.0 in the channel of the class, 0.0 elsewhere.
    """
    classes = jnp.arange(num_classes, dtype=labels.dtype)
    classes = classes.reshape((1,) * labels.ndim + (-1,))
    return (labels[..., None] == classes).astype(jnp.float32)


def soft_dice(
    fixed_onehot: Float[Array, "b *space k"], moved_onehot: Float[Array, "b *space k"]
) -> Float[Array, ""]:
    """Mean Dice coefficient 2 Σ p q / (Σ p + Σ q) over the classes.

    A class absent from both maps is left out; without any class the score is 1.

    Args:
        fixed_onehot: Membership of each class, between 0 and 1.
        moved_onehot: The same for the moved labels, usually interpolated linearly.

    Returns:
        A scalar between 0 and 1, the mean over the batch.
    """
    space = tuple(range(1, fixed_onehot.ndim - 1))
    overlap = 2 * jnp.sum(fixed_onehot * moved_onehot, axis=space)
    volume = jnp.sum(fixed_onehot + moved_onehot, axis=space)
    present = volume > 0
    dice = jnp.where(present, overlap / jnp.where(present, volume, 1), 0)
    count = jnp.sum(present, axis=-1)
    mean = jnp.sum(dice, axis=-1) / jnp.maximum(count, 1)
    return jnp.mean(jnp.where(count > 0, mean, 1))


def soft_dice_loss(
    fixed_onehot: Float[Array, "b *space k"], moved_onehot: Float[Array, "b *space k"]
) -> Float[Array, ""]:
    """One minus `soft_dice`.

    Args:
        fixed_onehot: Membership of each class, between 0 and 1.
        moved_onehot: The same for the moved labels.

    Returns:
        A scalar between 0 (perfect overlap) and 1.
    """
    return 1 - soft_dice(fixed_onehot, moved_onehot)
