"""Ψ(ω; moving, fixed, α): two images in, a stationary velocity field out."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax.numpy as jnp
from flax import linen as nn
from jax import Array

from autoreg_jax.networks._composition import Registration
from autoreg_jax.networks._encoder import encode
from autoreg_jax.networks._estimator import VelocityHead, estimate
from autoreg_jax.networks._matching import Matching
from autoreg_jax.networks._modulation import Modulation
from autoreg_jax.networks._structure import FULL, Structure, at_scale, scale_name
from autoreg_jax.networks._wiring import Wiring
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
    compose,
    half_shape,
    integrate,
    resize_image,
    warp,
)


class RegistrationNetwork(nn.Module):
    """Feature and deformation cells from 1/2 of the resolution on (paper Fig. 2).

    The feature cells serve both images. The deformation cell at the coarsest scale
    predicts a velocity from both feature maps; each finer one adds a correction to it
    from the fixed features, the moving features warped by the coarse field, that field
    itself and the coarse deformation features. The final transformation is the
    exponential of one velocity field, or a composition of exponentials. `Structure`
    says how many scales and cells there are and how they see the images, `Wiring` what
    the paper or its code does otherwise.

    With `matching` each deformation cell also sees where the features match best, and
    corrects that. The paper has no such module; without it a network needs thousands of
    steps to learn that the two feature maps are to be compared.

    Images too small for a scale do without it, see `Structure.used_scales`; its weights
    exist in any case.

    Attributes:
        genotype: The chosen operations, or None for the mixture weighed by α.
        width: Multiplies the channels of every cell (1.0: those of the structure).
        num_steps: Squarings in the integration of a velocity field.
        matching: Radius of `Matching` at each scale, in its voxels, half resolution
            first, the last one for coarser scales; None for the network of the paper.
        precision: Type of the convolutions of the cells, "float32" or "bfloat16";
            weights, matching, velocities and fields are always float32.
        rematerialise: Whether gradients of a mixture compute its insides again, which
            bounds their memory.
        is_normalised: Whether a mixture divides each candidate by its root mean square,
            see `search_space.MixedOperation`.
        relaxation: Maps logits `(..., operation)` of one or both kinds of cells to the
            weights of the mixture; default: the softmax of Eq. (3).
        wiring: What happens between the cells.
        extractor: Operations of the feature cells if α weighs only the deformation
            cells, as in the published code; None for mixtures in both.
        candidates: Table of operations; default: that of the paper.
        structure: Scales and cells; default: those of the paper, velocities summed.
        conditions: Numbers that it is told, see `Modulation`; 0 for none.
    """

    genotype: Genotype | None = None
    width: float = 1.0
    num_steps: int = 7
    matching: tuple[int, ...] | None = None
    precision: str = "float32"
    rematerialise: bool = False
    is_normalised: bool = False
    relaxation: Relaxation = probabilities
    wiring: Wiring = Wiring()
    extractor: Cells | None = None
    candidates: tuple[Candidate, ...] = CANDIDATES
    structure: Structure = Structure()
    conditions: int = 0

    @nn.compact
    def __call__(
        self,
        moving: Array,
        fixed: Array,
        alpha: ArchitectureLogits | None = None,
        condition: Array | None = None,
    ) -> Registration:
        """Predict the field that pulls `moving` onto `fixed`.

        Args:
            moving: Images `(b, *space, c)` in [0, 1], two or three spatial axes.
            fixed: The same shape.
            alpha: Architecture logits; needed if, and only if, `genotype` is None.
            condition: What it is told, `(conditions,)`; default: zeros.

        Returns:
            Velocity and displacements.

        Raises:
            ValueError: If the shapes differ, if both or none of `genotype` and `alpha`
                are given, if the genotype names an unknown operation or has other
                scales or edges than the structure, or if there is not one logit for
                each searched operation.
        """
        if moving.shape != fixed.shape:
            raise ValueError(
                f"moving {moving.shape} and fixed {fixed.shape} must have one shape."
            )
        if (self.genotype is None) == (alpha is None):
            raise ValueError(
                "give either a genotype (discrete network) or alpha (mixed network)."
            )
        structure, shape = self.structure, moving.shape[1:-1]
        used = structure.used_scales(shape)
        if self.is_initializing():  # Weights fit images of all sizes.
            used = structure.scales
        weights = self._weights(alpha)
        features = encode(
            moving,
            fixed,
            partial(self._cell, "feature", weights),
            num_scales=used,
            structure=structure,
            wiring=self.wiring,
        )
        scales = range(structure.finest, used)
        names = [scale_name(scale) for scale in scales]
        names = ["half"] if self.wiring.has_shared_head else names
        heads = [VelocityHead(len(shape), name=f"velocity_{name}") for name in names]
        found: _Field | None = None
        fields = []
        for place, scale in reversed([*enumerate(scales)]):
            head = heads[min(place, len(heads) - 1)]
            given = scale, weights, head, condition
            found = self._improved(found, *given, *features[place])
            fields.append(found.displacement)
        assert found is not None
        own = fields.pop() if structure.finest == FULL else None
        half = fields[-1]
        quarter_shape = half_shape(half.shape[1:-1])
        quarter = fields[-2] if used > 1 else self.wiring.resized(half, quarter_shape)
        if own is None:
            own = self.wiring.full_displacement(half, shape, self.num_steps)
        displacements = Pyramid(own, half, quarter)
        *coarser, velocity = found.velocities
        further = tuple(reversed(fields[:-2]))
        return Registration(velocity, displacements, tuple(coarser), further)

    def _weights(self, alpha: ArchitectureLogits | None) -> ArchitectureLogits | None:
        """Weights of the mixtures; checks that architecture and structure agree."""
        cells = self.structure.cells
        if self.genotype is not None and self.genotype.cells != cells:
            raise ValueError(
                f"the genotype has {self.genotype.cells}, the network {cells} (scales, "
                "edges): search with these settings, or give those of the genotype."
            )
        if alpha is None:
            return None
        alpha.check(self.candidates, cells)
        if alpha.feature.shape == alpha.deformation.shape:
            return ArchitectureLogits(*self.relaxation(jnp.stack(alpha)))
        return ArchitectureLogits(*map(self.relaxation, alpha))

    def _improved(
        self,
        coarse: "_Field | None",
        scale: int,
        weights: ArchitectureLogits | None,
        head: VelocityHead,
        condition: Array | None,
        moving: Array,
        fixed: Array,
    ) -> "_Field":
        """The field of a scale from that of the next coarser one, if there is one."""
        structure, wiring = self.structure, self.wiring
        match = correlation = modulate = None
        if self.conditions:
            none = jnp.zeros(self.conditions, fixed.dtype)
            told = none if condition is None else condition
            modulate = partial(Modulation(name=f"condition_{scale_name(scale)}"), told)
        if self.matching and scale != FULL:
            radius = at_scale(self.matching, scale)
            match = Matching(radius, name=f"matching_{scale_name(scale)}")
        if structure.correlation and scale != FULL:
            correlation = at_scale(structure.correlation, scale)
        compare = partial(
            estimate,
            cell=self._cell("deformation", weights, scale),
            head=head,
            fusion=structure.fusion,
            matching=match,
            correlation=correlation,
            modulate=modulate,
        )
        velocities, displacement, seen = self._carried(coarse, fixed.shape[1:-1])
        is_composed = structure.velocities == "composed"
        boundary = "zeros" if wiring.is_zero_outside else "edge"
        has_context = structure.has_context and scale + 1 < structure.scales
        field = coarse
        passes = 1 if scale == FULL else at_scale(structure.iterations, scale)
        for _ in range(passes):
            warped = moving
            if displacement is not None:
                warped = warp(moving, displacement, boundary=boundary)
            context = ()
            if has_context:
                context = self._context(displacement, seen, fixed)
            features, change = compare(warped, fixed, context)
            if structure.velocities == "summed" and velocities:
                change = velocities[0] + change
            velocities = (*velocities, change) if is_composed else (change,)
            step = integrate(change, self.num_steps)
            if is_composed and displacement is not None:
                step = compose(displacement, step)
            displacement = step
            field = _Field(features, velocities, displacement)
        assert field is not None
        return field

    def _carried(
        self, coarse: "_Field | None", space: tuple[int, ...]
    ) -> tuple[tuple[Array, ...], Array | None, Array | None]:
        """Velocities, displacement and features of the coarser scale, on a grid."""
        if coarse is None:
            return (), None, None
        wiring, velocities = self.wiring, coarse.velocities
        if self.structure.velocities != "composed":
            velocities = (wiring.resized(velocities[0], space),)
        seen = resize_image(coarse.features, space)
        if wiring.has_doubled_features:
            seen = 2 * seen
        return velocities, wiring.resized(coarse.displacement, space), seen

    def _context(
        self, displacement: Array | None, seen: Array | None, fixed: Array
    ) -> tuple[Array, Array]:
        """Displacement and features of the coarser scale; zeros if it is not used."""
        # Divided over devices as the features are.
        zero = jnp.zeros_like(fixed[..., :1])
        if displacement is None:
            displacement = jnp.concatenate([zero] * (fixed.ndim - 2), -1)
        if seen is None:
            seen = jnp.concatenate([zero] * self._widths("deformation", 0)[-1], -1)
        return displacement, seen

    def _widths(self, kind: str, scale: int) -> tuple[int, ...]:
        """Channels of each edge of a cell."""
        structure = self.structure
        widths = structure.deformation_channels
        if kind == "feature":
            width = at_scale(structure.feature_channels, scale)
            widths = (width,) * structure.feature_edges
        factor = self.width * (0.5 if scale == FULL else 1.0)
        return tuple(max(1, round(factor * width)) for width in widths)

    def _cell(
        self,
        kind: str,
        weights: ArchitectureLogits | None,
        scale: int,
        owner: str = "",
    ) -> Callable[[Array], Array]:
        """The cell of one kind and scale, bound to its mixture weights if any."""
        is_feature = kind == "feature"
        chosen = self.extractor if is_feature else None
        if self.genotype is not None:
            chosen = getattr(self.genotype, kind)
        place = max(scale, 0)  # the operations at full resolution are those at 1/2
        cell = Cell(
            self._widths(kind, scale),
            2 if is_feature and scale != FULL else 1,
            None if chosen is None else chosen[place],
            self.precision,
            self.rematerialise,
            self.is_normalised,
            self.candidates,
            name=f"{kind}_{scale_name(scale)}{owner}",
        )
        mixture = None if weights is None else getattr(weights, kind)[place]
        return lambda x: cell(x, mixture)


class _Field(NamedTuple):
    """The result of one scale, on its grid; the next finer scale starts from it."""

    features: Array
    velocities: tuple[Array, ...]  # to be composed, the coarsest first
    displacement: Array
