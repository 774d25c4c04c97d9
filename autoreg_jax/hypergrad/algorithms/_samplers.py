"""Where the batches of an algorithm come from."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from autoreg_jax.hypergrad._base import Batch
from autoreg_jax.hypergrad._checks import check_at_least
from autoreg_jax.hypergrad._meshes import row
from autoreg_jax.hypergrad.algorithms._algorithm import Sampler


def whole_batches(train_batch: Batch, valid_batch: Batch) -> Sampler:
    """The same two batches in every draw: a problem without noise.

    Args:
        train_batch: Data of the inner loss.
        valid_batch: Data of the outer loss.

    Returns:
        A sampler.

    Examples:
        >>> whole_batches(1, 2)(jax.random.key(0))
        (1, 2)
    """
    return lambda key: (train_batch, valid_batch)


class FiniteSum(NamedTuple):
    """Batches of a finite number of each kind, drawn uniformly and independently.

    Attributes:
        train: Batches of the inner loss, stacked: `(n, size, ...)` in every leaf.
        valid: Batches of the outer loss, `(m, size, ...)`.
    """

    train: Batch
    valid: Batch

    def __call__(self, key: Array) -> tuple[Batch, Batch]:
        """Draw one batch of each kind."""
        return self.take(*self.draw(key))

    @property
    def counts(self) -> tuple[int, int]:
        """Numbers of batches, n and m; no data are one batch."""
        leaves = (jax.tree.leaves(batch) for batch in self)
        first, second = (len(found[0]) if found else 1 for found in leaves)
        return first, second

    def draw(self, key: Array) -> tuple[Array, Array]:
        """The indices of the batches of a draw."""
        # One call of the generator, which may take longer than a step of the problem.
        # Of n batches some are more likely than others by a share of n / 2³².
        bits = jax.random.bits(key, (2,), jnp.uint32)
        first, second = (
            (bits[k] % count).astype(jnp.int32) for k, count in enumerate(self.counts)
        )
        return first, second

    def take(self, train: Array | int, valid: Array | int) -> tuple[Batch, Batch]:
        """The batches of these indices."""
        return row(self.train, train), row(self.valid, valid)


def minibatches(
    train_data: Batch, valid_data: Batch, train_size: int, valid_size: int
) -> FiniteSum:
    """Divide data into batches of a size, in their order.

    The mean of a loss over all batches is that of the whole data, so that the optimum
    stays where it is. Shuffle data that are sorted before.

    Args:
        train_data: Tree of arrays with a leading axis of examples; None for a loss
            without data.
        valid_data: The same for the outer loss.
        train_size: Examples in a batch of the inner loss; divides their number.
        valid_size: Examples in a batch of the outer loss; divides their number.

    Returns:
        A sampler of these batches.

    Raises:
        ValueError: If a size is not positive or does not divide the examples, if there
            are none, or if leaves have different numbers of them.

    Examples:
        >>> minibatches(jnp.arange(6), jnp.arange(4), 2, 4).counts
        (3, 1)
    """
    check_at_least(1, train_size=train_size, valid_size=valid_size)

    def cut(data: Batch, size: int, name: str) -> Any:
        def one(path: Any, leaf: Array) -> Array:
            leaf = jnp.asarray(leaf)
            if not leaf.ndim or not len(leaf) or len(leaf) % size:
                raise ValueError(
                    f"{name}{jax.tree_util.keystr(path)}: batches of {size} must "
                    f"divide its examples evenly, got shape {leaf.shape}. Leave the "
                    "rest out or choose another size."
                )
            return _in_rows(leaf, size)

        counts = {len(leaf) for leaf in jax.tree.leaves(data) if jnp.ndim(leaf)}
        if len(counts) > 1:
            found = ", ".join(map(str, sorted(counts)))
            raise ValueError(
                f"{name}: its leaves have {found} examples on their leading axes, and "
                "must have as many as each other."
            )
        return jax.tree_util.tree_map_with_path(one, data)

    return FiniteSum(
        cut(train_data, train_size, "train_data"),
        cut(valid_data, valid_size, "valid_data"),
    )


def _in_rows(leaf: Array, size: int) -> Array:
    """Its batches, stacked; on an explicit mesh each is divided as all data were."""
    shape = (len(leaf) // size, size, *leaf.shape[1:])
    sharding = jax.typeof(leaf).sharding
    if all(axis is None for axis in sharding.spec):
        return leaf.reshape(shape)
    spec = jax.P(None, *sharding.spec)
    return jnp.reshape(leaf, shape, out_sharding=sharding.update(spec=spec))
