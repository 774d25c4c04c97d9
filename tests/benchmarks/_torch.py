"""The same primitives in PyTorch, channels first, as its users write them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

SLOPE = 0.2


def on(device: str, array: Any, *, kernel: bool = False) -> torch.Tensor:
    """A channels-last array, or a kernel `(*k, c, f)`, as PyTorch keeps it."""
    array = np.asarray(array)
    if array.ndim == 1:
        return torch.from_numpy(array.copy()).to(device).requires_grad_()
    first = (-1, -2) if kernel else (0, -1)
    ends = [axis % array.ndim for axis in first]
    rest = [axis for axis in range(array.ndim) if axis not in ends]
    order = [*ends, *rest]
    copy = np.array(array.transpose(order), order="C")
    return torch.from_numpy(copy).to(device).requires_grad_()


def convolution(
    x: Any, kernel: Any, *, stride: int = 1, dilation: int = 1, groups: int = 1
) -> Any:
    """Zero padded, of unchanged size with stride 1."""
    padding = dilation * (kernel.shape[-1] - 1) // 2
    return F.conv3d(
        x, kernel, stride=stride, padding=padding, dilation=dilation, groups=groups
    )


def operation(name: str, x: Any, weights: dict[str, Any], stride: int = 1) -> Any:
    """One candidate of the search space with its activation."""
    if name.startswith("sep"):
        y = F.leaky_relu(convolution(x, weights["dense"]), SLOPE)
        y = convolution(y, weights["depthwise"], stride=stride, groups=y.shape[1])
        y = convolution(y, weights["pointwise"])
    elif name.startswith("dil"):
        y = convolution(x, weights["kernel"], stride=stride, dilation=2)
        y = y + weights["bias"].reshape(1, -1, 1, 1, 1)
    else:
        y = convolution(x, weights["kernel"], stride=stride)
    return F.leaky_relu(y, SLOPE)


def box(x: Any, size: int) -> Any:
    """Sum over a cube, one axis after the other."""
    for axis in range(3):
        window, padding = [1, 1, 1], [0, 0, 0]
        window[axis], padding[axis] = size, size // 2
        x = F.avg_pool3d(x, window, 1, padding, count_include_pad=True) * size
    return x


def local_ncc_loss(fixed: Any, moved: Any, window: int) -> Any:
    """Squared local correlation, the five sums as channels of one image."""
    stacked = torch.cat([fixed, moved, fixed * moved, fixed**2, moved**2], 1)
    f, m, fm, ff, mm = box(stacked, window).split(1, 1)
    voxels = window**3
    covariance = fm - f * m / voxels
    spread = (ff - f * f / voxels).clamp_min(0) * (mm - m * m / voxels).clamp_min(0)
    return -(covariance**2 / (spread + 1e-5)).mean()


def mind(image: Any) -> Any:
    """MIND-SSC with 12 pairs, radius 2, dilation 2."""
    padded = F.pad(image, (2,) * 6, mode="replicate")
    d, h, w = image.shape[2:]
    neighbours = []
    for axis in range(3):
        for step in (-2, 2):
            start = [2, 2, 2]
            start[axis] += step
            a, b, c = start
            neighbours.append((axis, padded[:, :, a : a + d, b : b + h, c : c + w]))
    pairs = [
        (one - other) ** 2
        for i, (axis, one) in enumerate(neighbours)
        for other_axis, other in neighbours[i + 1 :]
        if axis != other_axis
    ]
    squares = F.pad(torch.cat(pairs, 1), (2,) * 6, mode="replicate")
    distances = box(squares, 5)[:, :, 2:-2, 2:-2, 2:-2] / 125
    distances = distances - distances.min(1, keepdim=True).values
    variance = distances.mean(1, keepdim=True)
    mean = variance.mean().detach()
    variance = torch.minimum(torch.maximum(variance, 0.001 * mean), 1000 * mean)
    return torch.exp(-distances / variance.clamp_min(1e-8))


def identity(shape: tuple[int, ...], device: str) -> Any:
    """Voxel coordinates `(1, 3, d, h, w)`."""
    axes = [torch.arange(n, dtype=torch.float32, device=device) for n in shape]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"))[None]


def warp(image: Any, displacement: Any, grid: Any, padding: str = "zeros") -> Any:
    """Linear interpolation with zeros, or the border, outside."""
    place = grid + displacement
    sizes = torch.tensor(image.shape[2:], device=image.device).reshape(1, 3, 1, 1, 1)
    scaled = (2 * place / (sizes - 1) - 1).flip(1).movedim(1, -1)
    return F.grid_sample(image, scaled, align_corners=True, padding_mode=padding)


def integrate(velocity: Any, grid: Any, num_steps: int = 7) -> Any:
    """Scaling and squaring."""
    u = velocity / 2**num_steps
    for _ in range(num_steps):
        u = u + warp(u, u, grid)
    return u


def caller(
    function: Callable[..., Any], arguments: list[Any], *, gradient: bool, device: str
) -> Callable[[], Any]:
    """A call without arguments of the value, or of value and gradient of its sum."""

    def call() -> Any:
        if gradient:
            result = torch.autograd.grad(function(*arguments).sum(), arguments)
        else:
            with torch.no_grad():
                result = function(*arguments)
        return result

    return finished(call, device)


def finished(call: Callable[[], Any], device: str) -> Callable[[], Any]:
    """The call, which returns when the device is done."""

    def wait() -> Any:
        result = call()
        if device == "cuda":
            torch.cuda.synchronize()
        return result

    return wait
