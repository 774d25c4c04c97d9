"""Estimates the memory of a run from measurements, and explains it."""

import math
from functools import partial
from typing import NamedTuple

from autoreg_jax.config import RunConfig
from autoreg_jax.networks import Structure, activations
from autoreg_jax.programs import make_structure
from autoreg_jax.search_space import OPERATIONS

_GIB = 2**30
# Bytes per voxel for the gradient of the loss of one pair, float32, as XLA reports its
# temporaries on a CPU (width 0.5 and 1, 32³ and 48³ voxels, and 64² in a plane): images
# and fields, and one network or mixture of the paper's cells. Other networks take more
# or less in proportion to their activations.
_IMAGES, _MIND = 280.0, 660.0
_NETWORK, _MIXTURE = 675.0, 3100.0
_MEASURED = partial(activations, Structure(), width=0.5, matching=(1, 2))
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
    made, ndim = make_structure(config), len(shape)
    size = activations(made, ndim, width=network.width, matching=network.matching)
    size *= half / _MEASURED(ndim)
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
