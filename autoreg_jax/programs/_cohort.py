"""The images of a split on the device, and batches of their pairs."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import AxisType, PartitionSpec

from autoreg_jax.data import Cohort
from autoreg_jax.losses import one_hot
from autoreg_jax.runtime import PAIRS
from autoreg_jax.search import PairBatch
from autoreg_jax.spatial import resize_image


class DeviceCohort(NamedTuple):
    """Images and labels of one split as device arrays.

    Attributes:
        images: `(n, *space, 1)`.
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
    shape = tuple(-(-size // factor) for size in cohort.images.shape[1:-1])
    resize = jax.jit(resize_image, static_argnums=1)
    return DeviceCohort(resize(cohort.images, shape))


def gather(
    cohort: DeviceCohort,
    pair: Any,
    num_structures: int = 0,
    *,
    has_background: bool = False,
) -> PairBatch:
    """The batch of moving and fixed indices, labels one-hot.

    The devices of the axis `pairs` share it, if there is a mesh (`jax.set_mesh`).
    """
    batch = _gathered(cohort, pair, num_structures, has_background=has_background)
    if _devices() == 1 or len(pair[0]) % _devices():
        return batch
    return jax.lax.with_sharding_constraint(batch, PartitionSpec(PAIRS))


def _devices() -> int:
    """Devices that share a batch, along an axis of type Auto."""
    mesh = jax.sharding.get_abstract_mesh()
    types = dict(zip(mesh.axis_names, mesh.axis_types, strict=True))
    return mesh.shape[PAIRS] if types.get(PAIRS) == AxisType.Auto else 1


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
    size = _devices() if len(moving) > 1 else 1
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
