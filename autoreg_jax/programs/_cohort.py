"""The images of a split on the device, and batches of their pairs."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import AxisType, PartitionSpec

from autoreg_jax.bilevel import PairBatch
from autoreg_jax.data import Cohort
from autoreg_jax.errors import ConfigError
from autoreg_jax.losses import one_hot
from autoreg_jax.runtime import PAIRS, SPACE
from autoreg_jax.spatial import resize_image


class DeviceCohort(NamedTuple):
    """Images and labels of one split as device arrays.

    Attributes:
        images: `(n, *space, c)`.
        labels: `(n, *space)` class indices, or None.
        landmarks: `(n, k, d)`, voxels, or None.
    """

    images: Any
    labels: Any = None
    landmarks: Any = None


def on_device(
    cohort: Cohort, *, with_labels: bool = False, with_landmarks: bool = False
) -> DeviceCohort:
    """Put a split on the device; labels and landmarks only where they may be used."""
    return DeviceCohort(
        jnp.asarray(cohort.images),
        jnp.asarray(cohort.labels) if with_labels else None,
        jnp.asarray(cohort.landmarks) if with_landmarks else None,
    )


def shrunk(cohort: DeviceCohort, factor: int) -> DeviceCohort:
    """The images alone, on a grid that is coarser by a factor."""
    if factor == 1:
        return DeviceCohort(cohort.images)
    shape = shrunk_shape(cohort.images.shape[1:-1], factor)
    resize = jax.jit(resize_image, static_argnums=1)
    return DeviceCohort(resize(cohort.images, shape))


def shrunk_shape(shape: tuple[int, ...], factor: int) -> tuple[int, ...]:
    """That of a grid that is coarser by a factor."""
    return tuple(-(-size // factor) for size in shape)


def gather(
    cohort: DeviceCohort,
    pair: Any,
    num_structures: int = 0,
    *,
    has_background: bool = False,
) -> PairBatch:
    """The batch of moving and fixed indices, labels one-hot.

    If there is a mesh (`jax.set_mesh`), the devices of its axis `pairs` share the
    batch, and those of its axis `space` the first axis of a volume that they divide:
    the compiler then exchanges what convolutions and windows need of the neighbours.

    Raises:
        ConfigError: If the devices of `space` divide no axis of the volumes.
    """
    batch = _gathered(cohort, pair, num_structures, has_background=has_background)
    share = PAIRS if len(pair[0]) % _devices(PAIRS) == 0 else None
    if _devices(SPACE) == 1 and (share is None or _devices(PAIRS) == 1):
        return batch
    volume = _axis_of_space(batch.moving.shape[1:-1], _devices(SPACE))

    def divided(array: Array) -> Array:
        is_volume = array.shape[1:-1] == batch.moving.shape[1:-1]
        spec = PartitionSpec(share, *(volume if is_volume else ()))
        return jax.lax.with_sharding_constraint(array, spec)

    return jax.tree.map(divided, batch)


def check_space(shape: tuple[int, ...], count: int, shrinks: Iterable[int]) -> None:
    """Check that devices can share the volumes of all that a run is going to do.

    Args:
        shape: The working grid, voxels.
        count: Devices of the axis `space`.
        shrinks: Factors by which the volumes are smaller than the working grid.

    Raises:
        ConfigError: If the devices divide no axis of one of them.
    """
    for factor in sorted(set(shrinks)):
        _axis_of_space(shrunk_shape(shape, factor), count, shape)


def _axis_of_space(
    shape: tuple[int, ...], count: int, grid: tuple[int, ...] | None = None
) -> tuple[str | None, ...]:
    """How a volume lies on the devices that share it, an entry for each axis."""
    if count == 1:
        return ()
    axes = [axis for axis, size in enumerate(shape) if size % count == 0]
    if not axes:
        here, whole = ("×".join(map(str, sizes)) for sizes in (shape, grid or shape))
        raise ConfigError(
            f"mesh.space: {count} devices divide no axis of volumes of {here} voxels "
            f"(the working grid is {whole}); use fewer devices, or another grid, or "
            "search.shrink=1 if the volumes of the search are smaller than the grid."
        )
    return (*[None] * axes[0], SPACE)


def _devices(name: str) -> int:
    """Devices along an axis of type Auto."""
    mesh = jax.sharding.get_abstract_mesh()
    types = dict(zip(mesh.axis_names, mesh.axis_types, strict=True))
    return mesh.shape[name] if types.get(name) == AxisType.Auto else 1


def _gathered(
    cohort: DeviceCohort, pair: Any, num_structures: int, *, has_background: bool
) -> PairBatch:
    moving, fixed = pair
    batch = PairBatch(cohort.images[moving], cohort.images[fixed])
    if cohort.landmarks is not None:
        batch = batch._replace(
            moving_landmarks=cohort.landmarks[moving],
            fixed_landmarks=cohort.landmarks[fixed],
        )
    if cohort.labels is None:
        return batch
    first = 0 if has_background else 1
    classes = [
        one_hot(cohort.labels[index], num_structures + 1)[..., first:]
        for index in (moving, fixed)
    ]
    return batch._replace(moving_labels=classes[0], fixed_labels=classes[1])


gather_pair = jax.jit(gather, static_argnames=("num_structures", "has_background"))


def gather_pairs(
    cohort: DeviceCohort,
    pairs: Any,
    num_structures: int = 0,
    *,
    has_background: bool = False,
    lam: Any = None,
) -> Any:
    """The batch of one pair, or a tuple of batches if there are several pairs.

    Each has as many pairs as there are devices to share them.
    """
    moving, fixed = pairs
    size = _devices(PAIRS) if len(moving) > 1 else 1
    batches = [
        gather_pair(
            cohort,
            (moving[place : place + size], fixed[place : place + size]),
            num_structures,
            has_background=has_background,
        )._replace(lam=lam)
        for place in range(0, len(moving), size)
    ]
    return batches[0] if len(moving) == 1 else tuple(batches)
