"""Label maps on the device and in the world."""

import jax.numpy as jnp
import numpy as np

from autoreg_jax.geometry import Grid
from autoreg_jax.inference import warp_labels
from autoreg_jax.transforms import Transform


def test_labels_agree_with_the_device_inside():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, (6, 7, 8)).astype(np.int32)
    u = rng.uniform(-3, 3, (6, 7, 8, 3)).astype(np.float32)
    grid = Grid(labels.shape, np.eye(4))
    found = Transform.displacement(u, grid).apply(labels, grid, grid, "label")
    on_device = warp_labels(jnp.asarray(labels)[None], jnp.asarray(u)[None], 4)[0]
    # The device fades to background within a voxel outside, ITK has a step.
    where = grid.points() + u
    inside = np.all((where >= 0) & (where <= np.array(grid.shape) - 1), -1)
    assert inside.mean() > 0.2
    agree = found[inside] == np.asarray(on_device)[inside]
    assert agree.mean() > 0.99  # equal shares may be decided by rounding
