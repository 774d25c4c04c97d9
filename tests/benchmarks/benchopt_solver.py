"""A solver of benchopt's benchmark_bilevel: any algorithm of `hypergrad`.

Copy it into `solvers/` of a checkout of github.com/benchopt/benchmark_bilevel, then

    benchopt run . -s "autoreg[algorithm=saba]" -s SABA -d simulated

The losses of the benchmark take the first index of a batch: a batch is that index.
"""

from typing import Any

from benchopt import BaseSolver, safe_import_context
from benchopt.stopping_criterion import SufficientProgressCriterion

with safe_import_context() as import_ctx:
    import jax
    import jax.numpy as jnp

    from autoreg_jax import hypergrad as hg


def _constant(rate: float) -> Any:
    return rate


def _root(rate: float) -> Any:
    """ρ / √(1 + t), the schedule of most solvers of the benchmark."""
    return lambda step: rate / (1 + step) ** 0.5


def _algorithm(name: str, rho: float, gamma: float, loops: int) -> Any:
    """An algorithm with the step sizes that the benchmark gives its namesake."""
    r, g = _root(rho), _root(gamma)
    return {
        "saba": lambda: hg.saba(_constant(rho), _constant(rho), _constant(gamma)),
        "soba": lambda: hg.soba(r, r, g),
        "ma_soba": lambda: hg.ma_soba(r, r, g),
        "fsla": lambda: hg.fsla(r, r, g),
        "amigo": lambda: hg.amigo(loops, loops, rho, rho, gamma),
        "stocbio": lambda: hg.stocbio(loops, loops, rho, rho, gamma),
        "ttsa": lambda: hg.ttsa(loops, r, rho, g),
        "f2sa": lambda: hg.f2sa(loops, r, g, lambda step: (1 + step) ** 0.5),
        "pzobo": lambda: hg.pzobo(loops, 1, rho, gamma),
    }[name]()


class Solver(BaseSolver):
    """Algorithms of autoreg_jax.hypergrad, by the parameter `algorithm`."""

    name = "autoreg"
    requirements = ("jax", "jaxlib", "optax")
    stopping_criterion = SufficientProgressCriterion(patience=100, strategy="callback")
    # benchopt runs every combination.
    parameters = {  # noqa: RUF012 - benchopt reads a dict of the class
        "algorithm": ["soba", "saba"],
        "step_size": [0.1],
        "outer_ratio": [1.0],
        "n_inner_steps": [10],
        "batch_size": [64],
        "eval_freq": [128],
        "random_state": [1],
    }

    def set_objective(
        self,
        f_inner: Any,
        f_outer: Any,
        n_inner_samples: int,
        n_outer_samples: int,
        inner_var0: Any,
        outer_var0: Any,
    ) -> None:
        """Make the problem, its sampler and the program of an epoch."""
        size, steps = self.batch_size, self.eval_freq

        def sliced(loss: Any) -> Any:
            return lambda omega, a, start: loss(omega, a, start, batch_size=size)

        problem = hg.BilevelProblem(sliced(f_inner), sliced(f_outer))
        # Only whole batches are used.
        sampler = hg.FiniteSum(
            *(size * jnp.arange(n // size) for n in (n_inner_samples, n_outer_samples))
        )
        algorithm = _algorithm(
            self.algorithm,
            self.step_size,
            self.step_size / self.outer_ratio,
            self.n_inner_steps,
        )
        self.start = algorithm.init(problem, sampler, inner_var0, outer_var0)
        key = jax.random.key(self.random_state)
        self.epoch = jax.jit(
            lambda state: (
                hg.solve(
                    problem, algorithm, sampler, steps, key, state, every=steps
                ).state
            )
        )
        self.epoch(self.start)  # compiled before the clock runs

    def run(self, callback: Any) -> None:
        """An epoch of `eval_freq` steps between two calls of `callback`."""
        self.state = self.start
        while callback():
            self.state = jax.block_until_ready(self.epoch(self.state))

    def get_result(self) -> dict[str, Any]:
        """ω and a of now."""
        return {"inner_var": self.state.inner, "outer_var": self.state.outer}
