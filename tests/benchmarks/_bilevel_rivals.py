"""The same problems in benchopt's solvers, jaxopt, torchopt and betty-ml."""

import functools
import importlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tests.benchmarks._bilevel_tasks import SIZE, Task

RECORDS = 100


class Run(NamedTuple):
    """One run of a solver.

    Attributes:
        settings: What was chosen, in words.
        gradients: Gradients of a record.
        seconds: Seconds of the whole run, without compilation.
        outers: a at each record.
    """

    settings: str
    gradients: float
    seconds: float
    outers: Any


# Settings besides step sizes, and gradients of a step, as those of this project.
BENCHOPT = {
    "SABA": ("saba", {}, 4),
    "SOBA": ("soba", {}, 4),
    "FSLA": ("fsla", {}, 8),
    "AmIGO": ("amigo", {"n_inner_steps": 5}, 24),
    "StocBiO": ("stocbio", {"n_inner_steps": 5, "n_shia_steps": 40}, 129),
    "F2SA": ("f2sa", {"n_inner_steps": 5, "lmbda0": 10.0, "delta_lmbda": 1.0}, 18),
}


def benchopt(
    task: Task, name: str, checkout: str, budget: float, rates: Any
) -> Iterator[Run]:
    """A solver of benchopt's benchmark_bilevel, by its own schedules of the steps."""
    if checkout not in sys.path:
        sys.path.insert(0, checkout)
    file, settings, each = BENCHOPT[name]
    solver_class = importlib.import_module(f"solvers.{file}").Solver
    steps = max(int(budget / each) // RECORDS, 1)
    inner, outer = task.start

    def sliced(loss: Callable[..., Any], data: Any) -> Callable[..., Any]:
        @functools.partial(jax.jit, static_argnames="batch_size")
        def found(omega: Any, a: Any, start: Any = 0, batch_size: int = 1) -> Any:
            batch = jax.tree.map(
                lambda x: jax.lax.dynamic_slice_in_dim(x, start, batch_size), data
            )
            return loss(omega.reshape(inner.shape), a, batch)

        return found

    for rho, gamma in rates:
        solver = solver_class()
        own = {name: values[0] for name, values in solver_class.parameters.items()}
        own |= settings | {
            "batch_size": SIZE,
            "eval_freq": steps,
            "step_size": rho,
            "outer_ratio": rho / gamma,
        }
        for key, value in own.items():
            setattr(solver, key, value)
        solver.run_once = lambda *args: None
        solver.set_objective(
            sliced(task.problem.inner_loss, task.train),
            sliced(task.problem.outer_loss, task.valid),
            *(SIZE * count for count in task.counts),
            inner.ravel(),
            outer,
        )

        def go(solver: Any, count: int) -> list[Any]:
            found: list[Any] = []

            def goes_on() -> bool:
                found.append(np.array(getattr(solver, "outer_var", outer)))
                return len(found) <= count

            solver.run(goes_on)
            return found[1:]

        go(solver, 2)
        begin = time.perf_counter()
        outers = go(solver, RECORDS)
        seconds = time.perf_counter() - begin
        label = f"ρ {rho:g}, γ {gamma:g}"
        yield Run(label, each * steps, seconds, jnp.asarray(np.stack(outers)))


def jaxopt(task: Task, budget: float, rates: Any) -> Iterator[Run]:
    """GradientDescent 10, warm, with 10 conjugate gradients behind; one scan."""
    import jaxopt as library
    from jaxopt import linear_solve

    each = _whole(task)
    steps = max(int(budget / each) // RECORDS, 1)

    @functools.partial(jax.jit, static_argnums=(0, 1))
    def run(rho: float, gamma: float) -> Any:
        solver = library.GradientDescent(
            lambda w, a: task.problem.inner_loss(w, a, task.train),
            stepsize=rho,
            maxiter=10,
            tol=0.0,
            acceleration=False,
            implicit_diff=True,
            implicit_diff_solve=functools.partial(
                linear_solve.solve_cg, maxiter=10, tol=0.0
            ),
            jit=True,
        )

        def value(a: Any, start: Any) -> Any:
            omega = solver.run(start, a).params
            return task.problem.outer_loss(omega, a, task.valid), omega

        def step(carry: Any, _: None) -> Any:
            omega, a = carry
            slope, omega = jax.grad(value, has_aux=True)(a, omega)
            return (omega, a - gamma * slope), None

        def record(carry: Any, _: None) -> Any:
            carry, _ = jax.lax.scan(step, carry, None, length=steps)
            return carry, carry[1]

        return jax.lax.scan(record, task.start, None, length=RECORDS)[1]

    for rho, gamma in rates:
        jax.block_until_ready(run(rho, gamma))
        begin = time.perf_counter()
        outers = jax.block_until_ready(run(rho, gamma))
        seconds = time.perf_counter() - begin
        yield Run(f"ρ {rho:g}, γ {gamma:g}", each * steps, seconds, outers)


def torchopt(task: Task, budget: float, rates: Any) -> Iterator[Run]:
    """custom_root with 10 conjugate gradients behind 10 steps from the last ω."""
    import torch
    from torchopt.diff.implicit import custom_root
    from torchopt.linear_solve import solve_cg

    inner_loss, outer_loss, start = _in_torch(task)
    each = _whole(task)
    steps = max(int(budget / each) // RECORDS, 1)
    slope = torch.func.grad(inner_loss)

    def solver(rho: float) -> Callable[..., Any]:
        # It binds the names of the arguments: no default may be among them.
        @custom_root(slope, argnums=1, solve=solve_cg(maxiter=10, rtol=0.0))
        def solution(omega: Any, a: Any) -> Any:
            with torch.no_grad():
                for _ in range(10):
                    omega = omega - rho * slope(omega, a.detach())
            return omega

        return solution

    for rho, gamma in rates:
        solution = solver(rho)
        omega, a = (x.clone() for x in start)
        outers, begin = [], time.perf_counter()
        for _ in range(RECORDS):
            for _ in range(steps):
                leaf = a.clone().requires_grad_()
                found = solution(omega, leaf)
                (gradient,) = torch.autograd.grad(outer_loss(found), leaf)
                omega, a = found.detach(), a - gamma * gradient
            outers.append(a.numpy())
        seconds = time.perf_counter() - begin
        label = f"ρ {rho:g}, γ {gamma:g}"
        yield Run(label, each * steps, seconds, jnp.asarray(np.stack(outers)))


def betty(task: Task, budget: float, rates: Any) -> Iterator[Run]:
    """Its Engine: 10 steps of SGD, then a Neumann series of 10 terms."""
    import torch
    from betty.configs import Config, EngineConfig
    from betty.engine import Engine
    from betty.problems import ImplicitProblem

    inner_loss, outer_loss, start = _in_torch(task)
    each = _whole(task)
    steps = max(int(budget / each) // RECORDS, 1)

    class Weights(torch.nn.Module):
        def __init__(self, value: Any) -> None:
            super().__init__()
            self.value = torch.nn.Parameter(value.clone())

        def forward(self) -> Any:
            return self.value

    for rho, gamma in rates:
        outers: list[Any] = []

        class Inner(ImplicitProblem):
            def training_step(self, batch: Any) -> Any:
                return inner_loss(self.module(), self.outer())

        class Outer(ImplicitProblem):
            def training_step(self, batch: Any, outers: Any = outers) -> Any:
                if self._count and not self._count % steps:
                    outers.append(self.module().detach().numpy().copy())
                self._count += 1
                # The direct derivative in a is zero: keep a in the graph.
                return outer_loss(self.inner()) + 0.0 * self.module().sum()

        modules = [Weights(x) for x in start]
        settings = (
            Config(
                type="neumann",
                unroll_steps=10,
                neumann_iterations=10,
                neumann_alpha=rho,
            ),
            Config(type="darts", unroll_steps=1, retain_graph=True),
        )
        problems = [
            kind(
                name=name,
                config=config,
                module=module,
                optimizer=torch.optim.SGD(module.parameters(), lr=rate),
                train_data_loader=[torch.zeros(1)],
                device="cpu",
            )
            for kind, name, config, module, rate in zip(
                (Inner, Outer),
                ("inner", "outer"),
                settings,
                modules,
                (rho, gamma),
                strict=True,
            )
        ]
        problems[1]._count = 0
        engine = Engine(
            problems,
            EngineConfig(train_iters=10 * (steps * RECORDS + 1)),
            {"u2l": {problems[1]: [problems[0]]}, "l2u": {problems[0]: [problems[1]]}},
        )
        begin = time.perf_counter()
        engine.run()
        seconds = time.perf_counter() - begin
        label = f"ρ {rho:g}, γ {gamma:g}"
        yield Run(label, each * steps, seconds, jnp.asarray(np.stack(outers)))


def _whole(task: Task) -> float:
    """Gradients of 10 steps, 10 products, a mixed product and an outer gradient."""
    train, valid = task.counts
    return 32 * train + valid


def _in_torch(task: Task) -> tuple[Callable[..., Any], Callable[..., Any], Any]:
    """L_t(ω, a), L_v(ω) and the start in double precision."""
    import torch

    def tensor(x: Any) -> Any:
        return torch.from_numpy(np.array(x))

    train, valid = jax.tree.map(tensor, (task.train, task.valid))
    start = tuple(map(tensor, task.start))
    if task.name == "cleaning":
        entropy = functools.partial(torch.nn.functional.cross_entropy, reduction="none")

        def inner_loss(omega: Any, a: Any) -> Any:
            errors = entropy(train[0] @ omega, train[1].long())
            return (torch.sigmoid(a) * errors).mean() + 0.01 * (omega**2).sum()

        def outer_loss(omega: Any) -> Any:
            return entropy(valid[0] @ omega, valid[1].long()).mean()

        return inner_loss, outer_loss, start

    def squares(omega: Any, batch: Any) -> Any:
        return 0.5 * ((batch[0] @ omega - batch[1]) ** 2).mean()

    def penalised(omega: Any, a: Any) -> Any:
        return squares(omega, train) + 0.5 * (torch.exp(a) * omega**2).sum()

    return penalised, lambda omega: squares(omega, valid), start
