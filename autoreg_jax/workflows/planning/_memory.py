"""Estimates the memory of a run from measurements, and explains it."""

import math
from typing import NamedTuple

from autoreg_jax.config import NetworkConfig, RunConfig
from autoreg_jax.search_space import OPERATIONS

_GIB = 2**30
# Bytes per voxel for the gradient of the loss of one pair, float32, as XLA reports its
# temporaries on a CPU (width 0.5 and 1, 32³ and 48³ voxels, and 64² in a plane): images
# and fields, and one network or mixture of the paper's cells. Other networks take more
# or less in proportion to their activations.
_IMAGES, _MIND = 280.0, 660.0
_NETWORK, _MIXTURE = 675.0, 3100.0
_MEASURED = NetworkConfig(
    width=0.5,
    scales=2,
    encoder="strided",
    feature_channels=(16, 32),
    deformation_channels=(48, 32, 16),
    fusion="concatenation",
    context=True,
    matching=(1, 2),
)
# A hypergradient keeps up to two gradients at once.
_HYPERGRADIENT = 2.0


class MemoryEstimate(NamedTuple):
    """Bytes at the peak.

    Attributes:
        search: The search of α, on images reduced by `search.shrink`.
        train: The training and the search of λ.
        images: Images and label maps, as far as they lie on the device.
    """

    search: float
    train: float
    images: float

    @property
    def peak(self) -> float:
        """The whole run."""
        return self.images + max(self.search, self.train)


def estimate_memory(
    shape: tuple[int, ...],
    num_images: int,
    config: RunConfig,
    most_images: float = math.inf,
) -> MemoryEstimate:
    """Estimate the memory of a run on a working grid, bytes on each device.

    `most_images` are those of images that may lie on the device at once.
    """
    voxels = math.prod(shape)
    small = voxels / config.search.shrink ** len(shape)
    half = 0.5 if config.network.precision == "bfloat16" else 1.0
    network = config.network
    size = half * activations(network, len(shape))
    size /= activations(_MEASURED, len(shape))
    base = _IMAGES + (_MIND if config.objective.similarity == "mind" else 0.0)
    search, devices = config.search, config.mesh.pairs or 1
    cells = max(search.feature.train_pairs, search.deformation.train_pairs)
    operations = len(network.operations) / len(OPERATIONS)
    is_searched = len(network.operations) > 1 and bool(
        search.feature.steps or search.deformation.steps
    )
    mixed = is_searched * _HYPERGRADIENT * math.ceil(cells / devices)
    single = _HYPERGRADIENT * math.ceil(search.lam.train_pairs / devices)
    single *= search.lam.steps > 0 and search.judge != "none"
    pairs = max(math.ceil(config.train.batch_size / devices), single)
    return MemoryEstimate(
        search=(base + size * operations * _MIXTURE) * mixed * small,
        train=(base + size * _NETWORK) * pairs * voxels,
        images=min(8.0 * voxels * num_images, most_images),
    )


def activations(network: NetworkConfig, ndim: int) -> float:
    """Numbers that a network keeps for its gradient, for each voxel of an image.

    Features of both images, what each deformation cell sees, its operations, and the
    correlations of a matching with their weights, at every scale.
    """

    def at(numbers: tuple[int, ...] | None, scale: int) -> int:
        return numbers[max(0, min(scale, len(numbers) - 1))] if numbers else 0

    def offsets(radius: int) -> int:
        return (2 * radius + 1) ** ndim if radius else 0

    def of_scale(scale: int) -> float:
        is_full = scale < 0
        width = network.width * (0.5 if is_full else 1.0)
        features = width * at(network.feature_channels, scale)
        cells = [width * channels for channels in network.deformation_channels]
        is_pooled = network.encoder == "pooled" and scale > 0
        encoded = 2 * features * (1 if is_pooled else network.feature_edges)
        seen = 2 * features + network.context * (cells[-1] + ndim)
        passes = 1 if is_full else at(network.iterations, scale)
        if not is_full:
            seen += offsets(at(network.correlation, scale))
            seen += 2 * offsets(at(network.matching, scale))
        return (encoded + passes * (seen + sum(cells))) / 2 ** (ndim * (scale + 1))

    first = -1 if network.resolution == "full" else 0
    return sum(of_scale(scale) for scale in range(first, network.scales))


def explain_precision(device: str, need: MemoryEstimate, memory: int | None) -> str:
    """The memory that a run needs, and why float32 or bfloat16."""
    available = "" if memory is None else f" of {memory / _GIB:.1f} GiB"
    search = f"{need.search / _GIB:.2f} for the search of the architecture, "
    words = (
        f"About {need.peak / _GIB:.1f} GiB{available} of memory on this device "
        f"({device}): {search if need.search else ''}{need.train / _GIB:.2f} for the "
        f"training, {need.images / _GIB:.2f} for the images. "
    )
    if device == "cpu":
        return words + "A CPU has no fast convolution of bfloat16."
    return words + (
        "bfloat16 halves the memory of the networks and is chosen if float32 does not "
        "fit."
    )
