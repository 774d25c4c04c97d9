"""A search that is run by hand, some iterations at a time."""

import operator
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import jax
import numpy as np

from autoreg_jax.config import RunConfig
from autoreg_jax.data import Cohort
from autoreg_jax.display import number
from autoreg_jax.errors import ConfigError
from autoreg_jax.programs import copied
from autoreg_jax.runtime import in_single_precision
from autoreg_jax.search_space import ArchitectureLogits
from autoreg_jax.workflows._job import SearchJob, SearchResult
from autoreg_jax.workflows._journal import Journal
from autoreg_jax.workflows._pairs import search_data
from autoreg_jax.workflows._search import search_job
from autoreg_jax.workflows._stage import StageRun, as_lists, found_by, stage_task
from autoreg_jax.workflows._task import Progress, Task, begun, next_place
from autoreg_jax.workflows.strategies import stages


@dataclass(frozen=True, eq=False)
class SearchProgress:
    """How far a search is. It is never changed, and it can be pickled.

    Attributes:
        stage: The stage that the next step belongs to; None after the last one.
        step: Steps of this stage that are done.
        alpha: α now, NumPy arrays.
        lam: λ now.
        omega: Weights ω now, as Flax nests them: of the mixed network, or of the chosen
            one while λ is searched.
        records: One dictionary a step so far, as in metrics.jsonl.
        result: What the search has found; None before its end.
    """

    stage: str | None = None
    step: int = 0
    alpha: ArchitectureLogits | None = None
    lam: Mapping[str, float] = field(default_factory=dict)
    omega: Any = None
    records: tuple[dict[str, Any], ...] = ()
    result: SearchResult | None = None
    _outcomes: tuple[Any, ...] = ()
    _place: Progress | None = None
    _origin: Mapping[str, Any] | None = None

    def __repr__(self) -> str:
        place = "at its end" if self.stage is None else f"stage {self.stage!r}"
        lam = ", ".join(f"{name} {number(value)}" for name, value in self.lam.items())
        done = f"{self.step} steps of it, {len(self.records)} in all"
        return f"SearchProgress({place}, {done}, weights: {lam or 'none'})"


class SteppedSearch:
    """Algorithm 1 by hand: look at the search between any two of its steps.

    It goes through the same states as `search`, with records but without a folder.
    Images that are read while it runs are read ahead within one call of `step` alone,
    so with them many steps a call are faster than one.

    Args:
        train: Subjects from which ω learns.
        validation: Other subjects, by which α and λ are chosen.
        config: The run.
        **own: `genotype`, `network`, `objective`, `estimator`, `programs`: as for
            `search`.

    Raises:
        DataError, ValueError: As `search`.
        ConfigError: As `search`, and for every strategy but `darts`, Algorithm 1.

    Examples:
        >>> search = SteppedSearch(train, validation, config)  # doctest: +SKIP
        >>> state = search.step(search.start(), 10)  # doctest: +SKIP
        >>> state.stage, state.step  # doctest: +SKIP
        ('feature', 10)
    """

    def __init__(
        self, train: Cohort, validation: Cohort, config: RunConfig, **own: Any
    ) -> None:
        if config.search.strategy not in ("auto", "darts"):
            raise ConfigError(
                "search.strategy: SteppedSearch runs Algorithm 1, got "
                f"{config.search.strategy!r}; set it to 'darts', or use search."
            )
        config = replace(config, search=replace(config.search, strategy="darts"))
        self._job = search_job(train, validation, config, Journal(), **own)
        self._data = search_data(train, validation, self._job.config, self._job.devices)
        self._origin = _origin_of(self._job)

    def start(self) -> SearchProgress:
        """Before the first step."""
        return self.step(SearchProgress(_origin=self._origin), 0)

    @in_single_precision
    def step(self, progress: SearchProgress, steps: int = 1) -> SearchProgress:
        """Do some steps, or less if the search ends before.

        Args:
            progress: From `start` or an earlier call; it stays as it is.
            steps: How many (a whole number >= 0), through several stages if need be.

        Returns:
            The search after them.

        Raises:
            ConfigError: If `progress` is of a search with other settings or subjects.
                A search on another `mesh` may continue it.
            NonFiniteError: If a loss, gradient or weight became NaN or infinite.
            ValueError: If `steps` is no whole number >= 0.
        """
        steps = _whole(steps)
        _check_origin(progress, self._origin)
        records, outcomes = list(progress.records), progress._outcomes
        place, omega = progress._place, progress.omega
        alpha, lam = progress.alpha, progress.lam
        run, finish = self._next_stage(records, outcomes)
        while run is not None:
            outer, is_over = run.outer, run.stage.settings.steps == 0
            if steps and not is_over:
                task = stage_task(self._job, run)
                before = place.step if place else 0
                place = self._advance(task, place, steps, records)
                steps -= place.step - before
                layout = self._job.programs.layout(
                    run.network or self._job.programs.mixed
                )
                omega = layout.to_tree(np.asarray(place.state.omega))
                is_over = place.is_over
                outer = jax.device_get(place.state.outer)
                if is_over:
                    outer = found_by(run, place.records)
            elif place is not None:
                outer = jax.device_get(place.state.outer)
            if run.stage.is_of_lambda:
                lam = as_lists(outer)
            else:
                alpha, lam = outer, as_lists(run.lam)
            if not is_over:
                break
            outcomes, place = (*outcomes, outer), None
            run, finish = self._next_stage(records, outcomes)
        return SearchProgress(
            stage=run and run.stage.name,
            step=place.step if place else 0,
            alpha=alpha,
            lam=lam,
            omega=omega,
            records=tuple(records),
            result=finish(omega) if finish else None,
            _outcomes=outcomes,
            _place=place,
            _origin=self._origin,
        )

    def _next_stage(
        self, records: list[dict[str, Any]], outcomes: tuple[Any, ...]
    ) -> tuple[StageRun | None, Callable[[Any], SearchResult] | None]:
        """The stage after those with these outcomes; after the last one, the result."""
        journal = Journal()
        journal.records = records
        flow = stages(replace(self._job, journal=journal), self._data)
        try:
            run = next(flow)
            for outcome in outcomes:
                run = flow.send(outcome)
        except StopIteration as end:
            return None, end.value
        return run, None

    def _advance(
        self, task: Task, place: Progress | None, steps: int, records: list[Any]
    ) -> Progress:
        """Do some steps of a stage, which leave the given state as it is."""
        state = task.start() if place is None else copied(place.state)
        state = task.devices.everywhere(state)
        place = begun(task, state) if place is None else place._replace(state=state)
        clock = self._job.journal.clock
        begin, last = clock() - place.seconds, place.step + steps

        def rewind(step: int) -> None:
            stage = task.stage
            kept = [r for r in records if r["stage"] != stage or r["step"] <= step]
            records[:] = kept

        with task.devices.active():
            while place.step < last and not place.is_over:
                end = min(task.next_end(place.step), last)
                elapsed = lambda: clock() - begin  # noqa: E731
                place = next_place(task, place, end, elapsed, records.append, rewind)
        return place


_PARTS = ("seed", "pairs", "network", "objective", "search", "quirks", "divergence")


def _origin_of(job: SearchJob) -> dict[str, Any]:
    """By its name in the configuration, all that the states of a search depend on."""
    settings = asdict(job.config)
    del settings["search"]["steps_per_call"]  # how it is computed, not what
    subjects = {
        "training subjects": job.train.names,
        "validation subjects": job.validation.names,
        "volumes": job.train.images.shape[1:-1],
        "genotype": None if job.genotype is None else job.genotype.to_json(),
    }
    return _flat({part: settings[part] for part in _PARTS}) | subjects


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found


def _check_origin(progress: SearchProgress, here: Mapping[str, Any]) -> None:
    """Refuse a state of another search."""
    there = progress._origin
    if there is None and progress.stage is None and not progress.records:
        return  # before everything
    there = there or {}
    for name in sorted(here.keys() | there.keys()):
        was, now = there.get(name), here.get(name)
        if was != now:
            raise ConfigError(
                f"progress: comes from another search, with {name} {was!r}, here it is "
                f"{now!r}; continue it with a SteppedSearch of the same settings and "
                "subjects, or begin with start()."
            )


def _whole(steps: Any) -> int:
    try:
        if isinstance(steps, bool) or operator.index(steps) < 0:
            raise TypeError
    except TypeError:
        raise ValueError(
            f"steps: must be a whole number >= 0, got {steps!r}."
        ) from None
    return operator.index(steps)
