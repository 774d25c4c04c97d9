"""Stochastic bilevel algorithms to the optimum: `python -m tests.benchmarks.bilevel`.

Each algorithm gets the same number of gradients on problems with a known optimum (see
`_bilevel_tasks`) and a grid of step sizes, of which the best is shown. A row has the
gradients and the seconds that the gap took to fall below 1e-4 of the drop for good,
and the last gap. The unit is the gradient of one loss on one batch of 20 examples; a
product with second derivatives is two, the gradient of 200 examples ten.
`--benchopt FOLDER` adds the solvers of a checkout of benchopt's benchmark_bilevel,
`--rivals` other libraries; both need to be importable.
"""

import argparse
import functools
import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
import optax

from autoreg_jax import hypergrad as hg
from tests.benchmarks import _bilevel_rivals as rivals
from tests.benchmarks._bilevel_rivals import RECORDS, Run
from tests.benchmarks._bilevel_tasks import Task, cleaning, hard_selection, selection

TARGET = 1e-4


class Entry(NamedTuple):
    """An algorithm with the number of its gradients for each step.

    Attributes:
        make: `(inner rate, outer rate, Slowing) -> Algorithm`; rates may be traced.
        gradients: Of one step, of the unit above.
        is_whole: Whether it takes whole batches.
        share: Factor of γ, where the noise of an estimate asks for one.
    """

    make: Callable[[Any, Any, "Slowing"], hg.Algorithm]
    gradients: float
    is_whole: bool = False
    share: float = 1.0


class Slowing(NamedTuple):
    """Step sizes of a problem.

    Attributes:
        after: c: steps until they have shrunk.
        exponent: Of the outer step.
        linear: η of the Neumann series, about 1/L.
        terms: Terms of the Neumann series.
        inner: Candidates for ρ.
        whole: ρ on whole batches.
        outer: Candidates for γ.
    """

    after: float
    exponent: float
    linear: float
    terms: int
    inner: float
    whole: float
    outer: tuple[float, ...]

    def rate(self, start: Any) -> Callable[[Any], Any]:
        """ρ / √(1 + t / c), of ω and z."""
        return lambda step: start / (1 + step / self.after) ** 0.5

    def outer_rate(self, start: Any) -> Callable[[Any], Any]:
        """γ / (1 + t / c)^q."""
        return lambda step: start / (1 + step / self.after) ** self.exponent

    def penalty(self, start: float) -> Callable[[Any], Any]:
        """λ √(1 + t / c)."""
        return lambda step: start * (1 + step / self.after) ** 0.5


# A quadratic near its optimum asks for steps of 1/t. Where the optimum is at infinity,
# slopes and their noise vanish on the way, and steps need hardly shrink.
SETTINGS = {
    "selection": Slowing(100, 1.0, 0.5, 15, 0.3, 0.3, (10.0, 30.0, 100.0)),
    "hard_selection": Slowing(1000, 0.8, 0.1, 40, 0.1, 0.1, (3.0, 10.0, 30.0)),
    "cleaning": Slowing(1000, 0.3, 4.0, 40, 1.0, 4.0, (100.0, 300.0, 1000.0)),
}


def entries(task: Task, own: Slowing) -> dict[str, Entry]:
    """What is compared, by name."""
    train, valid = task.counts
    eta, terms = own.linear, own.terms
    return {
        "saba": Entry(lambda r, g, s: hg.saba(r, r, g), 4),
        "soba": Entry(
            lambda r, g, s: hg.soba(s.rate(r), s.rate(r), s.outer_rate(g)), 4
        ),
        "ma_soba": Entry(
            lambda r, g, s: hg.ma_soba(s.rate(r), s.rate(r), s.outer_rate(g)), 4
        ),
        "fsla": Entry(
            lambda r, g, s: hg.fsla(s.rate(r), s.rate(r), s.outer_rate(g)), 8
        ),
        "amigo(5, 5)": Entry(
            lambda r, g, s: hg.amigo(5, 5, s.rate(r), s.rate(r), s.outer_rate(g)), 24
        ),
        f"stocbio(5, {terms})": Entry(
            lambda r, g, s: hg.stocbio(5, terms, s.rate(r), eta, s.outer_rate(g)),
            3 * terms + 9,
        ),
        f"ttsa({terms})": Entry(
            lambda r, g, s: hg.ttsa(terms, s.rate(r), eta, s.outer_rate(g)),
            3 * terms + 2,
            share=0.1,
        ),
        "f2sa(5)": Entry(
            lambda r, g, s: hg.f2sa(5, s.rate(r), s.outer_rate(g), s.penalty(10.0)), 18
        ),
        "pzobo(10, 5)": Entry(
            lambda r, g, s: hg.pzobo(10, 5, s.rate(r), s.outer_rate(g), 1e-3),
            61,
            share=0.1,
        ),
        "bome(10)": Entry(
            lambda r, g, s: hg.bome(10, r, _by_parts(r, s.outer_rate(g))),
            12 * train + valid,
            True,
        ),
        "alternating(conjugate_gradient(10))": Entry(
            lambda r, g, s: hg.alternating(hg.conjugate_gradient(10), r, g, 10),
            32 * train + valid,
            True,
        ),
        "alternating(neumann(10))": Entry(
            lambda r, g, s: hg.alternating(hg.neumann(10, r), r, g, 10),
            32 * train + valid,
            True,
        ),
    }


def _by_parts(inner: Any, outer: Any) -> optax.GradientTransformation:
    """Step sizes of their own for ω and a, which `bome` moves together."""
    each = {"inner": optax.sgd(inner), "outer": optax.sgd(outer)}
    return optax.partition(each, ("inner", "outer"))


def runs(task: Task, entry: Entry, own: Slowing, budget: float) -> Iterator[Run]:
    """An algorithm of this project with every pair of step sizes, as one program."""
    steps = max(int(budget / entry.gradients) // RECORDS, 1) * RECORDS
    whole = hg.whole_batches(task.train, task.valid)
    sampler = whole if entry.is_whole else task.sampler

    @jax.jit
    def run(inner_rate: Any, outer_rate: Any) -> Any:
        return hg.solve(
            task.problem,
            entry.make(inner_rate, outer_rate, own),
            sampler,
            steps,
            jax.random.key(0),
            task.start,
            measure=lambda inner, outer: outer,
            every=steps // RECORDS,
        ).trace["measure"]

    compiled = run.lower(1.0, 1.0).compile()
    for rho, gamma in pairs(own, entry.is_whole):
        rates = rho, entry.share * gamma
        begin = time.perf_counter()
        outers = jax.block_until_ready(compiled(*rates))
        seconds = time.perf_counter() - begin
        each = entry.gradients * steps / RECORDS
        yield Run("ρ {:g}, γ {:g}".format(*rates), each, seconds, outers)


def pairs(own: Slowing, is_whole: bool) -> list[tuple[float, float]]:
    """Candidates for (ρ, γ)."""
    rho = own.whole if is_whole else own.inner
    return [(rho, gamma) for gamma in own.outer]


def others(
    task: Task, own: Slowing, budget: float, checkout: str | None, is_all: bool
) -> Iterator[Any]:
    """Name and runs of other solvers."""
    if checkout:
        # Their steps shrink from the first one on, or not at all.
        near = pairs(own, False)
        rates = near + [(rho, 10 * gamma) for rho, gamma in near]
        for name in rivals.BENCHOPT:
            yield (
                f"benchopt {name}",
                lambda name=name, rates=rates: rivals.benchopt(
                    task, name, checkout, budget, rates
                ),
            )
    if is_all:
        rates = pairs(own, True)
        for name in ("jaxopt", "torchopt", "betty"):
            run = getattr(rivals, name)
            # Without compilation: a few of the steps are enough to time them.
            share = 1 if name == "jaxopt" else 10
            yield (
                name,
                lambda run=run, share=share: run(task, budget / share, rates),
            )


def row(task: Task, name: str, found: list[Run]) -> str:
    """The best of the runs: the earliest at the target, else that which ends lowest."""

    def judged(run: Run) -> tuple[float, float, Run]:
        gaps = np.asarray(task.gaps(run.outers))
        gaps = np.where(np.isfinite(gaps), gaps, np.inf)
        above = np.flatnonzero(gaps > TARGET)
        first = 0 if not len(above) else above[-1] + 1
        return (first if first < len(gaps) else np.inf), gaps[-1], run

    at, last, run = min(map(judged, found), key=lambda x: x[:2])
    share = (at + 1) / len(run.outers)
    reached = (
        "not | | "
        if at == np.inf
        else f"{(at + 1) * run.gradients / 1e3:.0f} | {share * run.seconds:.2f} | "
    )
    per = 1e9 * run.seconds / (run.gradients * len(run.outers)) / 1e3
    return f"| {name} | {run.settings} | {reached}{last:.0e} | {per:.1f} |"


def main() -> None:
    """Print a table for each problem."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="parts of names: soba,amigo")
    parser.add_argument("--task", default="selection,cleaning", help="names")
    parser.add_argument("--gradients", type=float, default=1e6, help="of each run")
    parser.add_argument("--inner", type=float, help="ρ instead of that of the task")
    parser.add_argument("--outer", type=float, nargs="+", help="γ, likewise")
    parser.add_argument("--exponent", type=float, help="of the outer step, likewise")
    parser.add_argument("--benchopt", help="a checkout of benchmark_bilevel")
    parser.add_argument("--rivals", action="store_true", help="other libraries, too")
    options = parser.parse_args()
    only = options.only.split(",")
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_enable_x64", True)
    for make in (selection, hard_selection, cleaning):
        if make.__name__ not in options.task.split(","):
            continue
        task, own = make(), SETTINGS[make.__name__]
        own = own._replace(
            inner=options.inner or own.inner,
            outer=options.outer or own.outer,
            exponent=own.exponent if options.exponent is None else options.exponent,
        )
        print(
            "\n| solver | best of the grid | 1000 gradients | s | last gap | μs each |"
        )
        print("| --- | --- | ---: | ---: | ---: | ---: |")
        ours = (
            (name, functools.partial(runs, task, entry, own, options.gradients))
            for name, entry in entries(task, own).items()
        )
        given = options.gradients, options.benchopt, options.rivals
        theirs = others(task, own, *given)
        for name, run in itertools.chain(ours, theirs):
            if any(part in name for part in only):
                print(row(task, name, list(run())), flush=True)
        print()


if __name__ == "__main__":
    main()
