"""Where the arrays of a run lie: on one device, or on a mesh of them."""

import logging
import math
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from autoreg_jax.errors import ConfigError

logger = logging.getLogger(__name__)

PAIRS, MEMBERS, SPACE = "pairs", "members", "space"


@dataclass(frozen=True)
class Placement:
    """The devices of a run as one mesh: axes `members`, `pairs` and `space`.

    Attributes:
        mesh: The mesh; None for the default device alone, to which nothing is bound.
    """

    mesh: Mesh | None = None

    @property
    def pairs(self) -> int:
        """Devices that share a batch."""
        return 1 if self.mesh is None else self.mesh.shape[PAIRS]

    @property
    def members(self) -> int:
        """Groups of devices."""
        return 1 if self.mesh is None else self.mesh.shape[MEMBERS]

    def everywhere(self, tree: Any) -> Any:
        """Put a copy of each array on every device."""
        return self._put(tree, PartitionSpec())

    def dealt(self, tree: Any, axis: int = 0) -> Any:
        """Divide one axis of each array, a multiple of `pairs`, over the devices."""
        return self._put(tree, PartitionSpec(*[None] * axis, PAIRS))

    def groups(self) -> "list[Placement]":
        """Each group of devices as a mesh of its own."""
        if self.mesh is None:
            return [self]
        kinds = self.mesh.axis_types
        return [
            Placement(Mesh(row[None], self.mesh.axis_names, axis_types=kinds))
            for row in self.mesh.devices
        ]

    def active(self) -> AbstractContextManager[Any]:
        """A context in which programs find the mesh, see `jax.set_mesh`."""
        return nullcontext() if self.mesh is None else jax.set_mesh(self.mesh)

    def sharding(self) -> NamedSharding | None:
        """That of a copy on every device; None without a mesh."""
        return None if self.mesh is None else NamedSharding(self.mesh, PartitionSpec())

    def _put(self, tree: Any, spec: PartitionSpec) -> Any:
        if self.mesh is None:
            return tree
        sharding = NamedSharding(self.mesh, spec)

        def put(array: Any) -> Any:
            if isinstance(array, jax.Array) and array.sharding == sharding:
                return array
            if jax.process_count() == 1:
                return jax.device_put(array, sharding)
            # Each process holds the whole array and gives its devices their parts.
            host = np.asarray(array)
            return jax.make_array_from_callback(host.shape, sharding, host.__getitem__)

        return jax.tree.map(put, tree)


ONE_DEVICE = Placement()


def placement(
    pairs: int | None,
    members: int,
    batches: Iterable[int],
    *,
    has_members: bool,
    space: int = 1,
) -> Placement:
    """The mesh of a run.

    Args:
        pairs: Devices that share a batch. None: with several processes all devices, on
            GPUs and TPUs as many as divide every batch, otherwise one.
        members: Groups of so many devices.
        batches: Numbers of pairs that are to be divided over devices.
        has_members: There is a population. Without one all groups of devices would do
            the same: one process then takes the first group alone.
        space: Devices that share each volume, see `programs.gather`.

    Raises:
        ConfigError: If there are not enough devices, if several processes leave some
            unused, or if a batch cannot be divided.
    """
    batches = list(batches)
    count = jax.device_count()
    if not has_members and jax.process_count() == 1:
        if members > 1:
            logger.info(
                "mesh.members: there is no population here, so one of the %d groups "
                "of devices does all; mesh.pairs uses more devices.",
                members,
            )
        members = 1
    room = count // (members * space)
    if pairs is None:
        pairs = 1
        if jax.process_count() > 1:
            pairs = room
        elif jax.default_backend() != "cpu":
            common = math.gcd(*batches)
            pairs = max(n for n in range(1, room + 1) if common % n == 0) if room else 1
    needed = members * pairs * space
    if needed > count:
        raise ConfigError(
            f"mesh: {members} group(s) of {pairs * space} device(s) need {needed}, "
            f"found {count}; set mesh.pairs, mesh.members and mesh.space to fewer."
        )
    if jax.process_count() > 1 and needed != count:
        raise ConfigError(
            f"mesh: {jax.process_count()} processes have {count} devices, which all "
            f"have to be used; mesh.pairs={pairs} times mesh.members={members} times "
            f"mesh.space={space} is {needed}."
        )
    uneven = [batch for batch in batches if batch % pairs]
    if uneven:
        raise ConfigError(
            f"mesh.pairs: {pairs} devices cannot share a batch of {uneven[0]} pair(s); "
            "make train.batch_size and train_pairs and valid_pairs of each stage a "
            f"multiple of {pairs}, or use fewer devices."
        )
    return _mesh(members, pairs, space, jax.devices())


def local_placement(pairs: int | None, members: int, count: int) -> Placement:
    """The devices of this process for pairs that have nothing to do with one another.

    All lie along `pairs`: as many as the mesh of the run has, on GPUs and TPUs all if
    it does not say, but no more than there are pairs.

    Args:
        pairs: As for `placement`.
        members: As for `placement`.
        count: Number of pairs.
    """
    devices = jax.local_devices()
    wanted = members * (pairs or 1)
    if pairs is None and jax.default_backend() != "cpu":
        wanted = len(devices)
    return _mesh(1, min(wanted, len(devices), count), 1, devices)


def _mesh(members: int, pairs: int, space: int, devices: Sequence[Any]) -> Placement:
    shape, names = (members, pairs, space), (MEMBERS, PAIRS, SPACE)
    if math.prod(shape) == 1:
        return ONE_DEVICE
    used = devices[: math.prod(shape)]
    kinds = (AxisType.Auto,) * len(names)
    return Placement(jax.make_mesh(shape, names, axis_types=kinds, devices=used))
