"""Two bilevel problems on the data of scikit-learn, with their optima."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.optimize
import sklearn.datasets

from autoreg_jax import hypergrad as hg

SIZE = 20  # examples in a batch
STARTS = 8  # of the search for the least value, the first at zero


class Task(NamedTuple):
    """A problem to be solved from ω = 0 and a = 0.

    Attributes:
        name: What it is.
        problem: Both losses.
        start: ω and a.
        train: Training data in their order, whose batches `problem` takes.
        valid: Validation data.
        gaps: Stacked a to L_v(ω*(a), a) above its least value, in parts of the drop
            from the start to there.
    """

    name: str
    problem: hg.BilevelProblem
    start: tuple[Any, Any]
    train: Any
    valid: Any
    gaps: Callable[[Any], Any]

    @property
    def sampler(self) -> hg.FiniteSum:
        """Batches of `SIZE`."""
        return hg.minibatches(self.train, self.valid, SIZE, SIZE)

    @property
    def counts(self) -> tuple[int, int]:
        """Batches of both kinds."""
        return self.sampler.counts


def selection() -> Task:
    """The penalty of each of three features of a ridge regression: diabetes.

    Body mass index, blood pressure and s5. The seed of the split is one of few of which
    the optimum is finite and well conditioned (4): if a feature is of no use, or none
    is to be penalised, the optimum lies at infinity.
    """
    return _ridge("selection", [2, 3, 8], 90)


def hard_selection() -> Task:
    """The same with age and sex: the Hessian of the value has the condition 4000."""
    return _ridge("hard_selection", [0, 1, 2, 3, 8], 64)


def _ridge(name: str, columns: list[int], seed: int) -> Task:
    x, y = sklearn.datasets.load_diabetes(return_X_y=True)
    chosen = np.random.default_rng(seed).permutation(len(x))[:440]
    x, y = x[chosen][:, columns], y[chosen]
    x, y = (jnp.asarray((v - v.mean(0)) / v.std(0)) for v in (x, y))
    example = hg.problems.ridge((x[:220], y[:220]), (x[220:], y[220:]))
    return _task(name, example, example.point.train_batch)


def cleaning() -> Task:
    """The weight of each of 200 digits, half of whose labels are drawn anew.

    Ten principal components and a constant; 100 digits are clean. The optimum lies at
    infinity: an example is kept or dropped.
    """
    x, y = sklearn.datasets.load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    chosen = rng.permutation(len(x))[:300]
    x, y = x[chosen], y[chosen]
    x = x - x.mean(0)
    x = x @ np.linalg.svd(x, full_matrices=False)[2][:10].T
    x = np.hstack([x / x.std(), np.ones((300, 1))])
    labels = y[:200].copy()
    is_redrawn = rng.random(200) < 0.5
    labels[is_redrawn] = rng.integers(0, 10, is_redrawn.sum())
    train, valid = jax.tree.map(jnp.asarray, ((x[:200], labels), (x[200:], y[200:])))
    example = hg.problems.hyper_cleaning(train, valid, 10, penalty=0.02)
    return _task("cleaning", example, (*train, jnp.arange(200)))


def _task(name: str, example: hg.problems.Example, train: Any) -> Task:
    """The task of an example, whose least value is sought with its true gradient."""
    point = example.point

    def value(a: Any) -> Any:
        return example.problem.outer_loss(example.solution(a), a, point.valid_batch)

    both = jax.jit(lambda a: (value(a), example.reference(a)))
    values = jax.jit(functools.partial(jax.lax.map, value))

    def least(start: Any) -> Any:
        return scipy.optimize.minimize(
            lambda a: tuple(map(np.asarray, both(jnp.asarray(a)))),
            start,
            jac=True,
            method="L-BFGS-B",
            options={"gtol": 1e-12, "ftol": 1e-16, "maxiter": 5000, "maxfun": 9000},
        )

    starts = np.random.default_rng(0).normal(size=(STARTS, point.outer.size))
    starts[0] = 0
    found = min((least(2 * start) for start in starts), key=lambda each: each.fun)
    # An entry far out does not return by itself, for its slope has vanished.
    while True:
        turned = found.x - 2 * np.diag(found.x)
        others = np.asarray(values(jnp.asarray(turned)))
        better = least(np.clip(turned[others.argmin()], -5, 5))
        if better.fun > found.fun - 1e-10:
            break
        found = better
    first = float(values(point.outer[None])[0])
    print(
        f"{name}: L_v falls from {first:.6f} to {found.fun:.6f}, "
        f"largest |a| {np.abs(found.x).max():.1f}",
        flush=True,
    )
    return Task(
        name,
        example.problem,
        (point.inner, point.outer),
        train,
        point.valid_batch,
        lambda stacked: (values(stacked) - found.fun) / (first - found.fun),
    )
