"""The network and what it minimises: their settings."""

import typing
from dataclasses import dataclass, field
from typing import Literal

from autoreg_jax.config._range import check_choice, check_range
from autoreg_jax.config._terms import ExtraTermsConfig
from autoreg_jax.errors import ConfigError

Precision = Literal["float32", "bfloat16"]
FeatureWeights = Literal["shared", "separate"]
Velocities = Literal["summed", "replaced"]
Similarity = Literal["ncc", "mind"]
Interpolation = Literal["linear", "cubic"]


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """Size of the registration network."""

    width: float = 0.5
    """Factor on the number of channels of the published network (> 0)."""

    num_steps: int = 7
    """Squarings of the velocity field; the flow is cut into 2^num_steps (>= 1)."""

    matching: tuple[int, int] | None = (1, 2)
    """Radius of the matching of features at half and quarter resolution, voxels (>= 1);
    null for the network of the paper, which does not match."""

    standardise: bool = True
    """Give each image zero mean and unit deviation before it enters the network."""

    feature_weights: FeatureWeights = "shared"
    """`separate` feature cells for moving and fixed image, of one architecture, or one
    `shared` by both."""

    velocities: Velocities = "summed"
    """`summed`: the half scale corrects the velocity of the quarter scale; `replaced`:
    it predicts the velocity anew, as in the paper."""

    precision: Precision = "float32"
    """Type of the convolutions; sums, losses and fields are float32 in any case.
    `bfloat16` is for accelerators: a CPU has no quick convolution of it."""

    rematerialise: bool = False
    """Compute the insides of a mixture again for its gradient instead of keeping them,
    for one more forward pass. On a CPU this saves no memory, on a GPU 13 % of that of
    an edge for 1.24 of the time (measured)."""

    normalise: bool = False
    """Divide each candidate of a mixture by its root mean square, so that α alone says
    how much it counts and not the size of its weights; not in the paper or its code. On
    the brains on which it was tried it found no better cells."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_range(self, "width", above=0)
        check_range(self, "num_steps", at_least=1)
        check_choice(self, "precision", typing.get_args(Precision))
        check_choice(self, "feature_weights", typing.get_args(FeatureWeights))
        check_choice(self, "velocities", typing.get_args(Velocities))
        if self.matching is not None and min(self.matching) < 1:
            raise ConfigError(
                f"matching: must be null or at least 1, got {list(self.matching)}."
            )


@dataclass(frozen=True, kw_only=True)
class ObjectiveConfig:
    """Unsupervised loss, Eq. (4): where the search of λ starts."""

    similarity: Similarity = "ncc"
    """`ncc` for images of one contrast, `mind` for two."""

    windows: tuple[int, int, int] = (9, 7, 5)
    """Width of the NCC window at full, half and quarter resolution, voxels (odd)."""

    interpolation: Interpolation = "linear"
    """Of the moving image. `cubic` has no kinks at the voxels and costs more; only the
    loss uses it, results are interpolated linearly."""

    full: float = 10.0
    """λ1, weight of the similarity at full resolution (>= 0)."""

    smooth: float = 15.0
    """λ2, weight of the smoothness of the displacement (>= 0)."""

    half: float = 3.2
    """λ3, weight of the similarity at half resolution (>= 0)."""

    quarter: float = 0.8
    """λ4, weight of the similarity at quarter resolution (>= 0)."""

    extra: ExtraTermsConfig = field(default_factory=ExtraTermsConfig)
    """Weights of further terms."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_choice(self, "similarity", typing.get_args(Similarity))
        check_choice(self, "interpolation", typing.get_args(Interpolation))
        check_range(self, "full", "smooth", "half", "quarter", at_least=0)
        if any(width < 1 or width % 2 == 0 for width in self.windows):
            raise ConfigError(
                f"windows: must be odd and >= 1, got {list(self.windows)}."
            )
