"""Random changes of the images in training."""

import math
import typing
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from autoreg_jax.config._range import check_choice, check_range
from autoreg_jax.errors import ConfigError

LossOn = Literal["original", "augmented"]
GridAxis = Literal[
    "x", "y", "z", "left_right", "anterior_posterior", "inferior_superior"
]


@dataclass(frozen=True, kw_only=True)
class Chance:
    """How often an image is changed in some way, and how much."""

    probability: float = 0.0
    """Share of the images that are changed (0 to 1)."""

    strength: float
    """How much (>= 0); 0 changes nothing."""

    def __post_init__(self) -> None:
        check_range(self, "probability", at_least=0, at_most=1)
        check_range(self, "strength", at_least=0)


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """Random changes of the images in training, all off by default.

    Positions come first: both images of a pair are mirrored alike, and each is moved by
    an affine map and a deformation of its own, with its labels. Then intensities are
    changed, in the order of the settings below. With `paint` and `shapes` the images
    are made from label maps alone, which the training subjects then need.
    """

    loss_on: LossOn = "original"
    """Images that the loss compares: `original` intensities (at the changed positions),
    as suits pairs of one contrast whose network is to be used on others, or the
    `augmented` ones that the network sees."""

    shared: float = 0.0
    """Share of the pairs whose two images get the same maps of intensity: paint,
    monotone, remap and gamma (0 to 1)."""

    shapes: float = 0.0
    """Share of the pairs that are replaced by random shapes, as many as there are
    structures: the same image twice, to be deformed and painted (0 to 1)."""

    flip: tuple[GridAxis, ...] | None = None
    """Axes along which half of the pairs are mirrored, e.g. [left_right]; null: none.
    Directions of the body are those of the axes of the working grid that are closest to
    them; `x`, `y`, `z` are its first, second and third axis."""

    spacing: tuple[float, ...] | None = None
    """Sizes of a voxel along each axis, for `affine`, in any unit; null: those of the
    working grid."""

    affine: Chance = field(default_factory=partial(Chance, strength=0.1))
    """Affine map of each image; strength: largest angle in radians, logarithm of a
    scale, shear, and shift in halves of the axis."""

    deform: Chance = field(default_factory=partial(Chance, strength=2.0))
    """Random diffeomorphism of each image; strength: standard deviation of its
    velocity, voxels."""

    paint: Chance = field(default_factory=partial(Chance, strength=1.0))
    """Image made from the label map, a random intensity for each structure on black;
    strength: its share, at most 1."""

    monotone: Chance = field(default_factory=partial(Chance, strength=1.0))
    """Random rising curve of intensity; strength: its share, at most 1."""

    remap: Chance = field(default_factory=partial(Chance, strength=1.0))
    """Random curve of intensity that rises and falls, any contrast; strength: its
    share, at most 1."""

    gamma: Chance = field(default_factory=partial(Chance, strength=0.5))
    """Power of the intensity; strength: largest logarithm of the exponent."""

    bias: Chance = field(default_factory=partial(Chance, strength=0.3))
    """Smooth change of brightness; strength: standard deviation of its logarithm."""

    blur: Chance = field(default_factory=partial(Chance, strength=1.0))
    """Gaussian blur; strength: its standard deviation, voxels."""

    slices: Chance = field(default_factory=partial(Chance, strength=3.0))
    """Lower resolution along one axis, as of thick slices; strength: voxels by which
    these are thicker than a voxel at most."""

    noise: Chance = field(default_factory=partial(Chance, strength=0.05))
    """Noise; strength: its largest standard deviation."""

    dropout: Chance = field(default_factory=partial(Chance, strength=0.3))
    """A box filled with the mean of the image; strength: its longest edge as a share of
    the axis, at most 1."""

    def __post_init__(self) -> None:
        check_choice(self, "loss_on", typing.get_args(LossOn))
        check_range(self, "shared", "shapes", at_least=0, at_most=1)
        if self.spacing and not all(0 < size < math.inf for size in self.spacing):
            raise ConfigError(f"spacing: must be above 0, got {list(self.spacing)}.")
        for name in ("paint", "monotone", "remap", "dropout"):
            if (strength := getattr(self, name).strength) > 1:
                raise ConfigError(f"{name}.strength: must be <= 1, got {strength!r}.")

    @property
    def is_used(self) -> bool:
        """Whether any image is changed."""
        chances = (value for value in vars(self).values() if isinstance(value, Chance))
        is_drawn = any(chance.probability for chance in chances)
        return is_drawn or bool(self.flip) or self.shapes > 0

    @property
    def needs_labels(self) -> bool:
        """Whether images are made from label maps."""
        return self.paint.probability > 0 or self.shapes > 0
