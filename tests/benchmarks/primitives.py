"""Time of every primitive next to PyTorch: `python -m tests.benchmarks.primitives`.

Each row is timed in turn with the same computation in PyTorch, both in float32 and with
all cores, medians of repeats. Needs the extra `peers`.
"""

import argparse
import functools
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from autoreg_jax.losses import local_ncc_loss, mind_descriptor
from autoreg_jax.search_space import OPERATIONS, MixedOperation, make_operation
from autoreg_jax.spatial import integrate, warp
from tests.benchmarks import _torch as peer
from tests.benchmarks._table import choose_device, print_machine, print_table
from tests.benchmarks._timing import Timed, in_turn

SMALL, LARGE = (40, 48, 56), (80, 96, 112)
CONVOLUTIONS = ((SMALL, 16, 16), (SMALL, 48, 32), (LARGE, 16, 16))


EDGE = "mixed edge 16→16 " + "×".join(map(str, SMALL))


class Case(NamedTuple):
    """One computation in both libraries.

    Attributes:
        name: What it is.
        ours: A function of `arguments`.
        arguments: JAX arrays and trees of them.
        theirs: A function of `tensors`.
        tensors: The same values in PyTorch.
        operations: Floating-point operations of the value, 0 where nobody counts them.
    """

    name: str
    ours: Callable[..., Any]
    arguments: tuple[Any, ...]
    theirs: Callable[..., Any]
    tensors: list[Any]
    operations: float = 0.0


class Row(NamedTuple):
    """What was measured of a case."""

    case: str
    what: str
    timed: Timed
    gflops: float
    megabytes: float


def measure(case: Case, device: str, seconds: float, *, gradient: bool) -> Row:
    """Time the value of a case, or its value and gradient in all arguments."""
    function = case.ours
    if gradient:
        places = tuple(range(len(case.arguments)))
        function = jax.value_and_grad(lambda *a: jnp.sum(case.ours(*a)), places)
    program = jax.jit(function).lower(*case.arguments).compile()
    timed = in_turn(
        lambda: jax.block_until_ready(program(*case.arguments)),
        peer.caller(case.theirs, case.tensors, gradient=gradient, device=device),
        seconds=seconds,
    )
    memory = program.memory_analysis()
    return Row(
        case.name,
        "gradient" if gradient else "value",
        timed,
        case.operations * (3 if gradient else 1) / timed.ours / 1e9,
        memory.temp_size_in_bytes / 1e6 if memory else math.nan,
    )


def normal(*shape: int) -> Any:
    """Random numbers of a fixed seed."""
    return jnp.asarray(np.random.default_rng(0).normal(size=shape), jnp.float32)


def smooth_displacement(shape: tuple[int, ...], size: float) -> Any:
    """A displacement of some voxels that changes slowly."""
    grid = jnp.stack(jnp.meshgrid(*map(jnp.arange, shape), indexing="ij"), -1)
    return size * jnp.sin(grid[None, ..., ::-1] / 9.0)


def operation_title(name: str, shape: Any, channels: int, features: int) -> str:
    """What a row of the table is called."""
    return f"{name} {channels}→{features} {'×'.join(map(str, shape))}"


def operation_case(name: str, shape: Any, channels: int, features: int, device: str):
    """One candidate operation of an edge."""
    module = make_operation(name, channels, features, ndim=3)
    x = normal(1, *shape, channels)
    params = jax.jit(module.init)(jax.random.key(0), x)["params"]
    names = list(params)
    tensors = [peer.on(device, x)]
    tensors += [_kernel(device, params[n]) for n in names]
    return Case(
        operation_title(name, shape, channels, features),
        lambda x, params: module.apply({"params": params}, x),
        (x, params),
        lambda x, *w: peer.operation(name, x, dict(zip(names, w, strict=True))),
        tensors,
        2.0 * math.prod(shape) * _multiplications(name, channels, features),
    )


def _kernel(device: str, array: Any) -> Any:
    if array.ndim == 2:
        array = array.reshape(1, 1, 1, *array.shape)
    return peer.on(device, array, kernel=True)


def _multiplications(name: str, channels: int, features: int) -> int:
    """Of one voxel, with depthwise and pointwise convolution one after the other."""
    kind, size = name.rsplit("_", 1)
    taps = int(size) ** 3
    if kind == "sep_conv":
        return taps * channels * channels + taps * channels + channels * features
    return taps * channels * features


def edge_case(device: str) -> Case:
    """All eight candidates of an edge and their weighted sum."""
    channels = features = 16
    module = MixedOperation(features)
    x, weights = normal(1, *SMALL, channels), jnp.full(8, 0.125)
    params = jax.jit(module.init)(jax.random.key(0), x, weights)["params"]
    places = [(name, part) for name in OPERATIONS for part in params[name]]
    tensors = [peer.on(device, x), peer.on(device, weights[None, :, None])]
    tensors += [_kernel(device, params[name][part]) for name, part in places]

    def theirs(x, weights, *arrays):
        trees = {name: {} for name in OPERATIONS}
        for (name, part), array in zip(places, arrays, strict=True):
            trees[name][part] = array
        shares = weights.reshape(-1)
        return sum(
            share * peer.operation(name, x, trees[name])
            for name, share in zip(OPERATIONS, shares, strict=True)
        )

    return Case(
        EDGE,
        lambda x, weights, params: module.apply({"params": params}, x, weights),
        (x, weights, params),
        theirs,
        tensors,
        2.0
        * math.prod(SMALL)
        * sum(_multiplications(name, channels, features) for name in OPERATIONS),
    )


def field_cases(device: str) -> Iterator[Case]:
    """Losses, warp and integration at the larger size."""
    fixed, moved = jnp.abs(normal(1, *LARGE, 1)), jnp.abs(normal(1, *LARGE, 1) + 0.1)
    pair = [peer.on(device, fixed), peer.on(device, moved)]
    size = "×".join(map(str, LARGE))
    yield Case(
        f"local NCC, window 9, {size}",
        local_ncc_loss,
        (fixed, moved),
        lambda f, m: peer.local_ncc_loss(f, m, 9),
        pair,
    )
    weights = normal(1, *LARGE, 12)
    fixed_weights = peer.on(device, weights).detach()
    yield Case(
        f"MIND, {size}",
        lambda image: weights * mind_descriptor(image),
        (fixed,),
        lambda image: fixed_weights * peer.mind(image),
        pair[:1],
    )
    grid = peer.identity(LARGE, device)
    image, u = normal(1, *LARGE, 3), smooth_displacement(LARGE, 3.0)
    yield Case(
        f"warp of 3 channels, {size}",
        warp,
        (image, u),
        lambda image, u: peer.warp(image, u, grid),
        [peer.on(device, image), peer.on(device, u)],
    )
    yield Case(
        f"integrate, 7 steps, {size}",
        integrate,
        (u,),
        lambda u: peer.integrate(u, grid),
        [peer.on(device, u)],
    )


def print_mixed_edge() -> None:
    """Mixed second derivative of an edge, and the rematerialised edge, in gradients."""
    gradient, product = _edge_programs(rematerialise=False)
    bounded, _ = _edge_programs(rematerialise=True)
    for title, program in (("mixed product", product), ("rematerialised", bounded)):
        megabytes = [
            p.memory_analysis().temp_size_in_bytes / 1e6 for _, p in (program, gradient)
        ]
        timed = in_turn(program[0], gradient[0])
        print(
            f"{title} of the edge / its gradient: time {timed.ours:.2f} / "
            f"{timed.theirs:.2f} s = {timed.ratio:.2f}, temporary memory "
            f"{megabytes[0]:.0f} / {megabytes[1]:.0f} MB",
            flush=True,
        )


def _edge_programs(*, rematerialise: bool) -> Any:
    """(call, compiled) of the gradient of an edge and of its mixed product."""
    module = MixedOperation(16, rematerialise=rematerialise)
    x, weights = normal(1, *SMALL, 16), jnp.full(8, 0.125)
    params = jax.jit(module.init)(jax.random.key(0), x, weights)["params"]

    def loss(params, weights):
        return jnp.sum(module.apply({"params": params}, x, weights) ** 2)

    gradients = jax.grad(loss, (0, 1))

    def product(params, weights):
        return jax.jvp(lambda p: gradients(p, weights), (params,), (params,))[1][1]

    programs = []
    for function in (gradients, product):
        compiled = jax.jit(function).lower(params, weights).compile()
        call = functools.partial(_call, compiled, params, weights)
        programs.append((call, compiled))
    return programs


def _call(compiled: Any, *arguments: Any) -> None:
    jax.block_until_ready(compiled(*arguments))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("--only", default="", help="rows whose name contains this")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each row")
    arguments = parser.parse_args()
    device = choose_device(arguments.device)
    print_machine()
    rows = []
    for setting, name in itertools.product(CONVOLUTIONS, OPERATIONS):
        if arguments.only in operation_title(name, *setting):
            case = operation_case(name, *setting, device)
            rows += [
                measure(case, device, arguments.seconds, gradient=g)
                for g in (False, True)
            ]
            print_table(rows[-2:], header=len(rows) == 2)
    if rows:
        ratios = [row.timed.ratio for row in rows]
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
        print(f"\ngeometric mean of the ratios: {mean:.2f}\n")
    others = [*field_cases(device)]
    if arguments.only in EDGE:
        others.insert(0, edge_case(device))
    for case in others:
        if arguments.only in case.name:
            print_table(
                [measure(case, device, arguments.seconds, gradient=True)], header=False
            )
    if arguments.only in "mixed product":
        print_mixed_edge()


if __name__ == "__main__":
    main()
