"""Rivals, value for value: `python -m tests.benchmarks.hypergradient_peers`.

Each rival computes hypergradients of the quadratic of `hypergrad.problems.quadratic` in
double precision, and is held against the value that its method should give: the closed
form, or this project's estimator, whose values the tests hold against closed forms.
Exits with 1 where the verdict is another than the one written here: a rival that was
known to be wrong and is right now has been repaired. Install the rivals with
`pip install --no-deps --ignore-requires-python`; one that is missing is skipped.
"""

import argparse
import functools
import importlib.metadata
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import torch

from autoreg_jax import hypergrad as hg
from tests.benchmarks._table import print_machine

RATE = 0.05
SIZE = 20


class Check(NamedTuple):
    """One method of a rival.

    Attributes:
        method: What is computed.
        found: Computes it.
        wanted: What it should be.
        tolerance: Largest relative error of a right value.
        is_right: What is known of it.
    """

    method: str
    found: Callable[[], Any]
    wanted: Any
    tolerance: float = 1e-10
    is_right: bool = True


class Quadratic:
    """The problem in matrices, as functions of torch or JAX arrays.

    L_t = ½ωᵀAω + ωᵀCa + bᵀω and L_v = ½ωᵀFω + fᵀω + ½ρ‖a‖² + kᵀa.
    """

    def __init__(self, kind: Callable[[Any], Any] = jnp.asarray) -> None:
        self.example = hg.problems.quadratic(jax.random.key(0), inner_size=SIZE)
        inner, outer = self.example.problem.inner_loss, self.example.problem.outer_loss
        zeros = (
            jnp.zeros_like(self.example.point.inner),
            jnp.zeros_like(self.example.point.outer),
        )
        slope = jax.grad(outer, (0, 1))(*zeros, None)
        by_omega = jax.jacfwd(jax.grad(inner), (0, 1))(*zeros, None)
        arrays = {
            "A": by_omega[0],
            "C": by_omega[1],
            "b": jax.grad(inner)(*zeros, None),
            "F": jax.hessian(outer)(*zeros, None),
            "R": jax.hessian(outer, 1)(*zeros, None),
            "f": slope[0],
            "k": slope[1],
            "omega": self.example.point.inner,
            "a": self.example.point.outer,
            "optimum": self.example.solution(self.example.point.outer),
        }
        self.arrays = {name: kind(np.array(x)) for name, x in arrays.items()}

    def __getattr__(self, name: str) -> Any:
        return self.arrays[name]

    def inner_loss(self, omega: Any, a: Any, batch: Any = None) -> Any:
        return 0.5 * omega @ self.A @ omega + omega @ (self.C @ a) + self.b @ omega

    def outer_loss(self, omega: Any, a: Any, batch: Any = None) -> Any:
        own = 0.5 * a @ self.R @ a + self.k @ a
        return 0.5 * omega @ self.F @ omega + self.f @ omega + own

    def should_be(
        self,
        estimator: hg.HypergradientEstimator,
        at: str = "omega",
        update: hg.InnerUpdate | None = None,
    ) -> Any:
        """This project's value at ω, or at ω*."""
        omega, a = (jnp.asarray(np.array(self.arrays[name])) for name in (at, "a"))
        hyper, _ = estimator.estimate(
            self.example.problem,
            estimator.init(omega, a),
            hg.Point(omega, a),
            inner_update=update or hg.gradient_descent(RATE),
        )
        return hyper.grad

    @property
    def implicit(self) -> Any:
        """The hypergradient at ω* in closed form."""
        return self.example.reference(self.example.point.outer)

    @property
    def adam(self) -> Any:
        """Through five steps of Adam."""
        optimizer = optax.adam(RATE)
        update = hg.from_optax(optimizer, optimizer.init(self.example.point.inner))
        return self.should_be(hg.unroll(5), update=update)

    @property
    def variables(self) -> tuple[Any, Any]:
        """Fresh torch leaves ω and a."""
        return tuple(self.arrays[n].clone().requires_grad_() for n in ("omega", "a"))


class Weights(torch.nn.Module):
    """A module that is a vector."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = torch.nn.Parameter(value.clone())

    def forward(self) -> Any:
        return self.value


def torchopt(q: Quadratic) -> Iterator[Check]:
    import torchopt
    from torchopt.diff.implicit import custom_root
    from torchopt.linear_solve import solve_cg

    solve = solve_cg(maxiter=50, rtol=1e-12)

    @custom_root(torch.func.grad(q.inner_loss), argnums=1, solve=solve)
    def solution(omega, a):
        return q.optimum.clone()

    def implicit():
        omega, a = q.variables
        return torch.autograd.grad(q.outer_loss(solution(omega, a), a), a)[0]

    def unrolled(optimizer, steps):
        omega, a = q.variables
        inner = torchopt.FuncOptimizer(optimizer)
        for _ in range(steps):
            (omega,) = inner.step(q.inner_loss(omega, a), (omega,))
        return torch.autograd.grad(q.outer_loss(omega, a), a)[0]

    yield Check("custom_root, solve_cg", implicit, q.implicit)
    for steps in (1, 10):
        found = functools.partial(unrolled, torchopt.sgd(RATE), steps)
        yield Check(f"FuncOptimizer, SGD {steps}", found, q.should_be(hg.unroll(steps)))
    found = functools.partial(unrolled, torchopt.adam(RATE), 5)
    yield Check("FuncOptimizer, Adam 5", found, q.adam)


def jaxopt(q: Quadratic) -> Iterator[Check]:
    import jaxopt
    from jaxopt import implicit_diff, linear_solve

    q = Quadratic()
    cg = functools.partial(linear_solve.solve_cg, tol=1e-13)

    @implicit_diff.custom_root(jax.grad(q.inner_loss), solve=cg)
    def solution(start, a):
        return q.optimum

    implicit = jax.jit(jax.grad(lambda a: q.outer_loss(solution(None, a), a)))
    settings = {"implicit_diff": False, "tol": 0.0, "unroll": True}
    descent = jaxopt.GradientDescent(
        q.inner_loss, stepsize=RATE, maxiter=10, acceleration=False, **settings
    )
    adam = jaxopt.OptaxSolver(q.inner_loss, optax.adam(RATE), maxiter=5, **settings)

    def through(solver):
        return jax.jit(jax.grad(lambda a: q.outer_loss(solver.run(q.omega, a)[0], a)))

    yield Check("custom_root, solve_cg", lambda: implicit(q.a), q.implicit)
    run = through(descent)
    yield Check("GradientDescent 10", lambda: run(q.a), q.should_be(hg.unroll(10)))
    run_adam = through(adam)
    yield Check("OptaxSolver, Adam 5", lambda: run_adam(q.a), q.adam)


def higher(q: Quadratic) -> Iterator[Check]:
    import higher

    def unrolled(optimizer, steps):
        _, a = q.variables
        module = Weights(q.omega)
        inner = optimizer(module.parameters(), lr=RATE)
        with higher.innerloop_ctx(module, inner) as (model, differentiable):
            for _ in range(steps):
                differentiable.step(q.inner_loss(model(), a))
            return torch.autograd.grad(q.outer_loss(model(), a), a)[0]

    for steps in (1, 10):
        found = functools.partial(unrolled, torch.optim.SGD, steps)
        yield Check(f"SGD {steps}", found, q.should_be(hg.unroll(steps)))
    # Its Adam adds ε before the correction of the bias.
    found = functools.partial(unrolled, torch.optim.Adam, 5)
    yield Check("Adam 5", found, q.adam, 1e-5)


def betty(q: Quadratic) -> Iterator[Check]:
    """Its functions on the two variables, without the engine that wires problems."""
    from betty.hypergradient import get_grads

    def estimate(at, **config):
        omega, a = q.arrays[at].clone().requires_grad_(), q.variables[1]
        settings = {"darts_alpha": 0.01, "darts_multitask": False, "cg_alpha": 1.0}
        lower = SimpleNamespace(
            config=SimpleNamespace(**settings, **config),
            training_step_exec=lambda batch: q.inner_loss(omega, a),
            cur_batch=None,
            paths=[],
        )
        upper = SimpleNamespace()
        for problem, value in ((lower, [omega]), (upper, [a])):
            problem._strategy = "default"
            for name in ("parameters", "trainable_parameters"):
                setattr(problem, name, lambda value=value: value)
            problem.meta_trainable_parameters = problem.parameters
        loss = q.outer_loss(omega, a)
        (direct,) = torch.autograd.grad(loss, a, retain_graph=True)
        path = [upper, lower, upper]
        return direct + get_grads(loss, path, retain_graph=False, do_sync=False)[0]

    found = functools.partial(
        estimate, "optimum", type="neumann", neumann_iterations=20, neumann_alpha=RATE
    )
    wanted = q.should_be(hg.neumann(20, RATE), "optimum")
    yield Check("neumann 20", found, wanted)
    found = functools.partial(estimate, "omega", type="darts")
    yield Check("darts", found, q.should_be(hg.t1t2()))
    for steps in (1, 2, 5, SIZE):
        found = functools.partial(estimate, "optimum", type="cg", cg_iterations=steps)
        wanted = q.should_be(hg.conjugate_gradient(steps), "optimum")
        yield Check(f"cg {steps}", found, wanted, 1e-8, steps == 1)


def hypergrad(q: Quadratic) -> Iterator[Check]:
    from hypergrad import approx_hypergrad

    def inner(omega, a):
        return q.inner_loss(omega[0], a[0])

    def outer(omega, a):
        return q.outer_loss(omega[0], a[0])

    def estimate(method, *settings):
        values = (q.optimum,), (q.a,)
        return method(inner, outer, *values, *settings)[0]

    found = functools.partial(estimate, approx_hypergrad.neumann, 20, RATE)
    yield Check("neumann 20", found, q.should_be(hg.neumann(20, RATE), "optimum"))
    found = functools.partial(estimate, approx_hypergrad.nystrom, SIZE, 0.01)
    yield Check("nystrom, full rank", found, q.implicit, 2e-2)  # ρ = 0.01
    for steps in (1, 2, 5, SIZE):
        found = functools.partial(
            estimate, approx_hypergrad.conjugate_gradient, steps, 1.0
        )
        wanted = q.should_be(hg.conjugate_gradient(steps), "optimum")
        yield Check(f"conjugate_gradient {steps}", found, wanted, 1e-8, steps == 1)


def gradhpo(q: Quadratic) -> Iterator[Check]:
    from gradhpo import T1T2Optimizer

    q = Quadratic()
    method = T1T2Optimizer(inner_optimizer=optax.sgd(RATE))

    def estimate(outer):
        def whole(a):
            return jnp.hstack(a)

        grad = method.compute_hypergradient(
            method.init(q.omega, outer),
            None,
            None,
            lambda omega, a, batch: q.inner_loss(omega, whole(a)),
            lambda omega, a, batch: q.outer_loss(omega, whole(a)),
        )
        return whole(grad)

    wanted = q.should_be(hg.one_step_unroll())
    yield Check("T1T2, five scalars", lambda: estimate(list(q.a)), wanted, 1e-8)
    yield Check("T1T2, one vector", lambda: estimate([q.a]), wanted, 1e-8, False)


def boat_torch(q: Quadratic) -> Iterator[Check]:
    from boat_torch import Problem

    def estimate(method, steps):
        lower, upper = Weights(q.omega), Weights(q.a)
        optimizer = torch.optim.SGD(lower.parameters(), lr=RATE)
        with tempfile.TemporaryDirectory() as folder:
            config = {
                "fo_op": None,
                "gm_op": ["NGD"],
                "na_op": [method],
                "lower_level_model": lower,
                "upper_level_model": upper,
                "lower_level_var": list(lower.parameters()),
                "upper_level_var": list(upper.parameters()),
                "lower_level_opt": optimizer,
                "upper_level_opt": torch.optim.SGD(upper.parameters(), lr=RATE),
                "lower_iters": steps,
                "device": "cpu",
                "loss_log_path": str(Path(folder) / "losses.json"),
                "accumulate_grad": False,
                "return_grad": True,
                "copy_last_param": False,
                "FD": {"r": 0.01},
                "GDA": {"alpha_init": 0.0, "alpha_decay": 0.0},
                "RGT": {"truncate_iter": 0},
                "CG": {"tolerance": 0.0, "k": 20},
            }
            losses = {
                f"{level}_level_loss": {
                    "function": f"{__name__}.boat_loss",
                    "params": {"loss": loss},
                }
                for level, loss in (("lower", q.inner_loss), ("upper", q.outer_loss))
            }
            problem = Problem(config, losses)
            problem.build_ll_solver().build_ul_solver()
            return problem.run_iter({}, {}, 0)[0][0]

    def after(steps, estimator):
        """The value at ω_K, from where its implicit methods begin."""
        omega = q.omega
        for _ in range(steps):
            omega = omega - RATE * (q.A @ omega + q.C @ q.a + q.b)
        q.arrays["moved"] = omega
        return q.should_be(estimator, "moved")

    def check(method, steps, wanted, **more):
        found = functools.partial(estimate, method, steps)
        return Check(f"{method}, {steps} steps", found, wanted, **more)

    yield check("FD", 1, q.should_be(hg.finite_difference()))
    yield check("RAD", 10, q.should_be(hg.unroll(10)))
    yield check("NS", 5, after(5, hg.neumann(20, RATE)))
    yield check("CG", 5, after(5, hg.conjugate_gradient(SIZE)), tolerance=1e-7)
    # It goes back through the last step alone: unroll(5, truncate=1) on a quadratic.
    yield check("FD", 5, q.should_be(hg.unroll(5)), is_right=False)


def boat_loss(feed: Any, upper: Any, lower: Any, params: Any = None, *, loss: Any):
    """A loss as boat-torch calls it: by its name, with two modules."""
    return loss(lower() if params is None else lower(params=params), upper())


RIVALS = {
    "torchopt": torchopt,
    "jaxopt": jaxopt,
    "higher": higher,
    "betty-ml": betty,
    "hypergrad": hypergrad,
    "gradhpo": gradhpo,
    "boat-torch": boat_torch,
}


def row(check: Check) -> tuple[str, bool]:
    """The cells of a check, and whether it is as it is known to be."""
    check.found()
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        found = jax.block_until_ready(check.found())
        times.append(time.perf_counter() - begin)
    if isinstance(found, torch.Tensor):
        found = found.detach()
    found, wanted = np.asarray(found), np.asarray(check.wanted)
    error = np.linalg.norm(found - wanted) / np.linalg.norm(wanted)
    is_same = bool(error <= check.tolerance) == check.is_right
    state = "right" if check.is_right else "known wrong"
    verdict = state if is_same else f"CHANGED, was {state}"
    milliseconds = 1e3 * statistics.median(times)
    return f"{check.method} | {error:.1e} | {milliseconds:.2f} | {verdict}", is_same


def main() -> int:
    """Print one line a check; 1 if one is not as it is known."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="part of a name")
    only = parser.parse_args().only
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_enable_x64", True)
    # torchopt corrects the bias of Adam in the default precision of torch.
    torch.set_default_dtype(torch.float64)
    # The rivals are old: they use what torch and jax mean to remove.
    warnings.simplefilter("ignore")
    print_machine()
    q, status = Quadratic(torch.from_numpy), 0
    print("| rival | method | relative error | ms | state |")
    print("| --- | --- | --- | --- | --- |")
    for name, checks in RIVALS.items():
        if only not in name:
            continue
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            print(f"| {name} | not installed | | | |")
            continue
        for check in checks(q):
            cells, is_same = row(check)
            status = status if is_same else 1
            print(f"| {name} {version} | {cells} |", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
