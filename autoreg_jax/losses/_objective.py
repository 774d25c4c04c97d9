"""The two objectives of the paper: registration, Eq. (4), and segmentation, Eq. (5)."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from autoreg_jax.losses._mind import mind_loss
from autoreg_jax.losses._ncc import local_ncc_loss
from autoreg_jax.losses._overlap import soft_dice_loss
from autoreg_jax.losses._smoothness import diffusion_loss
from autoreg_jax.losses._terms import TERMS, Term, TermInputs
from autoreg_jax.spatial import Pyramid, resize_image, warp

# Voxels of an axis at each scale, as a part of those of the image.
_NOMINAL = {"full": 1.0, "half": 0.5, "quarter": 0.25}


class ObjectiveWeights(NamedTuple):
    """The weights λ of Eq. (4), any non-negative scalars.

    Attributes:
        full: λ1, similarity at full resolution.
        smooth: λ2, smoothness of the full displacement.
        half: λ3, similarity at half resolution.
        quarter: λ4, similarity at quarter resolution.
    """

    full: Array | float
    smooth: Array | float
    half: Array | float
    quarter: Array | float

    @classmethod
    def start(cls) -> "ObjectiveWeights":
        """The values from which the published code starts its search, as arrays."""
        return cls(*(jnp.float32(value) for value in (10.0, 15.0, 3.2, 0.8)))


class LossTerms(NamedTuple):
    """The unweighted terms of Eq. (4), scalars.

    Attributes:
        full: Similarity loss at full resolution.
        smooth: Diffusion of the full displacement.
        half: Similarity loss at half resolution.
        quarter: Similarity loss at quarter resolution.
    """

    full: Array
    smooth: Array
    half: Array
    quarter: Array


Weights = ObjectiveWeights | Mapping[str, Array | float]
Terms = LossTerms | Mapping[str, Array]


def make_weights(values: Mapping[str, Array | float]) -> Weights:
    """λ from weights by name.

    Args:
        values: Any terms; the four of Eq. (4) make `ObjectiveWeights`.

    Returns:
        The weights; more or other ones are a dictionary, a pytree as well.

    Examples:
        >>> make_weights({"half": 3, "full": 1, "smooth": 2, "quarter": 4})
        ObjectiveWeights(full=1, smooth=2, half=3, quarter=4)
    """
    if set(values) == set(ObjectiveWeights._fields):
        return ObjectiveWeights(**values)
    return dict(values)


def by_name(weights_or_terms: Weights | Terms) -> dict[str, Array | float]:
    """Weights or terms as a dictionary, those of Eq. (4) first."""
    if isinstance(weights_or_terms, Mapping):
        given = weights_or_terms
        names = [name for name in LossTerms._fields if name in given]
        names += sorted(set(given) - set(names))
        return {name: given[name] for name in names}
    return weights_or_terms._asdict()


def registration_loss(  # noqa: PLR0913
    fixed: Array | Pyramid,
    moving: Array | Pyramid,
    displacements: Pyramid | Mapping[str, Array],
    lam: Weights,
    *,
    similarity: str = "ncc",
    windows: tuple[int, int, int] = (9, 7, 5),
    interpolation: str = "linear",
    is_dimmed: bool = False,
    extra_terms: Mapping[str, Term] | None = None,
) -> tuple[Float[Array, ""], Terms]:
    """The objective of the registration, Eq. (4).

    λ1 ℓ_sim(full) + λ2 ℓ_smooth + λ3 ℓ_sim(1/2) + λ4 ℓ_sim(1/4), where ℓ_sim compares
    the fixed image with the moving image warped on the grid of that scale. A λ that is
    a mapping may leave out terms of these four and name any of `TERMS` or of its own.

    Args:
        fixed: `(b, *space, 1)` in [0, 1], or its `spatial.image_pyramid` where it is
            computed once for many steps.
        moving: The same for the moving image.
        displacements: `full`, `half` and `quarter`, as attributes or keys, each
            `(b, *space, d)` in voxels of its own grid; coarse images are resized to it.
        lam: The weights λ, as a tuple or by the names of their terms.
        similarity: "ncc" (one modality) or "mind" (several).
        windows: Edge of the NCC window at full, half and quarter resolution, voxels.
        interpolation: Of the moving image: "linear" or "cubic", see `spatial.warp`.
        is_dimmed: Multiply the intensities at half and quarter resolution by 1/2 and
            1/4, as the published code does: its resizing is one for vectors.
        extra_terms: Terms of the caller by name, beside those of `TERMS`.

    Returns:
        The scalar, and its unweighted terms, a tuple or a dictionary as λ is.

    Raises:
        ValueError: If `similarity`, `interpolation` or a term is unknown or a window is
            even.
    """
    if similarity not in ("ncc", "mind"):
        raise ValueError(f'similarity must be "ncc" or "mind", got {similarity!r}.')

    def images_at(scale: str) -> tuple[Array, Array]:
        displacement = _at_scale(displacements, scale)
        shape = displacement.shape[1:-1]
        image = _image_at_scale(moving, scale, shape, is_dimmed=is_dimmed)
        moved = warp(image, displacement, interpolation=interpolation)
        return _image_at_scale(fixed, scale, shape, is_dimmed=is_dimmed), moved

    def similarity_loss(scale: str, window: int) -> Array:
        fixed_here, moved = images_at(scale)
        if similarity == "mind":
            return mind_loss(fixed_here, moved)
        return local_ncc_loss(fixed_here, moved, window)

    of_paper: dict[str, Callable[[], Array]] = {
        "full": lambda: similarity_loss("full", windows[0]),
        "smooth": lambda: diffusion_loss(_at_scale(displacements, "full")),
        "half": lambda: similarity_loss("half", windows[1]),
        "quarter": lambda: similarity_loss("quarter", windows[2]),
    }
    weights = by_name(lam)
    terms = {name: term() for name, term in of_paper.items() if name in weights}
    others = [name for name in weights if name not in of_paper]
    if others:
        known = {**TERMS, **(extra_terms or {})}
        if unknown := sorted(set(others) - set(known)):
            raise ValueError(
                f"unknown term {unknown[0]!r}; there are {', '.join(of_paper)}, "
                f"{', '.join(known)}, and those of `extra_terms`."
            )
        pairs = {scale: images_at(scale) for scale in Pyramid._fields}
        given = TermInputs(
            Pyramid(**{scale: fixed_here for scale, (fixed_here, _) in pairs.items()}),
            Pyramid(**{scale: moved for scale, (_, moved) in pairs.items()}),
            Pyramid(**{scale: _at_scale(displacements, scale) for scale in pairs}),
            windows,
        )
        terms |= {name: known[name](given) for name in others}
    total = sum(weights[name] * term for name, term in terms.items())
    is_of_paper = isinstance(lam, ObjectiveWeights)
    return jnp.asarray(total), LossTerms(**terms) if is_of_paper else terms


def segmentation_loss(
    fixed_onehot: Float[Array, "b *space k"],
    moving_onehot: Float[Array, "b *space k"],
    displacement: Float[Array, "b *space d"],
    *,
    smoothness_weight: float = 0.0,
    smoothness_target: float = 0.01,
) -> Float[Array, ""]:
    """The objective that judges λ, Eq. (5): Dice of the warped labels.

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
    if isinstance(arrays, Mapping):
        return arrays[scale]
    return getattr(arrays, scale)


def _image_at_scale(
    image: Array | Pyramid, scale: str, shape: tuple[int, ...], *, is_dimmed: bool
) -> Array:
    """The image on the grid of a displacement, resized unless it came as a pyramid."""
    if isinstance(image, Pyramid):
        found = getattr(image, scale)
    else:
        found = resize_image(image, shape)
    return _NOMINAL[scale] * found if is_dimmed else found
