"""Ψ(ω; moving, fixed, α): two images in, a stationary velocity field out."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import Array

from autoreg_jax.networks._matching import Matching
from autoreg_jax.networks._wiring import Wiring
from autoreg_jax.ops import convolution
from autoreg_jax.search_space import (
    CANDIDATES,
    ArchitectureLogits,
    Candidate,
    Cell,
    Cells,
    Genotype,
    Relaxation,
    probabilities,
)
from autoreg_jax.spatial import (
    Pyramid,
    integrate,
    resize_image,
    warp,
)

_FEATURE_WIDTHS = ((16, 16, 16), (32, 32, 32))
_DEFORMATION_WIDTHS = (48, 32, 16)
# Fields of a fraction of a voxel: with a third of it training stays on a plateau for
# some hundred steps, on the kinks that linear interpolation has at whole voxels.
_HEAD_SCALE = 0.03
# Of an image in [0, 1] that counts as constant.
_SMALLEST_VARIANCE = 1e-6


class Registration(NamedTuple):
    """Prediction of the network for a batch of pairs.

    Attributes:
        velocity: Stationary velocity of the final field, half resolution, its voxels,
            `(b, *half, d)`; φ = exp(velocity), unless the wiring integrates twice.
        displacements: Displacements at full, half and quarter resolution, each
            `(b, *shape, d)` in voxels of its own grid.
    """

    velocity: Array
    displacements: Pyramid


class RegistrationNetwork(nn.Module):
    """Feature and deformation cells at 1/2 and 1/4 of the resolution (paper Fig. 2).

    One feature cell of each scale serves both images. The deformation cell at 1/4
    predicts a velocity from both feature maps; the one at 1/2 adds a correction to it
    from the fixed features, the moving features warped by the coarse field, that field
    itself and the coarse deformation features. The final transformation is the
    exponential of one velocity field. `Wiring` names what the paper or its code does
    otherwise.

    With `matching` each deformation cell also sees where the features match best, and
    corrects that. The paper has no such module; without it a network needs thousands of
    steps to learn that the two feature maps are to be compared.

    Attributes:
        genotype: The chosen operations, or None for the mixture weighed by α.
        width: Multiplies the channels of every cell (1.0: the paper's 16 to 48).
        num_steps: Squarings in the integration of a velocity field.
        matching: Radius of `Matching` at half and quarter resolution in voxels of that
            resolution; None for the network of the paper.
        precision: Type of the convolutions of the cells, "float32" or "bfloat16";
            weights, matching, velocities and fields are always float32.
        rematerialise: Whether gradients of a mixture compute its insides again, which
            bounds their memory.
        is_normalised: Whether a mixture divides each candidate by its root mean square,
            see `search_space.MixedOperation`.
        relaxation: Maps logits `(kind, scale, edge, operation)` to the weights of the
            mixture; default: the softmax of Eq. (3).
        wiring: What happens between the cells.
        extractor: Operations of the feature cells if α weighs only the deformation
            cells, as in the published code; None for mixtures in both.
        candidates: Table of operations; default: that of the paper.
    """

    genotype: Genotype | None = None
    width: float = 1.0
    num_steps: int = 7
    matching: tuple[int, int] | None = None
    precision: str = "float32"
    rematerialise: bool = False
    is_normalised: bool = False
    relaxation: Relaxation = probabilities
    wiring: Wiring = Wiring()
    extractor: Cells | None = None
    candidates: tuple[Candidate, ...] = CANDIDATES

    @nn.compact
    def __call__(
        self, moving: Array, fixed: Array, alpha: ArchitectureLogits | None = None
    ) -> Registration:
        """Predict the field that pulls `moving` onto `fixed`.

        Args:
            moving: Images `(b, *space, 1)` in [0, 1], two or three spatial axes.
            fixed: The same shape.
            alpha: Architecture logits; needed if, and only if, `genotype` is None.

        Returns:
            Velocity and displacements.

        Raises:
            ValueError: If the shapes differ, if both or none of `genotype` and `alpha`
                are given, if the genotype names an unknown operation, or if there is
                not one logit for each searched operation.
        """
        if moving.shape != fixed.shape:
            raise ValueError(
                f"moving {moving.shape} and fixed {fixed.shape} must have one shape."
            )
        if (self.genotype is None) == (alpha is None):
            raise ValueError(
                "give either a genotype (discrete network) or alpha (mixed network)."
            )
        weights = None
        if alpha is not None:
            alpha.check(self.candidates)
            weights = ArchitectureLogits(*self.relaxation(jnp.stack(alpha)))

        wiring, shape = self.wiring, moving.shape[1:-1]
        half, quarter = self._features(moving, fixed, weights)
        heads = [self._head("half", len(shape))]
        heads += (
            heads if wiring.has_shared_head else [self._head("quarter", len(shape))]
        )

        coarse, slow = self._velocity(1, weights, heads[1], *quarter)
        u_quarter = integrate(slow, self.num_steps)

        half_shape = half[0].shape[1:-1]
        u_upsampled = wiring.resized(u_quarter, half_shape)
        context = resize_image(coarse, half_shape)
        if wiring.has_doubled_features:
            context = 2 * context
        boundary = "zeros" if wiring.is_zero_outside else "edge"
        warped = warp(half[0], u_upsampled, boundary=boundary)
        _, velocity = self._velocity(
            0, weights, heads[0], warped, half[1], u_upsampled, context
        )
        if wiring.has_summed_velocities:
            velocity = wiring.resized(slow, half_shape) + velocity
        u_half = integrate(velocity, self.num_steps)
        u_full = wiring.full_displacement(u_half, shape, self.num_steps)
        return Registration(velocity, Pyramid(u_full, u_half, u_quarter))

    def _features(
        self, moving: Array, fixed: Array, weights: ArchitectureLogits | None
    ) -> list[list[Array]]:
        """Features of moving and fixed image at half, then at quarter resolution."""
        # One batch with both images of a pair side by side: a batch of pairs that is
        # divided over devices stays where it is.
        images = [_paired(moving, fixed)]
        owners = [""]
        if self.wiring.has_separate_features:
            images, owners = [moving, fixed], ["_moving", "_fixed"]
        if self.wiring.is_standardised:
            images = [_standardised(image) for image in images]
        scales = []
        for scale in range(2):
            cells = [self._cell("feature", scale, weights, owner) for owner in owners]
            images = [cell(x) for cell, x in zip(cells, images, strict=True)]
            scales.append(images if len(images) == 2 else _parted(images[0]))
        return scales

    def _head(self, place: str, ndim: int) -> "VelocityHead":
        """The convolution that predicts the velocity at one scale."""
        return VelocityHead(ndim, name=f"velocity_{place}")

    def _velocity(
        self,
        scale: int,
        weights: ArchitectureLogits | None,
        head: "VelocityHead",
        moving: Array,
        fixed: Array,
        *context: Array,
    ) -> tuple[Array, Array]:
        """Deformation features and predicted velocity at one scale."""
        stack, matched = [moving, fixed, *context], None
        if self.matching:
            place = ("half", "quarter")[scale]
            match = Matching(self.matching[scale], name=f"matching_{place}")
            matched = match(fixed, moving)
            stack.append(matched)
        cell = self._cell("deformation", scale, weights)
        features = cell(jnp.concatenate(stack, -1))
        velocity = head(features)
        return features, velocity if matched is None else velocity + matched

    def _cell(
        self,
        kind: str,
        scale: int,
        weights: ArchitectureLogits | None,
        owner: str = "",
    ) -> Callable[[Array], Array]:
        """The cell of one kind and scale, bound to its mixture weights if any."""
        is_feature = kind == "feature"
        widths = _FEATURE_WIDTHS[scale] if is_feature else _DEFORMATION_WIDTHS
        features = tuple(max(1, round(self.width * width)) for width in widths)
        chosen = self.extractor if is_feature else None
        if self.genotype is not None:
            chosen = getattr(self.genotype, kind)
        name = f"{kind}_{('half', 'quarter')[scale]}{owner}"
        cell = Cell(
            features,
            2 if is_feature else 1,
            None if chosen is None else chosen[scale],
            self.precision,
            self.rematerialise,
            self.is_normalised,
            self.candidates,
            name=name,
        )
        mixture = None if weights is None else getattr(weights, kind)[scale]
        return lambda x: cell(x, mixture)


def _paired(moving: Array, fixed: Array) -> Array:
    """One batch of both, `(2b, *space, c)`: moving and fixed by turns."""
    return jnp.stack([moving, fixed], 1).reshape(-1, *moving.shape[1:])


def _parted(images: Array) -> list[Array]:
    """Undo `_paired`."""
    pairs = images.reshape(-1, 2, *images.shape[1:])
    return [pairs[:, 0], pairs[:, 1]]


def _standardised(images: Array) -> Array:
    """Zero mean, unit deviation for each image; a constant one becomes zeros.

    Wide and dilated kernels otherwise start as sums of brightness that hide all edges.
    """
    axes = tuple(range(1, images.ndim))
    centred = images - jnp.mean(images, axes, keepdims=True)
    variance = jnp.mean(centred**2, axes, keepdims=True)
    return centred * jax.lax.rsqrt(variance + _SMALLEST_VARIANCE)


class VelocityHead(nn.Module):
    """A 3-tap convolution from features to a velocity, one channel an axis.

    Attributes:
        ndim: Number of spatial axes.
    """

    ndim: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Map `(b, *space, c)` to `(b, *space, ndim)`, in voxels."""
        shape = (3,) * self.ndim + (x.shape[-1], self.ndim)
        kernel = self.param("kernel", nn.initializers.normal(_HEAD_SCALE), shape)
        bias = self.param("bias", nn.initializers.zeros, (self.ndim,))
        return convolution(x, kernel) + bias.reshape((1,) * (self.ndim + 1) + (-1,))
