"""The discrete registration network in PyTorch, with the weights of ours."""

from typing import Any

import torch
import torch.nn.functional as F

from autoreg_jax.search_space import Genotype
from tests.benchmarks import _torch as peer


class TorchNetwork:
    """`RegistrationNetwork` of a genotype without matching, channels first.

    Args:
        genotype: The chosen operations.
        params: Weights of our network, a nested dictionary.
        num_steps: Squarings of a velocity field.
        device: Of PyTorch.
    """

    def __init__(
        self, genotype: Genotype, params: Any, num_steps: int, device: str
    ) -> None:
        self.genotype, self.num_steps, self.device = genotype, num_steps, device
        self.weights = _converted(params, device)

    def parameters(self) -> list[Any]:
        """Every weight."""
        return list(_leaves(self.weights))

    def __call__(self, moving: Any, fixed: Any) -> tuple[Any, Any, Any]:
        """Displacements at full, half and quarter resolution, in voxels of each."""
        both = torch.cat([moving, fixed])
        axes = tuple(range(1, both.ndim))
        centred = both - both.mean(axes, keepdim=True)
        both = centred * torch.rsqrt((centred**2).mean(axes, keepdim=True) + 1e-6)
        half = self._cell("feature", 0, both)
        quarter = self._cell("feature", 1, half)

        coarse = self._cell("deformation", 1, torch.cat([*quarter.split(1)], 1))
        slow = self._head("velocity_quarter", coarse)
        u_quarter = self._integrate(slow)
        shape = half.shape[2:]
        upsampled = resize_displacement(u_quarter, shape)
        grid = peer.identity(shape, self.device)
        moved = peer.warp(half[:1], upsampled, grid, padding="border")
        stack = [moved, half[1:], upsampled, resize(coarse, shape)]
        fine = self._cell("deformation", 0, torch.cat(stack, 1))
        velocity = resize_displacement(slow, shape) + self._head("velocity_half", fine)
        u_half = self._integrate(velocity)
        return resize_displacement(u_half, moving.shape[2:]), u_half, u_quarter

    def _cell(self, kind: str, scale: int, x: Any) -> Any:
        weights = self.weights[f"{kind}_{('half', 'quarter')[scale]}"]
        for edge, name in enumerate(getattr(self.genotype, kind)[scale]):
            stride = 2 if kind == "feature" and edge == 0 else 1
            x = peer.operation(name, x, weights[f"edge_{edge}"][name], stride)
        return x

    def _head(self, name: str, x: Any) -> Any:
        weights = self.weights[name]
        bias = weights["bias"].reshape(1, -1, 1, 1, 1)
        return peer.convolution(x, weights["kernel"]) + bias

    def _integrate(self, velocity: Any) -> Any:
        grid = peer.identity(velocity.shape[2:], self.device)
        return peer.integrate(velocity, grid, self.num_steps)


def resize(x: Any, shape: Any) -> Any:
    """Linear interpolation with aligned corners."""
    return F.interpolate(x, tuple(shape), mode="trilinear", align_corners=True)


def resize_displacement(u: Any, shape: Any) -> Any:
    """The same deformation on another grid."""
    factors = [(n - 1) / (o - 1) for n, o in zip(shape, u.shape[2:], strict=True)]
    scale = torch.tensor(factors, device=u.device).reshape(1, 3, 1, 1, 1)
    return resize(u, shape) * scale


def _converted(tree: Any, device: str) -> Any:
    if isinstance(tree, dict):
        return {name: _converted(part, device) for name, part in tree.items()}
    if tree.ndim == 2:
        tree = tree.reshape(1, 1, 1, *tree.shape)
    return peer.on(device, tree, kernel=tree.ndim > 1)


def _leaves(tree: Any) -> Any:
    if not isinstance(tree, dict):
        yield tree
        return
    for part in tree.values():
        yield from _leaves(part)
