"""The two objectives of the paper: registration, Eq. (4), and segmentation, Eq. (5)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from autoreg_jax.losses._agreement import soft_dice_loss
from autoreg_jax.losses._similarity import Similarity, find_similarity
from autoreg_jax.losses._smoothness import diffusion_loss
from autoreg_jax.losses._terms import TERMS, Term, TermInputs
from autoreg_jax.spatial import (
    Pyramid,
    half_shape,
    resize_displacement,
    resize_image,
    warp,
)

# Voxels along each axis at a scale, relative to the image.
_NOMINAL = {"full": 1.0, "half": 0.5, "quarter": 0.25}
_NOMINAL |= {"eighth": 0.125, "sixteenth": 0.0625}
# The levels that are taken from the next finer one where they are not given.
_FINER = {"eighth": "quarter", "sixteenth": "eighth"}

Weights = Mapping[str, Array | float]
"""λ: non-negative scalars by the names of their terms. The four of Eq. (4) are `full`
(λ1), `smooth` (λ2), `half` (λ3) and `quarter` (λ4)."""

Terms = Mapping[str, Array]
"""The unweighted terms of an objective by name, scalars."""

PAPER_WEIGHTS: Weights = {"full": 10.0, "smooth": 15.0, "half": 3.2, "quarter": 0.8}
"""λ from which the published code starts its search."""


def in_order(values: Mapping[str, Any]) -> dict[str, Any]:
    """Weights or terms with those of Eq. (4) first, in its order.

    Args:
        values: Anything by the names of terms. Transformations of JAX sort the keys of
            a dictionary.

    Examples:
        >>> in_order({"bending": 5, "full": 1, "half": 3, "smooth": 2})
        {'full': 1, 'smooth': 2, 'half': 3, 'bending': 5}
    """
    names = [name for name in PAPER_WEIGHTS if name in values]
    names += sorted(set(values) - set(names))
    return {name: values[name] for name in names}


@dataclass(frozen=True)
class Objective:
    """What registration minimises, Eq. (4): everything but the weights λ.

    An objective is a hashable value, so it can be a static argument of `jax.jit`. It is
    called with images and displacements:
    λ1 ℓ_sim(full) + λ2 ℓ_smooth + λ3 ℓ_sim(1/2) + λ4 ℓ_sim(1/4), where ℓ_sim compares
    the fixed image with the moving image warped on the grid of that scale.

    Attributes:
        similarity: A name in `SIMILARITIES`, or a `Similarity` of your own.
        windows: Edge of the local windows at full, half and quarter resolution, voxels;
            the last one holds for coarser levels.
        interpolation: Of the moving image: "linear" or "cubic", see `spatial.warp`.
        is_dimmed: Multiply the intensities at half and quarter resolution by 1/2 and
            1/4, as the published code does: its resizing is one for vectors.
        extra_terms: Terms of your own, a mapping from name to `Term`; λ decides which
            of these and of `TERMS` count. Stored as sorted pairs.

    Raises:
        ValueError: If the similarity is unknown.
    """

    similarity: str | Similarity = "ncc"
    windows: tuple[int, int, int] = (9, 7, 5)
    interpolation: str = "linear"
    is_dimmed: bool = False
    extra_terms: Mapping[str, Term] | tuple[tuple[str, Term], ...] = ()

    def __post_init__(self) -> None:
        """Check the similarity, and make the terms hashable."""
        find_similarity(self.similarity)
        pairs = tuple(sorted(dict(self.extra_terms).items()))
        object.__setattr__(self, "extra_terms", pairs)

    def __call__(
        self,
        fixed: Array | Pyramid,
        moving: Array | Pyramid,
        displacements: Pyramid | Mapping[str, Array],
        lam: Weights,
        *,
        labels: tuple[Array, Array] | None = None,
        opposite: Array | None = None,
        landmarks: tuple[Array, Array] | None = None,
    ) -> tuple[Float[Array, ""], Terms]:
        """Compute the objective of a batch of pairs.

        Args:
            fixed: `(b, *space, c)` in [0, 1], or its `spatial.image_pyramid` if that is
                computed once for many steps.
            moving: The moving image, in the same form.
            displacements: `full`, `half` and `quarter`, as attributes or keys, each
                `(b, *space, d)` in voxels of its own grid; images are resized to it.
                The terms `eighth` and `sixteenth` compare the images at coarser levels,
                by the displacements of these names or, without them, by resized ones.
            lam: The weights λ by name. Terms of Eq. (4) may be left out; the names in
                `TERMS` and in `extra_terms` may be added.
            labels: One-hot labels of fixed and moving images, for the term `dice`.
            opposite: Displacement of the swapped pairs at full resolution, for the term
                `inverse_consistency`.
            landmarks: Points of fixed and moving images, `(b, k, d)`, voxels, for the
                term `landmarks`; NaN where there is none.

        Returns:
            The scalar, and its unweighted terms by name.

        Raises:
            ValueError: If the interpolation or a term is unknown, a window is even, or
                a term lacks labels, landmarks or the opposite direction.
        """

        def images_at(scale: str) -> tuple[Array, Array]:
            displacement = _at_scale(displacements, scale)
            shape = displacement.shape[1:-1]
            image = self._image_at(moving, scale, shape)
            moved = warp(image, displacement, interpolation=self.interpolation)
            return self._image_at(fixed, scale, shape), moved

        def similarity_loss(scale: str, window: int) -> Array:
            return find_similarity(self.similarity).loss(*images_at(scale), window)

        terms_of_paper: dict[str, Callable[[], Array]] = {
            "full": lambda: similarity_loss("full", self.windows[0]),
            "smooth": lambda: diffusion_loss(_at_scale(displacements, "full")),
            "half": lambda: similarity_loss("half", self.windows[1]),
            "quarter": lambda: similarity_loss("quarter", self.windows[2]),
        }
        weights = in_order(lam)
        terms = {name: term() for name, term in terms_of_paper.items() if name in lam}
        others = [name for name in weights if name not in terms_of_paper]
        if others:
            known = {**TERMS, **dict(self.extra_terms)}
            if unknown := sorted(set(others) - set(known)):
                raise ValueError(
                    f"unknown term {unknown[0]!r}; the terms are "
                    f"{', '.join((*terms_of_paper, *known))}."
                )
            pairs = {scale: images_at(scale) for scale in Pyramid._fields}
            inputs = TermInputs(
                Pyramid(**{scale: pair[0] for scale, pair in pairs.items()}),
                Pyramid(**{scale: pair[1] for scale, pair in pairs.items()}),
                Pyramid(**{scale: _at_scale(displacements, scale) for scale in pairs}),
                self.windows,
                *(labels or (None, None)),
                opposite,
                lambda level: similarity_loss(level, self.windows[2]),
                *(landmarks or (None, None)),
            )
            terms |= {name: known[name](inputs) for name in others}
        total = sum(weights[name] * term for name, term in terms.items())
        return jnp.asarray(total), terms

    def _image_at(
        self, image: Array | Pyramid, scale: str, shape: tuple[int, ...]
    ) -> Array:
        """The image on the grid of a displacement, resized unless it is a pyramid."""
        if isinstance(image, Pyramid) and scale in Pyramid._fields:
            found = getattr(image, scale)
        else:
            whole = image.full if isinstance(image, Pyramid) else image
            found = resize_image(whole, shape)
        return _NOMINAL[scale] * found if self.is_dimmed else found


def registration_loss(
    fixed: Array | Pyramid,
    moving: Array | Pyramid,
    displacements: Pyramid | Mapping[str, Array],
    lam: Weights,
    **settings: Any,
) -> tuple[Float[Array, ""], Terms]:
    """Eq. (4) as a function: `Objective(**settings)` of the other arguments."""
    return Objective(**settings)(fixed, moving, displacements, lam)


def segmentation_loss(
    fixed_onehot: Float[Array, "b *space k"],
    moving_onehot: Float[Array, "b *space k"],
    displacement: Float[Array, "b *space d"],
    *,
    smoothness_weight: float = 0.0,
    smoothness_target: float = 0.01,
) -> Float[Array, ""]:
    """The objective by which λ is chosen, Eq. (5): Dice of the warped labels.

    The published code adds w (ℓ_smooth − s)², w = 1e4 and s = 0.01, which the paper
    does not have: it draws the roughness of the field to a value chosen beforehand.

    Args:
        fixed_onehot: `one_hot` labels of the fixed image.
        moving_onehot: `one_hot` labels of the moving image, warped linearly.
        displacement: At full resolution, in voxels.
        smoothness_weight: w, 0 in the paper.
        smoothness_target: s, in the unit of `diffusion_loss`.

    Returns:
        The soft Dice loss, a scalar between 0 and 1, and what is added to it.
    """
    dice = soft_dice_loss(fixed_onehot, warp(moving_onehot, displacement))
    if smoothness_weight == 0:
        return dice
    excess = diffusion_loss(displacement) - smoothness_target
    return dice + smoothness_weight * excess**2


def _at_scale(arrays: Pyramid | Mapping[str, Array], scale: str) -> Array:
    """One scale of a named tuple or a mapping."""
    is_there = scale in (arrays if isinstance(arrays, Mapping) else arrays._fields)
    if scale in _FINER and not is_there:
        finer = _at_scale(arrays, _FINER[scale])
        return resize_displacement(finer, half_shape(finer.shape[1:-1]))
    if isinstance(arrays, Mapping):
        return arrays[scale]
    return getattr(arrays, scale)
