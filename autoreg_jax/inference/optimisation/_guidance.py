"""What should lie on what in a pair, beside the intensities: structures and points."""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from autoreg_jax.ops import sample_linear
from autoreg_jax.spatial import downsample, half_shape, warp

# Weight of the overlap, which is lost between 0 and 1, and of the mean squared distance
# of landmarks in voxels of the images: within a voxel the intensities decide.
_OVERLAP, _DISTANCE = 1.0, 0.01


class Guidance(NamedTuple):
    """Structures and landmarks of both images of a pair, None for none.

    Attributes:
        labels: Shares of each structure in the fixed and in the moving image, each
            `(1, *half, k)` at half of the resolution of the images.
        landmarks: The same places in the fixed and in the moving image, each `(n, d)`,
            as parts of the way from the first to the last voxel of an axis.
    """

    labels: tuple[Array, Array] | None = None
    landmarks: tuple[Array, Array] | None = None

    @property
    def swapped(self) -> "Guidance":
        """That of the pair with the images swapped."""
        labels, landmarks = (x and (x[1], x[0]) for x in self)
        return Guidance(labels, landmarks)


def coarser_guidance(guidance: Guidance, space: tuple[int, ...]) -> Guidance:
    """That of images of the shape `space`, half as fine as before."""
    if guidance.labels is None:
        return guidance
    fixed, moving = (downsample(x, half_shape(space)) for x in guidance.labels)
    return guidance._replace(labels=(fixed, moving))


def guidance_loss(guidance: Guidance, half: Array, space: tuple[int, ...]) -> Array:
    """What a displacement costs that does not bring them together.

    Args:
        guidance: Of the pair at this resolution.
        half: Displacement at half of its resolution, `(1, *half, d)`, in its voxels.
        space: Shape of the images at this resolution.
    """
    loss = jnp.zeros((), half.dtype)
    if guidance.labels is not None:
        loss += _OVERLAP * lost_overlap(*guidance.labels, half)
    if guidance.landmarks is not None:
        fixed, moving = guidance.landmarks
        steps = jnp.asarray(half.shape[1:-1], half.dtype)[None] - 1
        found = sample_linear(half, (fixed * steps)[None], boundary="edge")[0]
        # An axis of one voxel has no length.
        apart = (fixed - moving) + found / jnp.maximum(steps, 1)
        apart = apart * (jnp.asarray(space, half.dtype)[None] - 1)
        loss += _DISTANCE * jnp.mean(jnp.sum(apart**2, -1))
    return loss


def lost_overlap(
    fixed: Float[Array, "b *space k"],
    moving: Float[Array, "b *space k"],
    displacement: Float[Array, "b *space d"],
) -> Float[Array, ""]:
    """One minus the mean Dice of the structures, with squares: 2 Σ f m / (Σ f² + Σ m²).

    Unlike `losses.soft_dice` it is 0 for equal shares of soft edges, and smallest there
    (Milletari et al., V-Net, 3DV 2016).

    Args:
        fixed: Share of each structure in each voxel.
        moving: Share of each structure in each voxel of the moving image.
        displacement: Moves the latter, voxels.
    """
    moved = warp(moving, displacement)
    space = tuple(range(1, fixed.ndim - 1))
    both = jnp.sum(fixed**2, space) + jnp.sum(moved**2, space)
    shared = 2 * jnp.sum(fixed * moved, space)
    return 1 - jnp.mean(shared / jnp.maximum(both, jnp.finfo(both.dtype).tiny))
