"""The memory of a registration, from the shapes of its images and what is done."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from autoreg_jax.spatial import coarser_shape

__all__ = ["RegistrationMemory", "RegistrationTask", "coarsened", "registration_memory"]

# Bytes per voxel. Arrays of one float32 a voxel are counted as what they are; the
# others were measured (tests/benchmarks/registration_memory.py) or are what XLA reports
# as temporaries of a compiled program on a CPU.
_GREY, _VECTOR = 4.0, 12.0
# Scaling the grey values of an image: a copy in double precision, percentiles.
_SCALING = 19.0
# Fixed, moved and moving image in windows; derivatives of a displacement; of so many
# voxels at once, or so many planes.
_CORRELATION, _FOLDING, _TOGETHER, _PLANES = 71.0, 76.0, 1e6, (17, 5)
# The results of a network, and what is alive at once of each number that it computes.
_RESULTS, _PREDICTION = 15.0, 2.1
# Gradient of the optimisation on its finest grid: images, and features of MIND, which
# are at half of its resolution; reducing both images to half; making the displacement.
_IMAGES, _FEATURES, _HALVING, _ENLARGING = 424.0, 780.0, 50.0, 24.0
# A further channel by local correlation, and one by MIND beside it, whose features are
# computed in every step.
_CHANNEL, _MIXED = 190.0, 600.0
# A file of numbers in memory and what it is compressed to, for each of its bytes.
_WRITING = 2.0
# Bytes of compiled programs, and of the compiler while it compiles a large one; what
# comes from the cache of an earlier run takes less.
_ALIGNMENT, _NETWORK, _OPTIMISATION, _REST = 120e6, 480e6, 280e6, 60e6
_COMPILING = 230e6
# A thread that maps points.
_THREAD = 60e6


@dataclass(frozen=True)
class RegistrationTask:
    """What decides on the memory of a registration.

    Attributes:
        fixed: Shape of the fixed image.
        moving: Shape of the moving image.
        working: Shape of the grid on which the images are compared; with the shape of
            the fixed image it is taken for its grid.
        network: Numbers that a network computes for each voxel of the working grid, see
            `networks.activations`; 0 without one.
        similarity: Name of the similarity of the optimisation; "mixed" if channels
            have others, empty for none.
        coarsening: How often the grid of the optimisation is halved.
        is_aligned: Whether an alignment is sought.
        has_masks: Whether the optimisation knows masks.
        has_labels: Whether a label map of each image is read and the moving one moved.
        is_written: Whether the results are written to files.
        extra: What else is written, see `Registered.save`.
        is_repeated: Whether the images are registered both ways without a network,
            which always does it.
        threads: That map points.
        channels: Images of each subject, all as large as the first.

    Examples:
        >>> pair = RegistrationTask(*3 * [(420, 320, 520)], similarity="ncc")
        >>> registration_memory(pair).stage
        'the optimisation'
    """

    fixed: tuple[int, ...]
    moving: tuple[int, ...]
    working: tuple[int, ...]
    network: float = 0.0
    similarity: str = ""
    coarsening: int = 0
    is_aligned: bool = True
    has_masks: bool = False
    has_labels: bool = False
    is_written: bool = True
    extra: tuple[str, ...] = ()
    is_repeated: bool = False
    threads: int = 2
    channels: int = 1


class RegistrationMemory(NamedTuple):
    """Bytes at the peak, beyond what the process holds before it reads the images.

    Attributes:
        host: Of the main memory.
        device: Of the memory of an accelerator; 0 where the CPU computes.
        stage: What takes most of the main memory.
    """

    host: float
    device: float
    stage: str


def registration_memory(
    what: RegistrationTask, *, has_accelerator: bool = False
) -> RegistrationMemory:
    """Estimate the memory of `register`, and of writing its results.

    The largest of its stages, each a sum of the arrays that it holds and of what its
    programs take. Structures and landmarks that guide are not counted.

    Args:
        what: Images and options.
        has_accelerator: Whether the compiled programs run on a device with a memory of
            its own.
    """
    fixed, moving, working = map(math.prod, (what.fixed, what.moving, what.working))
    number = what.channels + what.has_labels + what.has_masks
    images = _GREY * (fixed + moving) * number
    compiled = _REST + _ALIGNMENT * what.is_aligned
    compiled += _NETWORK * (what.network > 0) + _OPTIMISATION * bool(what.similarity)
    threads = _THREAD * min(what.threads, math.ceil(fixed / 250_000))
    host, device = {}, [0.0]
    for stage, arrays, program in _stages(what, fixed, moving, working):
        host[stage] = images + arrays
        if has_accelerator:
            device.append(program)
        else:
            host[stage] += program
    host["moving the image"] += threads
    stage = max(host, key=lambda name: host[name])
    return RegistrationMemory(host[stage] + compiled, max(device), stage)


def _stages(
    what: RegistrationTask, fixed: int, moving: int, working: int
) -> Iterator[tuple[str, float, float]]:
    """Name, bytes of arrays of NumPy beside the images, bytes of arrays of JAX."""
    scaled = _GREY * (fixed + moving) * what.channels
    larger, smaller = max(fixed, moving), min(fixed, moving)
    others = _GREY * (fixed + moving) * (what.channels - 1)
    yield "scaling the grey values", others + _GREY * smaller + _SCALING * larger, 0.0
    arrays = (2 + what.is_aligned) * what.channels + 2 * what.has_masks
    compared = _GREY * working * arrays
    if working != fixed:
        # Smoothing before a resampling to larger voxels.
        yield "resampling the images", scaled + _GREY * larger, compared
    field = _VECTOR * working
    if what.network:
        yield "compiling", scaled + _COMPILING, compared
        prediction = _RESULTS + _PREDICTION * what.network
        yield "the network", scaled, compared + field + prediction * working
    if what.similarity:
        found = 2 * field if what.network else field * what.is_repeated
        optimised = found + _optimisation(what, working)
        yield "the optimisation", scaled, compared + optimised
    together = _together(what.working, _PLANES[0])
    # With the images swapped, and that of the network before a refinement.
    others = 2 * field if what.network else field * what.is_repeated
    windows = _CORRELATION * together * what.channels
    comparing = max(windows, 2 * _GREY * working * (others > 0))
    yield "comparing", scaled, compared + field + others + comparing
    result = _VECTOR * fixed
    is_regridded = what.fixed != what.working
    enlarged = result + field * is_regridded + _GREY * fixed
    yield "the displacement", enlarged, field
    together = _together(what.fixed, _PLANES[1])
    yield "counting folds", result, _FOLDING * together
    # A whole map beside the displacement before the alignment.
    result += _VECTOR * fixed * what.is_aligned
    moved = _GREY * fixed * (what.channels + what.has_labels)
    yield "moving the image", result + moved + 2 * _GREY * fixed, 0.0
    if "inverse" in what.extra:
        result += (_VECTOR + 2 * _GREY) * moving
    if "jacobian" in what.extra or "report" in what.extra:
        # Positions and determinants in double precision.
        yield "the Jacobian", result + moved + 36 * fixed, 0.0
    if what.is_written:
        largest = max(fixed, moving if "inverse" in what.extra else 0)
        written = _WRITING * _VECTOR * largest
        yield "writing the displacement", result + moved + written, 0.0


def coarsened(shape: tuple[int, ...], times: int) -> tuple[int, ...]:
    """A grid that the optimisation has halved so often; short axes stay."""
    for _ in range(times):
        shape = coarser_shape(shape)
    return shape


def _together(shape: tuple[int, ...], planes: int) -> float:
    """Voxels of a slab."""
    plane = math.prod(shape[1:])
    return min(shape[0] * plane, max(_TOGETHER, planes * plane))


def _optimisation(what: RegistrationTask, working: int) -> float:
    """Bytes of the optimisation: of its finest level, or of getting there and back."""
    finest = math.prod(coarsened(what.working, what.coarsening))
    more = what.channels - 1
    level = finest * {
        "ncc": _IMAGES + _CHANNEL * more,
        "mind": _FEATURES * what.channels,
        "mixed": _IMAGES + _MIXED * more,
    }.get(what.similarity, _IMAGES)
    images = 2 * (what.channels + what.has_masks)
    if what.coarsening:
        level += _GREY * images * math.prod(coarsened(what.working, 1))
    halving = _HALVING * working * (what.channels + what.has_masks)
    return max(level, halving, _ENLARGING * working)
