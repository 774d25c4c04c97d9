"""Arrays on a mesh whose axes are explicit: there the division is part of the type."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array


def on_mesh(tree: Any) -> Any:
    """The tree on the mesh that is set, divided as before.

    An array that was made before the mesh was set is not on it, so that a loop begun
    with it would change its type. `zeros_like` of an array that a traced function
    closes over forgets how that is divided; what is returned here does not.
    """
    return jax.tree.map(lambda x: _dealt(x, jax.typeof(x).sharding.spec), tree)


def started_on_mesh(init: Callable[..., Any]) -> Callable[..., Any]:
    """The same function of ω and a, which are put on the mesh that is set."""

    @wraps(init)
    def placed(inner: Any, outer: Any) -> Any:
        return init(*on_mesh((inner, outer)))

    return placed


def undivided(tree: Any) -> Any:
    """Whole arrays on every device, as solvers of dense systems want them."""
    return jax.tree.map(lambda x: _dealt(x, ()), tree)


def divided_like(tree: Any, other: Any) -> Any:
    """The tree, each leaf divided as that of another one."""
    return jax.tree.map(
        lambda x, y: _dealt(x, jax.typeof(y).sharding.spec), tree, other
    )


def _dealt(x: Any, spec: Any) -> Any:
    if not jax.sharding.get_abstract_mesh().explicit_axes:
        return x
    return jax.sharding.reshard(jnp.asarray(x), jax.P(*spec))


def row(table: Any, index: Array | int) -> Any:
    """Entry of the leading axis of every leaf.

    Without the gather of x[index], which would have to be told how the other axes are
    divided.
    """
    return jax.tree.map(
        lambda x: jax.lax.dynamic_index_in_dim(x, index, keepdims=False), table
    )


def with_row(table: Any, index: Array | int, new: Any) -> Any:
    """The table with another entry of the leading axis; without a scatter."""
    return jax.tree.map(
        lambda t, x: jax.lax.dynamic_update_index_in_dim(t, x, index, 0), table, new
    )
