"""A batch that is divided over devices stays where it is: no image moves.

Run as a program this file computes on eight devices.
"""

import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType
from unoptimised import quick
from weights import initial_weights

from autoreg_jax.losses import diffusion_loss, local_ncc_loss, mind_loss
from autoreg_jax.networks import RegistrationNetwork, Structure
from autoreg_jax.ops import convolution
from autoreg_jax.search_space import Genotype
from autoreg_jax.spatial import integrate, resize_image, warp

DEVICES = 8
# The volumes of one batch are large enough for Winograd's algorithm, see `_lowering`.
VOLUME, PLANE = (10, 8, 7), (9, 8)
MOVES = re.compile(r" (all-gather|all-to-all|collective-permute)[a-z-]*\(.*")


def arrays(space):
    """A batch of images, fields and features, and kernels for all."""
    rng = np.random.default_rng(0)
    ndim = len(space)

    def draw(*shape):
        return jnp.asarray(rng.uniform(size=shape), jnp.float32)

    batch = {
        "fixed": draw(DEVICES, *space, 1),
        "moving": draw(DEVICES, *space, 1),
        "velocity": 2 * draw(DEVICES, *space, ndim) - 1,
        "features": draw(DEVICES, *space, 12),
    }
    taps = (3,) * ndim
    kernels = {
        "wide": draw(*taps, 12, 12),
        "narrow": draw(*taps, 12, 2),
        "point": draw(*(1,) * ndim, 12, 3),
        "each": draw(*taps, 1, 12),
    }
    return batch, kernels


def everything(batch, kernels):
    """Each primitive of a search or a training, and the gradients in all arguments."""

    def total(batch, kernels):
        fixed, moving, x = batch["fixed"], batch["moving"], batch["features"]
        displacement = integrate(batch["velocity"], 2)
        half = [(n + 1) // 2 for n in fixed.shape[1:-1]]
        moved = warp(moving, displacement)
        found = {
            "smooth": diffusion_loss(displacement),
            "edge": jnp.mean(warp(x, displacement, boundary="edge") ** 2),
            "ncc": local_ncc_loss(fixed, moved, 5),
            "mind": mind_loss(fixed, moved),
            "half": jnp.mean(resize_image(moving, half) ** 3),
            "wide": jnp.mean(convolution(x, kernels["wide"]) ** 2),
            "stride": jnp.mean(convolution(x, kernels["wide"], stride=2) ** 2),
            "narrow": jnp.mean(convolution(x, kernels["narrow"], dilation=2) ** 2),
            "point": jnp.mean(convolution(x, kernels["point"]) ** 2),
            "each": jnp.mean(convolution(x, kernels["each"], groups=12) ** 2),
        }
        return sum(found.values()), found

    gradients, found = jax.grad(total, (0, 1), has_aux=True)(batch, kernels)
    return found, gradients


def near(found, wanted):
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def on_mesh(kind, space):
    """The lowered program and its arguments, the batch dealt out to all devices."""
    mesh = jax.make_mesh((DEVICES,), ("pairs",), axis_types=(kind,))
    batch, kernels = arrays(space)
    with jax.set_mesh(mesh):
        dealt = jax.device_put(batch, jax.NamedSharding(mesh, jax.P("pairs")))
        given = dealt, jax.device_put(kernels, jax.NamedSharding(mesh, jax.P()))
        return quick(everything).lower(*given), given


def nothing_moves(lowered):
    program = lowered.compile()
    text = program.as_text()
    assert "all-reduce" in text  # of the gradients of the kernels
    assert not MOVES.findall(text)
    return program


def check_automatic_axes():
    nothing_moves(on_mesh(AxisType.Auto, VOLUME)[0])


def check_explicit_axes():
    on_mesh(AxisType.Explicit, VOLUME)
    lowered, given = on_mesh(AxisType.Explicit, PLANE)
    near(nothing_moves(lowered)(*given), quick(everything)(*arrays(PLANE)))


def check_manual_axes():
    """A gradient through `shard_map` sums that of the kernels over the devices."""
    mesh = jax.make_mesh((DEVICES,), ("pairs",), axis_types=(AxisType.Auto,))
    batch, kernels = arrays(VOLUME)
    x, kernel = batch["features"], kernels["wide"]

    def loss(op, x, kernel):
        return jnp.mean(op(x, kernel) ** 2)

    apart = jax.shard_map(
        partial(convolution, stride=2),
        mesh=mesh,
        in_specs=(jax.P("pairs"), jax.P()),
        out_specs=jax.P("pairs"),
    )
    found, wanted = (
        quick(jax.grad(partial(loss, op), (0, 1)))(x, kernel)
        for op in (apart, partial(convolution, stride=2))
    )
    near(found, wanted)


def check_scales_that_are_left_out():
    """The zeros in their place are divided as the features are; nothing is compiled."""
    structure = Structure(scales=4, encoder="pooled", has_normalised_features=True)
    genotype = Genotype.uniform("conv_1", structure.cells)
    network = RegistrationNetwork(genotype, 0.1, 1, (1,), structure=structure)
    mesh = jax.make_mesh((DEVICES,), ("pairs",), axis_types=(AxisType.Explicit,))
    image = jnp.zeros((DEVICES, 16, 17, 1))
    params = initial_weights(network, 2, (0,))
    with jax.set_mesh(mesh):
        dealt = jax.device_put(image, jax.NamedSharding(mesh, jax.P("pairs")))
        whole = jax.device_put(params, jax.NamedSharding(mesh, jax.P()))
        out = jax.eval_shape(network.apply, {"params": whole}, dealt, dealt)
    assert out.displacements.full.sharding.spec[0] == "pairs"


CHECKS = (
    check_automatic_axes,
    check_explicit_axes,
    check_manual_axes,
    check_scales_that_are_left_out,
)


@pytest.mark.slow
def test_on_eight_devices():
    flags = f"--xla_force_host_platform_device_count={DEVICES}"
    environment = os.environ | {
        "XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} {flags}",
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    done = subprocess.run(
        [sys.executable, __file__],
        capture_output=True,
        text=True,
        env=environment,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr


if __name__ == "__main__":
    for check in CHECKS:
        check()
