"""The supernet of a search, at its initial weights and after a warm-up."""

import tempfile
from dataclasses import replace
from typing import Any, NamedTuple

import jax

from autoreg_jax import hypergrad
from autoreg_jax.config import RunConfig
from autoreg_jax.data import PairSampler, load_cohort, read_dataset, write_population
from autoreg_jax.hypergrad import BilevelProblem, Point
from autoreg_jax.programs import (
    NetworkFamily,
    Programs,
    gather_pair,
    initial_vector,
    on_device,
    schedule,
    shrunk,
)
from autoreg_jax.search_space import ArchitectureLogits
from autoreg_jax.workflows._demo import SPACING

_NUM_SUBJECTS = 10
# Half a voxel is as far from the kinks as possible; this is less regular.
_OFF_THE_GRID = 0.37


class Supernet(NamedTuple):
    """Eq. (6) on simulated subjects, at some ω.

    Attributes:
        points: By name: ω, α, all zero, and pairs that no ω was trained on.
        kinks: Share of the displacements at half resolution within 0.05 voxel of a
            whole number, by the same names.
        compiled: The problem with compiled derivatives.
        cubic: The same with cubic interpolation of the moving image.
        plain: The problem without compiled derivatives.
        learning_rate: ξ of the inner step.
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
    """Simulate subjects and train ω under equal α.

    The points are the initial ω, the same with its field moved off the voxel grid,
    where linear interpolation has its kinks, and ω after the warm-up.

    Args:
        config: Network, objective and search; its estimator is not used.
        warm_up: Steps of ω.
        dimensions: 2 or 3.
        network: A network family of your own, with a head `velocity_half`.

    Returns:
        The problem and the points.

    Raises:
        DataError: If nilearn, which provides the template, is not installed.
    """
    cohorts = _simulated(config, dimensions)
    samplers = [PairSampler(len(c.images), seed=config.seed) for c in cohorts]
    programs = Programs(config, dimensions, network=network)
    mixed, layout = programs.mixed, programs.layout(programs.mixed)
    start = initial_vector(mixed, dimensions, layout, (config.seed,))
    algorithm = programs.search(schedule(config)[0][0])
    alpha = ArchitectureLogits.zeros()
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
        table = write_population(
            folder,
            num_subjects=_NUM_SUBJECTS,
            spacing=SPACING[dimensions],
            dimensions=dimensions,
            seed=config.seed,
        )
        dataset = read_dataset(table)
        cohorts = [load_cohort(dataset, split) for split in ("train", "validation")]
        return [shrunk(on_device(cohort), config.search.shrink) for cohort in cohorts]


def _moved(omega: Any, layout: Any) -> Any:
    """ω with a constant added to the velocity, voxels at half resolution."""
    params = layout.to_tree(omega)
    head = params["velocity_half"]
    head = head | {"bias": head["bias"] + _OFF_THE_GRID}
    return layout.to_vector(params | {"velocity_half": head})
