"""Estimates the memory of a run from measurements, and explains it."""

import math
from typing import NamedTuple

from autoreg_jax.config import RunConfig

_GIB = 2**30
# Bytes per voxel for the gradient of the loss of one pair, float32, as XLA reports its
# temporaries on a CPU (width 0.5 and 1, 32³ and 48³ voxels, and 64² in a plane): images
# and fields, and what grows with the width of one network or of a mixture.
_IMAGES, _MIND = 280.0, 660.0
_NETWORK, _MIXTURE = 1350.0, 6200.0
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
    width = half * config.network.width
    base = _IMAGES + (_MIND if config.objective.similarity == "mind" else 0.0)
    search, devices = config.search, config.mesh.pairs or 1
    cells = max(search.feature.train_pairs, search.deformation.train_pairs)
    mixed = _HYPERGRADIENT * math.ceil(cells / devices)
    if len(config.network.operations) == 1:
        mixed = 0.0  # nothing to choose
    single = _HYPERGRADIENT * math.ceil(search.lam.train_pairs / devices)
    pairs = max(math.ceil(config.train.batch_size / devices), single)
    return MemoryEstimate(
        search=(base + width * _MIXTURE) * mixed * small,
        train=(base + width * _NETWORK) * pairs * voxels,
        images=min(8.0 * voxels * num_images, most_images),
    )


def explain_precision(device: str, need: MemoryEstimate, memory: int | None) -> str:
    """The memory that a run needs, and why float32 or bfloat16."""
    available = "" if memory is None else f" of {memory / _GIB:.1f} GiB"
    words = (
        f"About {need.peak / _GIB:.1f} GiB{available} of memory on this device "
        f"({device}): {need.search / _GIB:.2f} for the search of the architecture, "
        f"{need.train / _GIB:.2f} for the training, {need.images / _GIB:.2f} for the "
        "images. "
    )
    if device == "cpu":
        return words + "A CPU has no fast convolution of bfloat16."
    return words + (
        "bfloat16 halves the memory of the networks and is chosen if float32 does not "
        "fit."
    )
