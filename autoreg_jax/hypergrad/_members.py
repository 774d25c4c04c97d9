"""Members of a population, divided over devices where there are several."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
from jax.sharding import AxisType, PartitionSpec

AXIS = "members"


def map_members(function: Callable[[Any], Any], members: Any) -> Any:
    """`jax.lax.map`, but each device of the axis `members` maps its own part.

    The mesh is the one of `jax.set_mesh`; the axis has to be one of type Auto. No
    device waits for another. Without that axis, or if its devices do not divide the
    members evenly, this is `jax.lax.map`.

    Args:
        function: Of one member.
        members: Tree of arrays with a leading axis of all members.

    Returns:
        What the function returns, stacked along the leading axis.
    """
    mesh = jax.sharding.get_abstract_mesh()
    types = dict(zip(mesh.axis_names, mesh.axis_types, strict=True))
    count = len(jax.tree.leaves(members)[0])
    if types.get(AXIS) != AxisType.Auto or count % mesh.shape[AXIS]:
        return jax.lax.map(function, members)
    each = jax.shard_map(
        partial(jax.lax.map, function),
        in_specs=PartitionSpec(AXIS),
        out_specs=PartitionSpec(AXIS),
        axis_names={AXIS},
        check_vma=False,
    )
    return each(members)
