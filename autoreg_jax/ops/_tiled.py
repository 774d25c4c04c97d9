"""Convolutions of volumes by the short algorithms of `_winograd`, first axis."""

from functools import partial
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array, lax

from autoreg_jax.ops._form import Padding
from autoreg_jax.ops._planes import convolve_planes, sum_of_images, transposed_product
from autoreg_jax.ops._winograd import Tile, combine
from autoreg_jax.ops._xla import kernel_shape, pad


class _Blocks(NamedTuple):
    """`length` outputs as blocks of a tile, each in one phase of the dilation."""

    tile: Tile
    taps: int
    length: int
    phases: int

    @property
    def per_phase(self) -> int:
        """Blocks of one phase."""
        return -(-self.length // (self.tile.outputs * self.phases))

    @property
    def outputs(self) -> int:
        """Outputs of all blocks, `length` and some more."""
        return self.per_phase * self.tile.outputs * self.phases

    def split(self, x: Array, parts: int) -> list[Array]:
        """First, second, ... of `parts` planes of all blocks: `(planes, h, w, c)`."""
        step = self.tile.outputs
        x = x.reshape(x.shape[0], -1, self.phases, *x.shape[2:])
        last = (self.per_phase - 1) * step + 1
        return [
            x[:, part : part + last : step].reshape(-1, *x.shape[3:])
            for part in range(parts)
        ]

    def join(self, parts: list[Array], batch: int) -> Array:
        """Undo `split` for as many parts as a block has outputs, and cut to length."""
        shape = parts[0].shape[1:]
        split = [
            p.reshape(batch, self.per_phase, 1, self.phases, *shape) for p in parts
        ]
        return jnp.concatenate(split, 2).reshape(batch, -1, *shape)[:, : self.length]

    def images(self, x: Array, padding: Padding) -> list[Array]:
        """Bᵀ x of every block."""
        low, _ = padding[0]
        high = self.outputs + self.phases * (self.taps - 1) - x.shape[1] - low
        parts = self.split(pad(x, ((low, high), *padding[1:])), self.tile.products)
        return [combine(row, parts) for row in self.tile.of_image]


def tiled_convolve(
    x: Array, kernel: Array, tile: Tile, *, dilation: int, padding: Padding
) -> Array:
    """One 2-D convolution for each product of the tile."""
    taps = kernel.shape[0]
    length = x.shape[1] + sum(padding[0]) - dilation * (taps - 1)
    blocks = _Blocks(tile, taps, length, dilation)
    images = blocks.images(x, (padding[0], (0, 0), (0, 0)))
    kernels = [combine(row, list(kernel)) for row in tile.of_kernel]
    products = [
        convolve_planes(image, plane, dilation=dilation, padding=padding[1:])
        for image, plane in zip(images, kernels, strict=True)
    ]
    outputs = [combine(row, products) for row in tile.of_output]
    return blocks.join(outputs, x.shape[0])


def tiled_kernel_gradient(
    x: Array, cotangent: Array, tile: Tile, *, dilation: int, padding: Padding
) -> Array:
    """One sum of 2-D kernel gradients for each product of the tile."""
    shape = kernel_shape(x, cotangent, dilation=dilation, padding=padding)
    blocks = _Blocks(tile, shape[0], cotangent.shape[1], dilation)
    images = blocks.images(x, padding)
    more = blocks.outputs - cotangent.shape[1]
    parts = blocks.split(
        pad(cotangent, ((0, more), (0, 0), (0, 0))), blocks.tile.outputs
    )
    cotangents = [combine(row, parts) for row in tile.of_output.T]
    product = partial(_plane_product, shape=shape[1:], dilation=dilation)

    rows, columns, channels, features = *shape[1:], x.shape[-1], cotangent.shape[-1]

    def of_image(images: list[Array], cotangents: list[Array]) -> tuple[Array, ...]:
        def add_planes(plane: Array, totals: tuple[Array, ...]) -> tuple[Array, ...]:
            def at(planes: Array) -> Array:
                return lax.dynamic_index_in_dim(planes, plane, 0, keepdims=False)

            return tuple(
                total + product(at(image), at(weights))
                for total, image, weights in zip(
                    totals, images, cotangents, strict=True
                )
            )

        zero = lax.full_like(images[0], 0, shape=(columns * channels, rows * features))
        start = (zero,) * tile.products
        return lax.fori_loop(0, images[0].shape[0], add_planes, start)

    def by_image(planes: list[Array]) -> list[Array]:
        return [p.reshape(x.shape[0], -1, *p.shape[1:]) for p in planes]

    totals = sum_of_images(of_image, by_image(images), by_image(cotangents))
    kernel = jnp.stack([combine(row, totals) for row in tile.of_kernel.T])
    kernel = kernel.reshape(-1, columns, channels, rows, features)
    return jnp.moveaxis(kernel, 3, 1)


def _plane_product(
    image: Array, cotangent: Array, *, shape: tuple[int, ...], dilation: int
) -> Array:
    """2-D kernel gradient `(columns·c, rows·f)`.

    The columns of the kernel widen the image, its rows the cotangent: two narrow
    matrices instead of one with rows·columns·c columns.
    """
    (rows, columns), width = shape, cotangent.shape[1]
    height, reach = image.shape[0], (rows - 1) * dilation
    shifted = [image[:, j * dilation : j * dilation + width] for j in range(columns)]
    around = jnp.pad(cotangent, ((reach, reach), (0, 0), (0, 0)))
    lowered = [around[reach - i * dilation :][:height] for i in range(rows)]
    return transposed_product(
        jnp.concatenate(shifted, -1).reshape(height * width, -1),
        jnp.concatenate(lowered, -1).reshape(height * width, -1),
    )
