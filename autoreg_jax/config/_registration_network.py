"""Settings of the registration network."""

import typing
from dataclasses import dataclass
from typing import Literal

from autoreg_jax.config._range import check_choice, check_range
from autoreg_jax.errors import ConfigError

Precision = Literal["float32", "bfloat16"]
FeatureWeights = Literal["shared", "separate"]
Encoder = Literal["strided", "pooled"]
Fusion = Literal["concatenation", "sum_difference"]
Velocities = Literal["summed", "replaced", "composed"]
Resolution = Literal["half", "full"]
# As `search_space.OPERATIONS`, in the order of the last axis of α.
Operation = Literal[
    "conv_1",
    "conv_3",
    "conv_5",
    "sep_conv_3",
    "sep_conv_5",
    "dil_conv_3",
    "dil_conv_5",
    "dil_conv_7",
]

_MOST_SCALES = 6
# 4,096 steps: a velocity of a voxel is then divided below the rounding of positions.
_MOST_SQUARINGS = 12
# Lists for the two scales of the paper are accepted for one scale, too.
_ALWAYS = 2


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """The registration network."""

    width: float = 1.0
    """Factor on `feature_channels` and `deformation_channels` (> 0)."""

    scales: int = 4
    """Scales at which there are cells (1 to 6): 1/2, 1/4, 1/8, ... of the resolution.
    The paper has two. Half and quarter are used for all images, a coarser scale where
    the longest axis has 3 voxels or more there; weights do not depend on that."""

    encoder: Encoder = "pooled"
    """`strided`: a feature cell at each scale, as in the paper; `pooled`: one feature
    cell at half resolution, whose features are averaged for the coarser scales."""

    feature_channels: tuple[int, ...] = (16,)
    """Channels of the feature cells at each scale from half resolution on (>= 1);
    coarser scales without a number take the last one. With the `pooled` encoder
    only the first number is used."""

    feature_edges: int = 3
    """Operations in a feature cell (>= 1)."""

    deformation_channels: tuple[int, ...] = (16, 16)
    """Channels of each operation in a deformation cell (>= 1)."""

    operations: tuple[Operation, ...] = ("conv_3",)
    """Operations among which the search chooses that of each edge. With a single one
    every edge has it and α is not searched: of the other choices that were trained (14
    with one other edge, random ones), none was better than `conv_3` on each edge."""

    fusion: Fusion = "sum_difference"
    """How a deformation cell sees the two feature maps: one behind the other, or their
    sum and difference (`sum_difference`)."""

    correlation: tuple[int, ...] | None = None
    """Radius in which the feature maps are correlated at each scale from half
    resolution on, voxels (>= 1); the correlations, one for each offset, are further
    channels of the deformation cell. Coarser scales take the last one; null: none."""

    context: bool = False
    """Whether a deformation cell also sees the displacement and the deformation
    features of the next coarser scale, as in the paper."""

    iterations: tuple[int, ...] = (1,)
    """How often the deformation cell is applied at each scale from half resolution on
    (>= 1), with the same weights, each time to features that are warped anew. Coarser
    scales take the last one."""

    num_steps: int = 7
    """Squarings of the velocity field: 2^num_steps integration steps (1 to 12)."""

    matching: tuple[int, ...] | None = (1,)
    """Radius of the feature matching at each scale from half resolution on, voxels (>=
    1); coarser scales take the last one; null: no matching, as in the paper."""

    standardise: bool = True
    """Scale each image to zero mean and unit variance before the network."""

    feature_weights: FeatureWeights = "shared"
    """Feature cells of moving and fixed image: `shared` weights, or `separate` weights
    with the same architecture."""

    velocities: Velocities = "composed"
    """`summed`: each scale adds to the velocity of the coarser one; `replaced`: it
    predicts a new velocity, as in the paper; `composed`: the exponential of its own
    velocity is composed with the coarser field."""

    resolution: Resolution = "half"
    """Resolution of the last velocity: `half`, whose displacement is resized to the
    image, as in the paper; `full`: a further scale corrects it at full resolution, by
    cells with the operations of those at half resolution, half of their channels and no
    matching. That costs several times the time and memory."""

    conditions: tuple[str, ...] | None = None
    """Terms of the loss whose weights the trained network is told, `[smooth]` for
    example: each step of its training is one under other weights of them, from
    1/`condition_range` to `condition_range` times those of λ. Such a model registers
    under λ or, with `autoreg register --smoothness`, under another smoothness, and
    `autoreg evaluate --smoothness` compares them. A search tells its network nothing
    of this; null: neither does the training."""

    condition_range: float = 10.0
    """Largest factor on a weight that the network is told, and the inverse of the
    smallest one (> 1)."""

    precision: Precision = "float32"
    """Data type of the convolutions; sums, losses and fields are always float32. Use
    `bfloat16` on accelerators only: CPUs have no fast bfloat16 convolution. With
    `float32` an accelerator still rounds what the convolutions multiply, a GPU to TF32
    (11 bits) and a TPU to bfloat16 (8 bits), unless the environment variable
    `JAX_DEFAULT_MATMUL_PRECISION` is `highest`; positions, integration, losses and
    solvers are exact in any case (table in CONTRIBUTING, "Precision")."""

    rematerialise: bool = False
    """Recompute the activations of a mixture in the backward pass instead of storing
    them. On a GPU this saves 13 % of the memory of an edge for 1.24 times the time
    (measured); on a CPU it saves no memory."""

    normalise_features: bool = False
    """Scale each channel of each feature map to zero mean and unit variance over the
    image (instance normalisation)."""

    normalise: bool = False
    """Divide each candidate operation of a mixture by its root mean square, so that its
    contribution depends on α alone and not on the scale of its weights. Neither in the
    paper nor in its code; it found no better cells where it was tried (brains)."""

    def __post_init__(self) -> None:
        check_range(self, "width", above=0)
        check_range(self, "condition_range", above=1)
        check_range(self, "num_steps", "scales", "feature_edges", at_least=1)
        check_range(self, "num_steps", at_most=_MOST_SQUARINGS)
        check_range(self, "scales", below=_MOST_SCALES + 1)
        check_choice(self, "precision", typing.get_args(Precision))
        check_choice(self, "feature_weights", typing.get_args(FeatureWeights))
        check_choice(self, "encoder", typing.get_args(Encoder))
        check_choice(self, "fusion", typing.get_args(Fusion))
        check_choice(self, "velocities", typing.get_args(Velocities))
        check_choice(self, "resolution", typing.get_args(Resolution))
        self._check_operations()
        self._check_conditions()
        self._check_numbers("deformation_channels", is_of_scales=False)
        for name in ("feature_channels", "iterations", "matching", "correlation"):
            self._check_numbers(name, is_of_scales=True)

    def _check_operations(self) -> None:
        """Refuse unknown and repeated operations, and none at all."""
        known, asked = typing.get_args(Operation), self.operations
        if not asked or not {*asked} <= {*known} or len({*asked}) < len(asked):
            raise ConfigError(
                f"operations: must be one or more of {', '.join(known)}, each once, "
                f"got {list(asked)}."
            )

    def _check_conditions(self) -> None:
        """Refuse a term that is named twice, and none at all."""
        if self.conditions is None:
            return
        if not self.conditions or len({*self.conditions}) < len(self.conditions):
            raise ConfigError(
                "conditions: must be one or more different terms, got "
                f"{list(self.conditions)}."
            )

    def _check_numbers(self, name: str, *, is_of_scales: bool) -> None:
        """Refuse a list with a number below 1, or with more numbers than scales."""
        numbers = getattr(self, name)
        if numbers is None:
            return
        if not numbers or min(numbers) < 1:
            raise ConfigError(
                f"{name}: must be one or more numbers, each at least 1, got "
                f"{list(numbers)}."
            )
        most = max(self.scales, _ALWAYS) if is_of_scales else len(numbers)
        if len(numbers) > most:
            raise ConfigError(
                f"{name}: has {len(numbers)} numbers, {list(numbers)}, for "
                f"{self.scales} scales."
            )
