"""Linear interpolation onto more or fewer voxels along one axis."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from autoreg_jax.ops._axis import along_axis


def resize_axis(x: Float[Array, "..."], axis: int, size: int) -> Float[Array, "..."]:
    """Interpolate linearly along one axis, first and last voxels aligned.

    Voxel j of `size` reads the old axis of n voxels at j (n - 1)/(size - 1). The
    pullback gathers where that of an indexed array scatters, which takes a CPU seven
    times as long.

    Args:
        x: Any array.
        axis: The axis, from 0.
        size: Its new number of voxels.

    Returns:
        `x` with `size` voxels along the axis.

    Examples:
        >>> import jax.numpy as jnp
        >>> resize_axis(jnp.array([0.0, 4.0]), 0, 5)
        Array([0., 1., 2., 3., 4.], dtype=float32)
    """
    if x.shape[axis] == size:
        return x
    return along_axis(x, axis, _Interpolation(x.shape[axis], size))


@dataclass(frozen=True)
class _Interpolation:
    """From `old` to `new` voxels, or the transpose of that."""

    old: int
    new: int
    is_transposed: bool = False

    def __call__(self, x: Array, axis: int) -> Array:
        indices, weights = self._taps()
        along = [1] * x.ndim
        along[axis] = self.new
        if not self.is_transposed:
            below, above = (jnp.take(x, index, axis=axis) for index in indices.T)
            share = jnp.asarray(weights[:, 1].reshape(along), x.dtype)
            return (1 - share) * below + share * above
        # The voxels that read an old one, as many as the most-read has.
        reads = np.zeros((self.new, self.old))
        np.add.at(reads, (np.arange(self.new)[:, None], indices), weights)
        readers = np.argsort(reads.T == 0, axis=1, kind="stable")
        readers = readers[:, : np.count_nonzero(reads, axis=0).max()]
        along[axis : axis + 1] = readers.shape
        shares = np.take_along_axis(reads.T, readers, 1).reshape(along)
        values = jnp.take(x, jnp.asarray(readers), axis=axis)
        return jnp.sum(jnp.asarray(shares, x.dtype) * values, axis + 1)

    def length(self, size: int) -> int:
        del size
        return self.old if self.is_transposed else self.new

    def transposed(self) -> "_Interpolation":
        return _Interpolation(self.old, self.new, not self.is_transposed)

    def _taps(self) -> tuple[np.ndarray, np.ndarray]:
        """The two old voxels that each new one reads, and their weights."""
        place = np.arange(self.new) * ((self.old - 1) / max(self.new - 1, 1))
        lower = np.clip(np.floor(place), 0, max(self.old - 2, 0)).astype(np.int32)
        indices = np.stack([lower, np.minimum(lower + 1, self.old - 1)], 1)
        share = place - lower
        return indices, np.stack([1 - share, share], 1)
