"""The supernet of a search, at its initial weights and after a warm-up."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import jax

from autoreg_jax import hypergrad
from autoreg_jax.config import RunConfig
from autoreg_jax.data import PairSampler, load_cohort, read_dataset
from autoreg_jax.hypergrad import BilevelProblem, Point
from autoreg_jax.programs import (
    NetworkFamily,
    Programs,
    cells_of,
    gather_pair,
    initial_vector,
    on_device,
    schedule,
    shrunk,
)
from autoreg_jax.search_space import ArchitectureLogits
from autoreg_jax.workflows._auto import simulated

_NUM_SUBJECTS = 10
# Half a voxel is as far from the kinks as possible; this is less regular.
_OFF_THE_GRID = 0.37


class Supernet(NamedTuple):
    """Eq. (6) on simulated subjects, at some ω.

    `points` have zero α and pairs that no ω was trained on; `kinks` is by the same
    names. `compiled` and `plain` are one problem with and without compiled derivatives,
    `cubic` the first with cubic interpolation; `learning_rate` is ξ of the inner step.
    """

    points: dict[str, Point]
    kinks: dict[str, float]
    compiled: BilevelProblem
    cubic: BilevelProblem
    plain: BilevelProblem
    learning_rate: float


def make_supernet(
    config: RunConfig,
    *,
    warm_up: int,
    dimensions: int,
    network: NetworkFamily | None = None,
) -> Supernet:
    """Simulate subjects and train ω under equal α for `warm_up` steps.

    The points are the initial ω, the same with its field moved off the voxel grid,
    where linear interpolation has its kinks, and ω after the warm-up. A network family
    of your own needs a head `velocity_half`.
    """
    cohorts = _simulated(config, dimensions)
    samplers = [PairSampler(len(c.images), seed=config.seed) for c in cohorts]
    programs = Programs(config, dimensions, network=network)
    mixed, layout = programs.mixed, programs.layout(programs.mixed)
    start = initial_vector(mixed, dimensions, layout, (config.seed,))
    algorithm = programs.search(schedule(config)[0][0])
    alpha = ArchitectureLogits.zeros(programs.candidates, cells_of(mixed))
    state = algorithm.init(start, alpha)
    for step in range(warm_up):
        batch = gather_pair(cohorts[0], samplers[0][step])
        state, _ = algorithm.inner_step(state, batch)
    pairs = [
        gather_pair(cohort, sampler[warm_up])
        for cohort, sampler in zip(cohorts, samplers, strict=True)
    ]
    weights = {
        "at the start": start,
        "off the grid": _moved(start, layout),
        f"after {warm_up} steps": state.omega,
    }

    @jax.jit
    def kinks(omega: Any) -> Any:
        params = {"params": layout.to_tree(omega)}
        out: Any = mixed.apply(params, pairs[0].moving, pairs[0].fixed, alpha)
        return hypergrad.kink_density(out.displacements.half, period=1.0)

    cubic = replace(config, objective=replace(config.objective, interpolation="cubic"))
    return Supernet(
        {name: Point(omega, alpha, *pairs) for name, omega in weights.items()},
        {name: float(kinks(omega)) for name, omega in weights.items()},
        programs.problem().bilevel,
        Programs(cubic, dimensions, network=network).problem().bilevel,
        programs.plain_problem().bilevel,
        config.search.look_ahead_learning_rate,
    )


def _simulated(config: RunConfig, dimensions: int) -> list[Any]:
    """Training and validation images on the grid of the search."""
    with tempfile.TemporaryDirectory() as folder:
        place, count = Path(folder), _NUM_SUBJECTS
        table = simulated(place, dimensions, config.seed, num_subjects=count)
        dataset = read_dataset(table)
        cohorts = [load_cohort(dataset, split) for split in ("train", "validation")]
        return [shrunk(on_device(cohort), config.search.shrink) for cohort in cohorts]


def _moved(omega: Any, layout: Any) -> Any:
    """ω with a constant added to the velocity, voxels at half resolution."""
    params = layout.to_tree(omega)
    head = params["velocity_half"]
    head = head | {"bias": head["bias"] + _OFF_THE_GRID}
    return layout.to_vector(params | {"velocity_half": head})
