"""What a step of a search or a training costs: `python -m tests.benchmarks.costs`.

Prints the two tables of the section "Costs" of RESULTS.md. The first is measured on the
device at hand: seconds, temporary memory and floating-point operations of one iteration
against voxels, width, candidates and K. The second is an estimate for other machines
(`--estimate` prints it alone): operations of the program as it is lowered for a GPU,
divided by a share of the published peak. `--device gpu` measures on a GPU.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from autoreg_jax import hypergrad
from autoreg_jax.bilevel import PairBatch, make_search
from autoreg_jax.config import RunConfig, load, merge
from autoreg_jax.networks import RegistrationNetwork
from autoreg_jax.programs import (
    Programs,
    initial_alpha,
    initial_lambda,
    initial_vector,
    make_lambda,
)
from autoreg_jax.search_space import CANDIDATES
from autoreg_jax.training import make_training
from autoreg_jax.workflows.planning._memory import estimate_memory
from tests.benchmarks._genotype import GENOTYPE

FULL = (160, 192, 224)
SMALL, MIDDLE, LARGE = (20, 24, 28), (40, 48, 56), (80, 96, 112)


class Case(NamedTuple):
    """One iteration: of a training, or of a search of α with its outer step."""

    kind: str
    shape: tuple[int, ...]
    width: float = 0.5
    candidates: int = len(CANDIDATES)
    estimator: str = "one_step_unroll"
    steps: int | None = None

    def config(self) -> RunConfig:
        """The settings: the defaults, with the network of the paper."""
        paper = vars(load("table2").network)
        network = paper | {"width": self.width, "matching": None}
        changes = {"network": network, "search": {"shrink": 1}}
        return merge(load("default"), changes)

    def make_estimator(self) -> hypergrad.HypergradientEstimator:
        """K where the estimator has one."""
        steps = () if self.steps is None else (self.steps,)
        return getattr(hypergrad, self.estimator)(*steps)


CASES = (
    Case("training", SMALL),
    Case("training", MIDDLE),
    Case("training", LARGE),
    Case("training", MIDDLE, 0.25),
    Case("training", MIDDLE, 1.0),
    Case("search", (12, 14, 16), 0.25, 2),
    Case("search", SMALL, 0.25, 2),
    Case("search", SMALL, 0.5, 2),
    Case("search", SMALL, 0.25, 2, "unroll", 1),
    Case("search", SMALL, 0.25, 2, "unroll", 2),
    Case("search", SMALL, 0.25, 2, "unroll", 4),
    Case("search", SMALL, 0.25, 4),
    Case("search", SMALL, 0.25),
)


def iteration(case: Case) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """One iteration as a pure function, and its arguments."""
    config = case.config()
    chosen = CANDIDATES[: case.candidates]

    def family(genotype: Any) -> RegistrationNetwork:
        return RegistrationNetwork(genotype, case.width, candidates=chosen)

    programs = Programs(config, len(case.shape), network=family)
    rng = np.random.default_rng(0)
    images = jnp.asarray(rng.random((4, 1, *case.shape, 1)), jnp.float32)
    train, valid = PairBatch(images[0], images[1]), PairBatch(images[2], images[3])
    genotype = GENOTYPE if case.kind == "training" else None
    network = programs.make_network(genotype)
    problem = programs.plain_problem(None if genotype is None else network)
    layout = programs.layout(network)
    omega = initial_vector(network, len(case.shape), layout, (0,))
    adam = optax.adam(1e-3)
    if genotype is not None:
        lam = make_lambda(jax.device_get(initial_lambda(config)))

        def loss(omega: Any, batch: Any) -> Any:
            return problem.inner_terms(omega, lam, batch)

        training = make_training(loss, adam)
        return training.step, (training.init(omega), train)
    descent = hypergrad.gradient_descent(1e-3)
    algorithm = make_search(problem, case.make_estimator(), descent, adam, adam)
    alpha = jax.tree.map(jnp.asarray, initial_alpha(0.0, (0,), chosen))

    def both(state: Any, train: Any, valid: Any, owned: Any) -> Any:
        state, moved = algorithm.outer_step(state, train, valid, owned)
        return algorithm.inner_step(state, train), moved

    owned = jax.tree.map(jnp.ones_like, alpha)
    return both, (algorithm.init(omega, alpha), train, valid, owned)


def operations(function: Callable[..., Any], arguments: tuple[Any, ...]) -> float:
    """Floating-point operations of the program as it is lowered for a GPU.

    There are no special algorithms in it, and no loop around a convolution.
    """
    shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), arguments)
    lowered = jax.jit(function).trace(*shapes).lower(lowering_platforms=("cuda",))
    return float(lowered.cost_analysis()["flops"])


def measure(case: Case, seconds: float) -> str:
    """A row of the table."""
    function, arguments = iteration(case)
    count = operations(function, arguments)
    begin = time.perf_counter()
    compiled = jax.jit(function).lower(*arguments).compile()
    compiling = time.perf_counter() - begin
    jax.block_until_ready(compiled(*arguments))
    times: list[float] = []
    while len(times) < 3 or sum(times) < seconds:
        begin = time.perf_counter()
        jax.block_until_ready(compiled(*arguments))
        times.append(time.perf_counter() - begin)
    memory = compiled.memory_analysis().temp_size_in_bytes
    voxels = int(np.prod(case.shape))
    many = case.candidates if case.kind == "search" else ""
    name = "" if case.kind == "training" else case.estimator
    name += "" if case.steps is None else f"({case.steps})"
    return (
        f"| {case.kind} | {'×'.join(map(str, case.shape))} | {case.width:g} | {many} "
        f"| {name} | {count / 1e9:.3g} | {min(times):.3g} "
        f"| {statistics.median(times):.3g} | {memory / 1e6:.0f} "
        f"| {memory / voxels:.0f} | {compiling:.0f} |"
    )


class Machine(NamedTuple):
    """A cluster of accelerators.

    Attributes:
        name: With the number of devices.
        devices: Number.
        peak: Published dense peak of one, FLOP/s, of the data type that is used.
        gibibytes: Memory of one.
        shares: Of the peak that are reached, pessimistic and optimistic.
    """

    name: str
    devices: int
    peak: float
    gibibytes: float
    shares: tuple[float, float]


# The measured training step of README.md: 0.77 M parameters, 80×96×112, one H200 in
# TF32. Its peak is that of an H100, whose memory has 0.7 of its bandwidth.
H200_SECONDS = 0.0140
TF32_PEAK = 494.7e12
BANDWIDTHS = 3.35 / 4.8
V5E_PEAK = 197e12  # bfloat16


def machines(measured: float) -> tuple[Machine, ...]:
    """From the share of its peak that was measured on an H200.

    A step bound by the memory has 0.7 of that share on an H100. On a TPU nothing
    was measured: a quarter of the share to all of it is assumed, since interpolation
    reads single voxels and most outputs fill 12 to 38 % of the 128 lanes.
    """
    return (
        Machine("8 H100 SXM", 8, TF32_PEAK, 80, (BANDWIDTHS * measured, measured)),
        Machine("v5e-64", 64, V5E_PEAK, 16, (measured / 4, measured)),
    )


class Work(NamedTuple):
    """Steps of one pair of the stages of a run."""

    name: str
    subjects: int
    shrink: int
    search: int
    lam: int
    training: int


# 45 epochs for each stage of the search and 200 of training (configs/paper.yaml).
WORKS = (
    Work("paper, 377 subjects", 377, 1, 2 * 45 * 377, 45 * 377, 200 * 377),
    Work("10,000 subjects, α at half size", 10_000, 2, 2 * 450_000, 450_000, 2_000_000),
)


def estimate() -> None:
    """Print hours for the whole work, every pair on a device of its own."""
    paper = load("paper")
    discrete = Case("training", MIDDLE, 1.0)
    each = operations(*iteration(discrete)) / np.prod(MIDDLE)
    fine = each * np.prod(FULL)
    measured = each * np.prod(LARGE) / H200_SECONDS / TF32_PEAK
    mixed = Case("search", MIDDLE, 1.0, estimator="finite_difference")
    one = operations(*iteration(mixed)) / np.prod(MIDDLE)
    print(
        f"Operations at 160×192×224, width 1: training step {fine / 1e12:.2f} TFLOP, "
        f"search step (finite difference) {one * np.prod(FULL) / 1e12:.1f} TFLOP. "
        f"Measured share of the peak of an H200 in TF32: {100 * measured:.1f} %.\n"
    )
    print("| work | machine | search of α, h | search of λ, h | training, h | read |")
    print("| --- | --- | --- | --- | --- | --- |")
    for work in WORKS:
        config = replace(paper, search=replace(paper.search, shrink=work.shrink))
        need = estimate_memory(FULL, 0, config)
        alpha = one * np.prod(FULL) / work.shrink**3
        # λ: the gradients of a training and of a validation pair, two more at perturbed
        # weights, and the step of ω.
        stages = (
            (work.search, alpha, need.search),
            (work.lam, 5 * fine, need.train),
            (work.training, fine, need.train / 2),
        )
        for machine in machines(measured):
            cells = []
            for steps, flops, memory in stages:
                hours = steps * flops / machine.devices / machine.peak / 3600
                low, high = (hours / share for share in machine.shares[::-1])
                gibibytes = memory / 2**30
                mark = "" if gibibytes < 0.9 * machine.gibibytes else " (!)"
                cells.append(f"{low:.2g} to {high:.2g}; {gibibytes:.0f} GiB{mark}")
            pairs = machine.devices * machine.peak * machine.shares[1] / fine
            cells.append(f"{pairs * 2 * 2 * np.prod(FULL) / 1e9:.1f} GB/s")
            print(f"| {work.name} | {machine.name} | {' | '.join(cells)} |")


def main() -> None:
    """Measure, then estimate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("--only", default="", help="training, search, unroll, 40×48×56")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each case")
    parser.add_argument("--estimate", action="store_true", help="the estimate alone")
    options = parser.parse_args()
    platforms = {"cpu": "cpu", "gpu": "cuda,cpu"}
    jax.config.update("jax_platforms", platforms[options.device])
    if not options.estimate:
        device = jax.devices()[0].device_kind
        print(f"{device}, {os.cpu_count()} cores, jax {jax.__version__}\n")
        print(
            "| iteration | voxels | width | candidates | estimator | GFLOP | s, best "
            "| s, median | temporary MB | bytes a voxel | compiled in s |"
        )
        print("| " + " | ".join(["---"] * 11) + " |")
        for case in CASES:
            text = f"{case.kind} {'×'.join(map(str, case.shape))} {case.estimator}"
            if options.only in text:
                print(measure(case, options.seconds), flush=True)
        print()
    estimate()


if __name__ == "__main__":
    main()
