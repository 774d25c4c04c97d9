"""The sizes of a convolution, which no one of its arrays tells alone."""

from typing import NamedTuple

Padding = tuple[tuple[int, int], ...]


class Form(NamedTuple):
    """How image `(b, *space, c)`, kernel `(*taps, c, f)` and output `(b, *out, f)` fit.

    `output[o] = Σ_t image[stride·o + dilation·t − low] · kernel[t]`.

    Attributes:
        space: Voxels of the image on each axis.
        taps: Of the kernel on each axis.
        stride: Step between outputs.
        dilation: Distance between taps.
        padding: Zeros `(low, high)` around the image on each axis; less than 0 crops.
    """

    space: tuple[int, ...]
    taps: tuple[int, ...]
    stride: int
    dilation: int
    padding: Padding

    @property
    def out(self) -> tuple[int, ...]:
        """Voxels of the output on each axis."""
        return tuple(
            (n + low + high - self.dilation * (taps - 1) - 1) // self.stride + 1
            for n, taps, (low, high) in zip(
                self.space, self.taps, self.padding, strict=True
            )
        )

    @property
    def is_product(self) -> bool:
        """Whether it is a matrix product of channels, voxel by voxel."""
        is_plain = self.stride == 1 and not any(map(any, self.padding))
        return is_plain and set(self.taps) == {1}

    @property
    def back(self) -> Padding:
        """Padding of an output, `stride - 1` zeros put between its voxels.

        With it the flipped kernel gives the gradient of the image.
        """
        return tuple(
            (
                self.dilation * (taps - 1) - low,
                n + low - self.stride * (out - 1) - 1,
            )
            for n, taps, out, (low, _) in zip(
                self.space, self.taps, self.out, self.padding, strict=True
            )
        )

    @property
    def read(self) -> Padding:
        """Padding with which an image has the voxels that are read, and no others."""
        return tuple(
            (low, self.dilation * (taps - 1) + self.stride * (out - 1) + 1 - n - low)
            for n, taps, out, (low, _) in zip(
                self.space, self.taps, self.out, self.padding, strict=True
            )
        )
