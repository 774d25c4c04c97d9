"""Thick slices against cubes: the error of a known displacement, without a model.

    python -m tests.benchmarks.anisotropic

One texture and one displacement of up to 6 mm, both functions of the place in mm, on
grids of different voxels. It prints the error in mm away from the border.
"""

import time

import jax.numpy as jnp
import numpy as np

from autoreg_jax.inference import register_pair

GRIDS = (
    ((2.0, 2.0, 2.0), (32, 32, 36)),
    ((0.4, 0.4, 6.0), (160, 160, 12)),
    ((0.4, 0.4, 6.0), (160, 160, 24)),
)


def texture(x: np.ndarray) -> np.ndarray:
    """Waves of 12 to 40 mm in all directions, in [0, 1]."""
    rng = np.random.default_rng(3)
    directions = rng.standard_normal((60, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    lengths, phases = rng.uniform(12, 40, 60), rng.uniform(0, 2 * np.pi, 60)
    waves = sum(
        np.sin(x @ (2 * np.pi / length * direction) + phase)
        for direction, length, phase in zip(directions, lengths, phases, strict=True)
    )
    return np.clip(0.5 + 0.06 * waves, 0, 1).astype(np.float32)


def displacement(x: np.ndarray, extent: np.ndarray) -> np.ndarray:
    """Up to 6 mm in the middle of the image, nearly none at its border."""
    bump = 5 * np.exp(-np.sum(((x - extent / 2) / (extent / 3)) ** 2, -1))
    waves = np.sin(x[..., 1] / 18), np.cos(x[..., 0] / 15), np.cos(x[..., 1] / 20) / 2
    return bump[..., None] * np.stack(waves, -1)


def measure(spacing: tuple[float, ...], shape: tuple[int, ...]) -> str:
    """The line of a grid."""
    size = np.asarray(spacing)
    x = np.moveaxis(np.indices(shape), 0, -1) * size
    true = displacement(x, np.asarray(shape) * size)
    fixed, moving = (
        jnp.asarray(texture(place))[None, ..., None] for place in (x + true, x)
    )
    begin = time.monotonic()
    found = register_pair(
        moving, fixed, jnp.asarray(size, jnp.float32), num_iterations=100
    )
    mm = np.asarray(found.displacement[0]) * size
    inner = (slice(shape[0] // 8, -shape[0] // 8), slice(shape[1] // 8, -shape[1] // 8))
    error = np.linalg.norm(mm - true, axis=-1)[inner][..., 2:-2]
    before = np.linalg.norm(true, axis=-1)[inner][..., 2:-2]
    return (
        f"{' x '.join(map(str, spacing))} mm, {' x '.join(map(str, shape))} voxels: "
        f"{before.mean():.2f} mm before, {error.mean():.2f} after (95 %: "
        f"{np.quantile(error, 0.95):.2f}), {time.monotonic() - begin:.0f} s"
    )


if __name__ == "__main__":
    for grid in GRIDS:
        print(measure(*grid), flush=True)
