"""Members of a population, each on its own group of devices."""

import queue
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import jax

from autoreg_jax.errors import ConfigError
from autoreg_jax.runtime import Placement

_Result = TypeVar("_Result")


def side_by_side(
    function: Callable[[int, Placement], _Result], count: int, devices: Placement
) -> list[_Result]:
    """Call `function(member, devices)` for each member, as many at once as groups.

    The members may have programs of their own, unlike those of one `shard_map`; a group
    that is done takes the next. No group waits for another, and no result depends on
    the group or on the order.

    Args:
        function: Does all of the work of a member on its devices.
        count: Number of members.
        devices: Those of the run.

    Returns:
        The results in the order of the members.

    Raises:
        ConfigError: If several processes have more than one group: each would have to
            know the devices of the others.
    """
    groups = devices.groups()
    if len(groups) == 1:
        return [function(member, devices) for member in range(count)]
    if jax.process_count() > 1:
        raise ConfigError(
            f"mesh.members: {len(groups)} groups of devices of "
            f"{jax.process_count()} processes cannot train different networks at "
            "once; set mesh.members=1, or start one process."
        )
    free: queue.SimpleQueue[Placement] = queue.SimpleQueue()
    for group in groups:
        free.put(group)

    def run(member: int) -> _Result:
        group = free.get()
        try:
            return function(member, group)
        finally:
            free.put(group)

    with ThreadPoolExecutor(len(groups)) as pool:
        return list(pool.map(run, range(count)))
