"""Whole networks next to PyTorch: `python -m tests.benchmarks.network`.

The discrete network of a genotype of separable and dilated operations without matching,
with the same weights in both libraries; its forward pass and a training step; the
forward pass of VoxelMorph's default network, where its package is installed; and, for
ourselves, an iteration of the search. Needs the extra `peers`.
"""

import argparse
import resource
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch

from autoreg_jax.bilevel import PairBatch
from autoreg_jax.config import load
from autoreg_jax.geometry import Volume
from autoreg_jax.inference import ModelDescription, RegistrationModel, register
from autoreg_jax.losses import PAPER_WEIGHTS, registration_loss
from autoreg_jax.networks import RegistrationNetwork
from autoreg_jax.programs import Programs, initial_vector, schedule
from autoreg_jax.search_space import ArchitectureLogits
from tests.benchmarks import _torch as peer
from tests.benchmarks._genotype import GENOTYPE
from tests.benchmarks._table import choose_device, print_machine
from tests.benchmarks._timing import in_turn
from tests.benchmarks._torch_network import TorchNetwork, resize
from tests.weights import initial_weights

PARTS = ("register", "search", "forward", "training")


def _setting(shape: tuple[int, ...], width: float) -> tuple:
    """Network, its weights and two images."""
    network = RegistrationNetwork(GENOTYPE, width)
    params = initial_weights(network, 3, (0,))
    rng = np.random.default_rng(0)
    coarse = jnp.asarray(rng.random((2, *(n // 8 for n in shape), 1)), jnp.float32)
    images = jax.image.resize(coarse, (2, *shape, 1), "linear")
    return network, params, images[:1], images[1:]


def forward(shape: tuple[int, ...], width: float, device: str) -> None:
    """Both networks on one pair: time, memory and how much they differ."""
    network, params, moving, fixed = _setting(shape, width)
    size = sum(leaf.size for leaf in jax.tree.leaves(params))
    program = jax.jit(lambda p, m, f: network.apply({"params": p}, m, f).displacements)
    compiled = program.lower(params, moving, fixed).compile()
    other = TorchNetwork(GENOTYPE, params, network.num_steps, device)
    pair = [peer.on(device, image).detach() for image in (moving, fixed)]

    def theirs():
        with torch.no_grad():
            return other(*pair)

    wanted = theirs()[0].movedim(1, -1).cpu().numpy()
    found = np.asarray(compiled(params, moving, fixed).full)

    def ours():
        return jax.block_until_ready(compiled(params, moving, fixed))

    timed = in_turn(ours, peer.finished(theirs, device))
    memory = compiled.memory_analysis().temp_size_in_bytes / 2**30
    print(
        f"forward, {size / 1e6:.2f} M parameters, {'×'.join(map(str, shape))}: "
        f"{timed.ours:.3g} s, PyTorch {timed.theirs:.3g} s, ratio {timed.ratio:.2f}; "
        f"temporary {memory:.2f} GiB; largest difference "
        f"{np.abs(found - wanted).max():.1e} of {np.abs(wanted).max():.1e} voxels; "
        f"{1e9 * timed.ours / np.prod(shape):.0f} ns a voxel",
        flush=True,
    )
    rival = voxelmorph(device)
    if rival is None:
        print("VoxelMorph: the package `voxelmorph` is not installed.")
        return
    if any(n % 32 for n in shape):
        print("VoxelMorph: its network needs sizes that 32 divides.")
        return
    timed = in_turn(ours, peer.finished(lambda: rival(*pair), device))
    print(
        f"forward of VoxelMorph's default network: {timed.theirs:.3g} s, ours "
        f"{timed.ours:.3g} s, ratio {timed.ratio:.2f}",
        flush=True,
    )


def voxelmorph(device: str) -> Callable[..., Any] | None:
    """The forward pass of VoxelMorph's default network, if it can be imported."""
    try:
        from voxelmorph.nn.models import VxmPairwise
    except ImportError:
        return None
    network = VxmPairwise(ndim=3, source_channels=1, target_channels=1).to(device)

    def predict(moving, fixed):
        with torch.no_grad():
            return network(moving, fixed)

    return predict


def training_step(shape: tuple[int, ...], width: float, device: str) -> None:
    """Loss of Eq. (4) and its gradient in all weights."""
    network, params, moving, fixed = _setting(shape, width)
    lam = dict(PAPER_WEIGHTS)

    def loss(params):
        out = network.apply({"params": params}, moving, fixed)
        return registration_loss(fixed, moving, out.displacements, lam)[0]

    compiled = jax.jit(jax.value_and_grad(loss)).lower(params).compile()
    other = TorchNetwork(GENOTYPE, params, network.num_steps, device)
    pair = [peer.on(device, image).detach() for image in (moving, fixed)]

    def torch_loss():
        fields = other(*pair)
        total = 15.0 * sum((fields[0].diff(dim=axis) ** 2).mean() for axis in (2, 3, 4))
        for u, window, weight in zip(fields, (9, 7, 5), (10.0, 3.2, 0.8), strict=True):
            moving_here, fixed_here = (resize(image, u.shape[2:]) for image in pair)
            moved = peer.warp(moving_here, u, peer.identity(u.shape[2:], device))
            total = total + weight * peer.local_ncc_loss(fixed_here, moved, window)
        return total

    timed = in_turn(
        lambda: jax.block_until_ready(compiled(params)),
        peer.finished(
            lambda: torch.autograd.grad(torch_loss(), other.parameters()), device
        ),
    )
    memory = compiled.memory_analysis().temp_size_in_bytes / 2**30
    print(
        f"training step, {'×'.join(map(str, shape))}: {timed.ours:.3g} s, "
        f"PyTorch {timed.theirs:.3g} s, ratio {timed.ratio:.2f}; "
        f"temporary {memory:.2f} GiB",
        flush=True,
    )


def register_call(shape: tuple[int, ...], width: float) -> None:
    """A whole `register` between two volumes in memory, first and later calls."""
    network, params, moving, fixed = _setting(shape, width)
    description = ModelDescription(
        genotype=GENOTYPE,
        width=width,
        num_steps=network.num_steps,
        matching=None,
        orientation="RAS",
        spacing=(1.0,) * 3,
        lam=dict.fromkeys(("full", "smooth", "half", "quarter"), 1.0),
        similarity="ncc",
        windows=(9, 7, 5),
    )
    model = RegistrationModel(description, params)
    pair = [
        Volume(np.asarray(image[0, ..., 0]), np.eye(4)) for image in (fixed, moving)
    ]
    times = []
    for _ in range(3):
        begin = time.perf_counter()
        register(*pair, model=model)
        times.append(time.perf_counter() - begin)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"register, {'×'.join(map(str, shape))}: {times[0]:.1f} s the first time "
        f"(compilation included), then {min(times[1:]):.1f} s; peak memory of "
        f"the process {peak:.1f} GiB",
        flush=True,
    )


def search_step() -> None:
    """Seconds to compile and to run an iteration of the search of the demo."""
    config = load("demo")
    shape = (24, 28, 24)
    programs, stage = Programs(config, 3), schedule(config)[0][0]
    algorithm, alpha = programs.search(stage), ArchitectureLogits.zeros()
    layout = programs.layout(programs.mixed)
    state = algorithm.init(initial_vector(programs.mixed, 3, layout, (0,)), alpha)
    owned = stage.owned(alpha)
    rng = np.random.default_rng(0)
    images = jnp.asarray(rng.random((2, *shape, 1)), jnp.float32)
    batch = PairBatch(images[:1], images[1:])

    def iteration():
        moved, _ = algorithm.outer_step(state, batch, batch, owned)
        return jax.block_until_ready(algorithm.inner_step(moved, batch))

    times = []
    for _ in range(4):
        begin = time.perf_counter()
        iteration()
        times.append(time.perf_counter() - begin)
    print(
        f"search iteration of the demo, {'×'.join(map(str, shape))}, "
        f"{config.search.hypergradient.name}: {times[0]:.0f} s with compilation, "
        f"then {min(times[1:]):.2f} s"
    )


def main() -> None:
    """Print one line a measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("--shape", type=int, nargs=3, default=(160, 192, 224))
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--only", choices=PARTS, nargs="+", default=PARTS)
    arguments = parser.parse_args()
    device = choose_device(arguments.device)
    print_machine()
    shape, only = tuple(arguments.shape), arguments.only
    # First, so that the peak memory is its own.
    if "register" in only:
        register_call(shape, arguments.width)
    if "search" in only:
        search_step()
    if "forward" in only:
        for part in (4, 2, 1):
            forward(tuple(n // part for n in shape), arguments.width, device)
    if "training" in only:
        for part in (4,) if device == "cpu" else (4, 2):
            training_step(tuple(n // part for n in shape), arguments.width, device)


if __name__ == "__main__":
    main()
