"""How many cells a network has, of which size, and how they see the two images."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args, get_origin, get_type_hints

from autoreg_jax.search_space import SCALES, CellShapes
from autoreg_jax.spatial import half_shape

# Scales that the loss compares besides the full one: there on any image.
_ALWAYS = 2
FULL = -1
"""The scale at full resolution; that at 1/2 is 0, as in `search_space.SCALES`."""

# Voxels along the longest axis below which there is nothing to see at a scale.
_FEWEST_VOXELS = 3


@dataclass(frozen=True, kw_only=True)
class Structure:
    """Scales and cells of the registration network; the defaults are the paper's.

    Numbers for each scale begin at 1/2 of the resolution of the images; coarser scales
    that have none take the last one.

    Attributes:
        scales: Number of scales at which there are cells: 1/2, 1/4, 1/8, ...
        encoder: "strided", a feature cell at each scale, or "pooled", one at 1/2 whose
            features are averaged for the coarser scales.
        feature_channels: Channels of the feature cells at each scale.
        feature_edges: Operations in a feature cell.
        deformation_channels: Channels of each operation in a deformation cell.
        fusion: How a deformation cell sees the two feature maps: "concatenation", or
            "sum_difference".
        correlation: Radius at each scale within which the correlations of the feature
            maps are channels of the deformation cell; None: no such channels.
        has_context: Whether a deformation cell sees the displacement and the
            deformation features of the next coarser scale.
        iterations: Passes of the deformation cell at each scale, the weights shared.
        velocities: "summed": a scale corrects the velocity of the coarser one;
            "replaced": it predicts the velocity anew, as the paper and its code do;
            "composed": its exponential is composed with the coarser field.
        resolution: Of the last velocity: "half", its displacement is resized to the
            image, or "full", a further scale with cells of its own at full resolution.
            They have the operations of those at 1/2 and half of the channels, and see
            neither correlation nor matching.
        has_normalised_features: Whether each channel of each feature map is scaled to
            zero mean and unit variance over the image.

    Raises:
        ValueError: If the number of scales is not between 1 and that of
            `search_space.SCALES`, or if a word is unknown.
    """

    scales: int = 2
    encoder: Literal["strided", "pooled"] = "strided"
    feature_channels: tuple[int, ...] = (16, 32)
    feature_edges: int = 3
    deformation_channels: tuple[int, ...] = (48, 32, 16)
    fusion: Literal["concatenation", "sum_difference"] = "concatenation"
    correlation: tuple[int, ...] | None = None
    has_context: bool = True
    iterations: tuple[int, ...] = (1,)
    velocities: Literal["summed", "replaced", "composed"] = "summed"
    has_normalised_features: bool = False
    resolution: Literal["half", "full"] = "half"

    def __post_init__(self) -> None:
        """Check the number of scales, and the words."""
        if not 1 <= self.scales <= len(SCALES):
            raise ValueError(f"scales must be 1 to {len(SCALES)}, got {self.scales}.")
        for name, hint in get_type_hints(type(self)).items():
            words, found = get_args(hint), getattr(self, name)
            if get_origin(hint) is Literal and found not in words:
                raise ValueError(f"{name} must be one of {words}, got {found!r}.")

    @property
    def cells(self) -> CellShapes:
        """How many cells of each kind there are, and how many edges each has."""
        feature_scales = 1 if self.encoder == "pooled" else self.scales
        return CellShapes(
            (feature_scales, self.feature_edges),
            (self.scales, len(self.deformation_channels)),
        )

    @property
    def finest(self) -> int:
        """The finest scale with cells: 0, or `FULL`."""
        return FULL if self.resolution == "full" else 0

    def used_scales(self, space: Sequence[int]) -> int:
        """How many of the scales are used for images of this shape.

        Half and quarter resolution are used for all; a coarser scale where its grid has
        at least 3 voxels along the longest axis.

        Examples:
            >>> Structure(scales=5).used_scales((48, 64, 40))
            4
        """
        used, shape = 0, half_shape(space)
        while used < self.scales and (used < _ALWAYS or max(shape) >= _FEWEST_VOXELS):
            used, shape = used + 1, half_shape(shape)
        return used


def at_scale(numbers: Sequence[int], scale: int) -> int:
    """The number that holds for a scale, 0 being half resolution."""
    return numbers[max(0, min(scale, len(numbers) - 1))]


def scale_name(scale: int) -> str:
    """Word for a scale in the names of weights."""
    return "full" if scale == FULL else SCALES[scale]
