"""What the host adds to an iteration: `python -m tests.benchmarks.dispatch`.

The network is the tiny one of the tests, whose arithmetic takes a millisecond. 500
iterations (50 where they are slow), each with a step of α, are made by
`workflows.search`, its records in memory: as one program in calls of 1, 10 and 50
steps, and in parts. An iteration that is one jitted function is called by hand,
fetching nothing. All are compiled before and take turns; the smallest time of each
counts.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from stand_in import SmallNetwork, make_cohort

from autoreg_jax import config, workflows
from autoreg_jax.programs import (
    Programs,
    StageData,
    StageRow,
    initial_lambda,
    initial_vector,
    on_device,
    schedule,
    search_step,
    shrunk,
)
from autoreg_jax.search_space import ArchitectureLogits

MANY, FEW, ROUNDS = 500, 50, 3
NONE = {"steps": 0, "warm_up": 0}


def make_settings(
    steps_per_call: int | None = None, steps: int = MANY
) -> config.RunConfig:
    """A stage of α that moves in every step."""
    stage = {"steps": steps, "warm_up": 0, "learning_rate": 1e-2}
    search = {"feature": stage, "deformation": NONE, "lam": NONE}
    search["steps_per_call"] = steps_per_call
    objective = {"windows": [5, 3, 3]}
    network = vars(config.load("table2").network)  # has cells to search
    changes = {"network": network, "objective": objective, "search": search}
    return config.merge(config.RunConfig(), changes)


def by_hand(subjects: list) -> Callable[[], float]:
    """Iterations of one jitted function; gives the seconds of one."""
    settings = make_settings()
    programs = Programs(settings, 2, network=SmallNetwork)
    stage = schedule(settings)[0][0]
    algorithm = programs.search(stage, is_plain=True)
    alpha = jax.tree.map(jnp.asarray, ArchitectureLogits.zeros())
    images = [shrunk(on_device(cohort), settings.search.shrink) for cohort in subjects]
    data = StageData(*images, stage.owned(alpha), initial_lambda(settings))
    pair = np.array([0], np.int32), np.array([1], np.int32)
    row = StageRow(pair, pair, np.bool_(True))
    step = jax.jit(search_step(algorithm, is_compiled=True))
    omega = initial_vector(
        programs.mixed, 2, programs.layout(programs.mixed), (0, stage.stream)
    )
    start = algorithm.init(omega, alpha)

    def run() -> float:
        state, begin = start, time.perf_counter()
        for _ in range(MANY):
            state, _ = step(state, row, data)
        jax.block_until_ready(state)
        return (time.perf_counter() - begin) / MANY

    return run


def by_workflow(
    subjects: list, steps_per_call: int | None, *, whole: bool
) -> Callable[[], float]:
    """Iterations of `workflows.search`; gives the seconds of one."""
    steps = FEW if steps_per_call == 1 or not whole else MANY
    settings = make_settings(steps_per_call, steps)
    programs = Programs(settings, 2, network=SmallNetwork, in_one_program=whole)

    def run() -> float:
        begin = time.perf_counter()
        workflows.search(*subjects, settings, programs=programs)
        return (time.perf_counter() - begin) / steps

    return run


def main() -> None:
    """Measure and print."""
    subjects = [make_cohort(4, 1), make_cohort(3, 2)]
    cases = {
        "one jitted iteration, by hand": by_hand(subjects),
        "search, ten steps a call": by_workflow(subjects, 10, whole=True),
        "search, one step a call": by_workflow(subjects, 1, whole=True),
        "search, 50 steps a call": by_workflow(subjects, 50, whole=True),
        "search, in parts": by_workflow(subjects, None, whole=False),
    }
    for run in cases.values():
        run()
    times = {name: [] for name in cases}
    for _ in range(ROUNDS):
        for name, run in cases.items():
            times[name].append(run())
    best = {name: min(some) for name, some in times.items()}
    hand = next(iter(best.values()))
    print("| | ms an iteration | ratio |\n| --- | --- | --- |")
    for name, seconds in best.items():
        print(f"| {name} | {1e3 * seconds:.2f} | {seconds / hand:.2f} |")


if __name__ == "__main__":
    main()
