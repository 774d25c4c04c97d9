"""What an estimate costs: `python -m tests.benchmarks.hypergradients`.

The floating-point operations of every estimator in multiples of one gradient of ω,
counted in the compiled program (see `_flops`), next to what its formula says with the
costs of the pieces, which are counted in the same way. Time and memory are those of the
same program.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from autoreg_jax import hypergrad as hg
from autoreg_jax.losses import diffusion_loss
from autoreg_jax.spatial import warp
from tests.benchmarks._flops import count_flops
from tests.benchmarks._table import print_machine

SIZE, WIDTH = 20, 4
RATE = 0.05
# Rows that deviate by more are marked.
TOLERANCE = 0.3
# Kernel sizes of the candidates of an edge.
CANDIDATES = (1, 3, 5)
EDGES = (2, WIDTH)


class Cost(NamedTuple):
    """What a program takes.

    Attributes:
        flops: Floating-point operations.
        seconds: Median time of a call.
        megabytes: Temporary memory.
    """

    flops: float
    seconds: float
    megabytes: float


class Case(NamedTuple):
    """An estimator and the number of times that it needs each piece (see `pieces`)."""

    name: str
    estimator: hg.HypergradientEstimator
    formula: Mapping[str, float]


def network_loss(omega: Any, alpha: Any, batch: Any) -> Any:
    """A small registration: two mixed edges, a head, a warp, similarity, smoothness.

    Squared differences in place of correlations, which double the time to compile.
    """
    moving, fixed = batch
    x = jnp.concatenate([moving, fixed], -1)
    for kernels, logits in zip(omega["edges"], alpha, strict=True):
        weights = jax.nn.softmax(logits)
        responses = [
            jax.nn.leaky_relu(_convolution(x, kernel), 0.2) for kernel in kernels
        ]
        x = sum(w * r for w, r in zip(weights, responses, strict=True))
    displacement = _convolution(x, omega["head"])
    moved = warp(moving, displacement, boundary="edge")
    return jnp.mean((moved - fixed) ** 2) + 0.1 * diffusion_loss(displacement)


def _convolution(x: Any, kernel: Any) -> Any:
    dimensions = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(
        x, kernel, (1, 1), "SAME", dimension_numbers=dimensions
    )


def setting() -> tuple[hg.BilevelProblem, tuple[Any, ...]]:
    """The problem and (ω, α, training batch, validation batch)."""
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> Any:
        scale = 1 / np.sqrt(np.prod(shape[:-1]))
        return jnp.asarray(scale * rng.normal(size=shape), jnp.float32)

    omega = {
        "edges": [[normal(k, k, n, WIDTH) for k in CANDIDATES] for n in EDGES],
        "head": normal(3, 3, WIDTH, 2),
    }
    alpha = jnp.asarray(0.1 * rng.normal(size=(2, len(CANDIDATES))), jnp.float32)
    images = jnp.asarray(rng.random((4, 1, SIZE, SIZE, 1)), jnp.float32)
    problem = hg.BilevelProblem(network_loss, network_loss)
    return problem, (omega, alpha, tuple(images[:2]), tuple(images[2:]))


def pieces(problem: hg.BilevelProblem, point: tuple[Any, ...]) -> dict[str, float]:
    """Operations of what the estimators are composed of.

    V, G, A: L_t, its gradient in ω, in α. O: L_v and both of its gradients. H, M, B:
    the products with ∂²_ωω L_t, with ∂²_αω L_t, and both out of one program. h, t: a
    tangent of the gradient in ω where that gradient is computed anyhow, along ω and
    along (ω, α); b: one of both gradients along ω.
    """
    omega, alpha, train, valid = point
    loss = problem.inner_loss

    def gradient(o: Any, a: Any) -> Any:
        return jax.grad(loss)(o, a, train)

    def gradients(o: Any, a: Any) -> Any:
        return jax.grad(loss, (0, 1))(o, a, train)

    def products(o: Any, a: Any, u: Any) -> hg.SecondOrderProducts:
        return hg.forward_over_reverse(loss, o, a, train, u, u)

    def outer(o: Any, a: Any) -> Any:
        return jax.value_and_grad(problem.outer_loss, (0, 1))(o, a, valid)

    def along(function: Callable[..., Any], o: Any, a: Any, u: Any) -> Any:
        return jax.jvp(lambda w: function(w, a), (o,), (u,))

    def along_both(o: Any, a: Any, u: Any, e: Any) -> Any:
        return jax.jvp(gradient, (o, a), (u, e))

    both, more = (omega, alpha), (omega, alpha, omega)
    count = {
        "V": flops(lambda o, a: loss(o, a, train), *both),
        "G": flops(gradient, *both),
        "A": flops(lambda o, a: gradients(o, a)[1], *both),
        "O": flops(outer, *both),
        "H": flops(lambda o, a, u: products(o, a, u).hessian, *more),
        "M": flops(lambda o, a, u: products(o, a, u).mixed, *more),
        "B": flops(lambda o, a, u: products(o, a, u)[:2], *more),
        "h": flops(lambda *args: along(gradient, *args), *more),
        "b": flops(lambda *args: along(gradients, *args), *more),
        "t": flops(along_both, *both, *both),
    }
    for tangent, owner in (("h", gradient), ("t", gradient), ("b", gradients)):
        count[tangent] -= flops(owner, *both)
    return count


def cases(omega: Any, alpha: Any) -> list[Case]:
    """Every estimator of the door; K = 3 wherever there is a number of steps."""
    p, d = (sum(x.size for x in jax.tree.leaves(tree)) for tree in (omega, alpha))
    k, pairs = 3, 2
    solved = {"O": 1, "H": k, "M": 1}
    sampled = {"G": 2 * pairs * k, "V": 2 * pairs}
    return [
        Case("first_order", hg.first_order(), {"O": 1}),
        Case("one_step_unroll", hg.one_step_unroll(), {"G": 1, "O": 1, "M": 1}),
        Case("finite_difference", hg.finite_difference(), {"G": 1, "O": 1, "A": 2}),
        Case("t1t2", hg.t1t2(RATE), {"O": 1, "M": 1}),
        Case(f"neumann({k})", hg.neumann(k, RATE), solved),
        Case(f"conjugate_gradient({k})", hg.conjugate_gradient(k), solved),
        Case(
            f"warm_started_linear_system({k})",
            hg.warm_started_linear_system(k, RATE),
            solved,
        ),
        Case(f"nystrom({k})", hg.nystrom(k, 0.1), solved),
        Case(
            "full_hessian", hg.full_hessian(1.0), {"O": 1, "H": 1, "h": p - 1, "M": 1}
        ),
        Case(f"unroll({k})", hg.unroll(k), {"G": k, "O": 1, "B": k}),
        Case(
            f"unroll({k}, truncate=1)",
            hg.unroll(k, truncate=1),
            {"G": k, "O": 1, "B": 1},
        ),
        Case(
            f"unroll({k}, rematerialise=False)",
            hg.unroll(k, rematerialise=False),
            {"G": k, "O": 1, "b": k},
        ),
        Case(
            f"forward_mode({k}), dim(α) = {d}",
            hg.forward_mode(k),
            {"G": k, "t": k * d, "O": 1},
        ),
        Case(
            f"online_forward_mode, dim(α) = {d}",
            hg.online_forward_mode(),
            {"G": 1, "t": d, "O": 1},
        ),
        Case(
            f"value_function({k})",
            hg.value_function(k, 10.0),
            {"G": 3 * k, "O": 2, "A": 1},
        ),
        Case(
            f"evolution_strategies({pairs}, steps={k})",
            hg.evolution_strategies(pairs, 0.1, k),
            sampled,
        ),
        Case(
            f"persistent_evolution_strategies({pairs}, steps={k})",
            hg.persistent_evolution_strategies(pairs, 0.1, k),
            sampled,
        ),
    ]


def flops(function: Callable[..., Any], *arguments: Any) -> float:
    """Floating-point operations of a function."""
    return count_flops(jax.jit(function).lower(*arguments).compile())


def measure(function: Callable[..., Any], *arguments: Any) -> Cost:
    """Operations, time and memory of a function."""
    compiled = jax.jit(function).lower(*arguments).compile()
    jax.block_until_ready(compiled(*arguments))
    times = []
    begin = time.perf_counter()
    while len(times) < 3 or time.perf_counter() - begin < 0.5:
        start = time.perf_counter()
        jax.block_until_ready(compiled(*arguments))
        times.append(time.perf_counter() - start)
    memory = compiled.memory_analysis().temp_size_in_bytes / 1e6
    return Cost(count_flops(compiled), statistics.median(times), memory)


def main() -> None:
    """Print one row an estimator."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="parts of names: unroll,neumann")
    only = parser.parse_args().only.split(",")
    jax.config.update("jax_platforms", "cpu")
    print_machine()
    problem, point = setting()
    omega, alpha, train, valid = point
    unit = pieces(problem, point)
    print(
        "Pieces in G: "
        + ", ".join(f"{name} {unit[name] / unit['G']:.2f}" for name in unit)
        + f" (G = {unit['G'] / 1e6:.1f} MFLOP)\n"
    )
    print("| estimator | formula | predicted | measured | ratio | ms | temporary MB |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for case in cases(omega, alpha):
        if not any(part in case.name for part in only):
            continue
        estimator = case.estimator

        def estimate(o: Any, a: Any, state: Any, estimator: Any = estimator) -> Any:
            return estimator.estimate(
                problem,
                state,
                hg.Point(o, a, train, valid),
                inner_update=hg.gradient_descent(RATE),
            )

        cost = measure(estimate, omega, alpha, estimator.init(omega, alpha))
        predicted = sum(n * unit[x] for x, n in case.formula.items()) / unit["G"]
        measured = cost.flops / unit["G"]
        ratio = measured / predicted
        formula = " + ".join(
            f"{n} {x}" if n != 1 else x for x, n in case.formula.items()
        )
        mark = " (!)" if abs(ratio - 1) > TOLERANCE else ""
        print(
            f"| {case.name} | {formula} | {predicted:.2f} | {measured:.2f} "
            f"| {ratio:.2f}{mark} | {1e3 * cost.seconds:.1f} | {cost.megabytes:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
