"""What λ may be chosen by: overlap, landmarks, agreement of images, folds."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from autoreg_jax.losses._mind import mind_loss
from autoreg_jax.ops import sample_linear
from autoreg_jax.spatial import jacobian_determinant, warp

# Width of the step from unfolded to folded, in units of the determinant: at rest (1) a
# voxel counts as 5e-5 of a fold, so a smooth field costs nothing.
_SOFTNESS = 0.1

# A percent of folded voxels above the budget costs as much as a MIND loss of 0.1, more
# than any registration gains.
_PENALTY = 10.0

# Added to the squared distance, voxels²: the root has a gradient where it is zero.
_SMALLEST = 1e-6


def soft_folding_fraction(
    displacement: Float[Array, "b *space d"],
) -> Float[Array, ""]:
    """Fraction of folded voxels with a gradient: the mean of σ(−det ∇φ / 0.1).

    A voxel counts as a whole fold where its determinant is well below zero, as half a
    one where it is zero, and hardly at all near one.

    Args:
        displacement: u of φ(x) = x + u(x), in voxels.

    Returns:
        A scalar between 0 and 1, the mean over the batch.

    Examples:
        >>> bool(soft_folding_fraction(jnp.zeros((1, 4, 4, 2))) < 1e-4)
        True
    """
    return jnp.mean(jax.nn.sigmoid(-jacobian_determinant(displacement) / _SOFTNESS))


def agreement_loss(
    fixed: Float[Array, "b *space c"],
    moving: Float[Array, "b *space c"],
    displacement: Float[Array, "b *space d"],
    folding_budget: float = 0.005,
) -> Float[Array, ""]:
    """Disagreement of two registered images in a measure that was not minimised.

        mind_loss(fixed, moving ∘ φ) + 10 · max(0, soft_folding_fraction(u) − budget)

    MIND compares structure, not intensity, so that a loss built on NCC cannot flatter
    itself; and since any similarity can be bought with folds, those above the budget
    cost more than they can gain.

    Args:
        fixed: Intensities in [0, 1].
        moving: The same for the moving image.
        displacement: At full resolution, in voxels.
        folding_budget: Fraction of folded voxels that costs nothing.

    Returns:
        A non-negative scalar.
    """
    excess = jax.nn.relu(soft_folding_fraction(displacement) - folding_budget)
    return mind_loss(fixed, warp(moving, displacement)) + _PENALTY * excess


def landmark_loss(
    fixed_points: Float[Array, "b k d"],
    moving_points: Float[Array, "b k d"],
    displacement: Float[Array, "b *space d"],
) -> Float[Array, ""]:
    """Mean distance of φ(p) = p + u(p) from q, the landmark p in the moving image.

    Args:
        fixed_points: p, in voxels of the fixed image; NaN where there is none.
        moving_points: q, in voxels of the moving image; NaN where there is none.
        displacement: u at full resolution, in voxels.

    Returns:
        √(‖p + u(p) − q‖² + 1e-6), the mean over landmarks and batch, in voxels; NaN
        without any landmark.

    Examples:
        >>> point = jnp.array([[[1.0, 1.0]]])
        >>> landmark_loss(point, point + 3.0, jnp.full((1, 4, 4, 2), 3.0)).round(3)
        Array(0.001, dtype=float32)
    """
    distances, known = _distances(fixed_points, moving_points, displacement)
    return jnp.mean(distances, where=known)


def known_landmark_loss(
    fixed_points: Float[Array, "b k d"],
    moving_points: Float[Array, "b k d"],
    displacement: Float[Array, "b *space d"],
) -> Float[Array, ""]:
    """`landmark_loss`, but 0 without any landmark, with a gradient of 0."""
    distances, known = _distances(fixed_points, moving_points, displacement)
    count = jnp.sum(known, dtype=distances.dtype)
    return jnp.sum(distances, where=known) / jnp.maximum(count, 1)


def _distances(
    fixed_points: Array, moving_points: Array, displacement: Array
) -> tuple[Float[Array, "b k"], Bool[Array, "b k"]]:
    """Of φ(p) from q, and which landmarks both images have."""
    known = jnp.isfinite(fixed_points + moving_points).all(-1)
    # Replaced before anything is computed, so that no gradient is NaN either.
    p, q = (jnp.where(known[..., None], x, 0) for x in (fixed_points, moving_points))
    moved = p + sample_linear(displacement, p, boundary="edge")
    squares = jnp.sum((moved - q) ** 2, axis=-1)
    return jnp.sqrt(squares + _SMALLEST), known


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
    fixed_onehot: Float[Array, "b *space k"],
    moved_onehot: Float[Array, "b *space k"],
    counted: Bool[Array, "b k"] | None = None,
) -> Float[Array, ""]:
    """Mean Dice coefficient 2 Σ p q / (Σ p + Σ q) over the classes.

    Classes that are in neither map are ignored. If no class is left, the score is 1.

    Args:
        fixed_onehot: Membership of each class, between 0 and 1.
        moved_onehot: The same for the moved labels, usually interpolated linearly.
        counted: Classes that count; default: all.

    Returns:
        A scalar between 0 and 1, the mean over the batch.
    """
    space = tuple(range(1, fixed_onehot.ndim - 1))
    overlap = 2 * jnp.sum(fixed_onehot * moved_onehot, axis=space)
    volume = jnp.sum(fixed_onehot + moved_onehot, axis=space)
    present = volume > 0 if counted is None else (volume > 0) & counted
    dice = jnp.where(present, overlap / jnp.where(present, volume, 1), 0)
    count = jnp.sum(present, axis=-1).astype(dice.dtype)
    mean = jnp.sum(dice, axis=-1) / jnp.maximum(count, 1)
    return jnp.mean(jnp.where(count > 0, mean, 1))


def soft_dice_loss(
    fixed_onehot: Float[Array, "b *space k"], moved_onehot: Float[Array, "b *space k"]
) -> Float[Array, ""]:
    """One minus `soft_dice`: between 0 (perfect overlap) and 1."""
    return 1 - soft_dice(fixed_onehot, moved_onehot)


def common_dice_loss(
    fixed_onehot: Float[Array, "b *space k"],
    moving_onehot: Float[Array, "b *space k"],
    displacement: Float[Array, "b *space d"],
) -> Float[Array, ""]:
    """`soft_dice_loss` of the classes that both images of a pair have.

    A structure that was not drawn in one of the two says nothing about the map.

    Args:
        fixed_onehot: `one_hot` labels of the fixed image.
        moving_onehot: `one_hot` labels of the moving image, warped linearly.
        displacement: At full resolution, in voxels.

    Returns:
        A scalar between 0 and 1; 0 for a pair without a common class.
    """
    space = tuple(range(1, fixed_onehot.ndim - 1))
    both = jnp.any(fixed_onehot > 0, space) & jnp.any(moving_onehot > 0, space)
    return 1 - soft_dice(fixed_onehot, warp(moving_onehot, displacement), both)
