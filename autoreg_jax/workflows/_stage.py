"""One stage of Algorithm 1 as a task: its state, its pairs and its records."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from autoreg_jax.bilevel import FarAlgorithm, SearchAlgorithm
from autoreg_jax.losses import in_order
from autoreg_jax.programs import (
    Network,
    Programs,
    Stage,
    StageData,
    StageInfo,
    StageRow,
    check_estimator,
    far_algorithm,
    far_steps,
    initial_vector,
    outer_kind,
    search_steps,
    stacked_rows,
)
from autoreg_jax.workflows._images import PairImages, chunk_sizes, waiting
from autoreg_jax.workflows._job import SearchJob
from autoreg_jax.workflows._loop import last_state, repeat
from autoreg_jax.workflows._origin import of_splits
from autoreg_jax.workflows._pairs import SearchData, pair_names
from autoreg_jax.workflows._stopping import result_step, stop_rule
from autoreg_jax.workflows._task import Task
from autoreg_jax.workflows.divergence import (
    check_finite,
    check_outer,
    check_sane,
    checks_of,
    rollback_of,
    sifted,
)


@dataclass(frozen=True, eq=False)
class StageRun:
    """A stage with what it begins with.

    Attributes:
        stage: The stage.
        data: Its pairs.
        outer: Host values of α, or of λ, before the stage.
        network: The network of a stage of λ.
        lam: λ in a stage of α.
        seconds: Its time; the warm-up takes no larger share of it than of the steps.
    """

    stage: Stage
    data: SearchData
    outer: Any
    network: Network | None = None
    lam: Any = None
    seconds: float = math.inf


def run_stage(job: SearchJob, run: StageRun) -> tuple[Any, Any]:
    """Search one outer variable while fresh weights ω learn under it.

    A finished stage is read from the journal.

    Returns:
        α or λ after the stage, NumPy arrays, and ω, or None if the run has no folder
        from which it could be read.
    """
    journal, stage = job.journal, run.stage
    task = stage_task(job, run)
    last = journal.last(stage.name) if journal.resume else None
    if last is None or result_step(last, task.steps) is None:
        omega = repeat(task, journal).omega
    else:
        state = last_state(task, journal)
        omega = None if state is None else state.omega
    return found_by(run, journal.of_stage(stage.name)), jax.device_get(omega)


def found_by(run: StageRun, records: Sequence[Mapping[str, Any]]) -> Any:
    """α or λ after a finished stage, NumPy arrays, from its records."""
    step = result_step(records[-1], run.stage.settings.steps)
    return _from_record(run.outer, next(r for r in records if r["step"] == step))


def stage_task(job: SearchJob, run: StageRun) -> Task:
    """The loop of a stage; its records hold the outer variable after every step."""
    stage, data, lam, network = run.stage, run.data, run.lam, run.network
    settings, programs, seed = stage.settings, job.programs, job.config.seed
    divergence = job.config.divergence
    train_pairs, valid_pairs = data.samplers(stage, seed)
    eigenvalue = _make_eigenvalue(stage, programs, data, valid_pairs, lam)
    searched = network or programs.mixed
    algorithm: SearchAlgorithm | FarAlgorithm
    if stage.far:
        algorithm = far_algorithm(programs, stage, network)
    else:
        algorithm = programs.search(stage, network)
    owned, weights = job.devices.everywhere((stage.owned(run.outer), lam))
    fixed = StageData(data.train.outline, data.valid.outline, owned, weights)
    labels = {
        "num_structures": data.num_structures,
        "has_background": data.has_background,
        "train_structures": data.train_structures,
    }
    check_estimator(programs, stage, fixed, network, **labels)
    make_steps = far_steps if stage.far else search_steps
    searching = make_steps(programs, stage, fixed, network, **labels)
    chunk, size = chunk_sizes(
        job.config.search.steps_per_call,
        searching.chunk,
        (data.train, train_pairs),
        (data.valid, valid_pairs),
    )
    train_images = PairImages(data.train, train_pairs, settings.steps, chunk)
    valid_images = PairImages(data.valid, valid_pairs, settings.steps, chunk)

    def start() -> Any:
        omega = initial_vector(
            searched,
            programs.ndim,
            programs.layout(searched),
            (seed, stage.stream),
            is_torch=programs.config.quirks.torch_start,
            channels=programs.channels,
        )
        return algorithm.init(omega, jax.tree.map(jnp.array, run.outer))

    def is_active(step: int, passed: float) -> Any:
        is_warm = passed >= run.seconds * settings.warm_up / max(1, settings.steps)
        return np.bool_(stage.is_active(step, is_warm=is_warm))

    def advance(state: Any, steps: range, passed: float) -> tuple[Any, Any]:
        train, pairs = train_images.chunk(steps)
        valid, valid_rows = valid_images.chunk(steps)
        active = [is_active(step, passed) for step in steps]
        rows = list(map(StageRow, pairs, valid_rows, active))
        if stage.far:
            far = map(np.bool_, np.asarray(steps) >= settings.warm_up)
            rows = [r._replace(is_far=f) for r, f in zip(rows, far, strict=True)]
        here = fixed._replace(train=train, valid=valid)
        return searching.run(state, stacked_rows(rows, size), len(steps), here)

    def describe(state: Any, infos: list[Any], step: int) -> dict[str, Any]:
        drawn = train_pairs[step - 1], valid_pairs[step - 1]
        more = partial(eigenvalue, state, stage.moves(step - 1))
        record = _record(stage, step, infos[-1], more, _names(data, drawn))
        return record | waiting(train_images, valid_images)

    def show(fields: dict[str, Any]) -> dict[str, Any]:
        shown = {
            "loss": fields.get("train_loss"),
            "validation": fields.get("valid_loss"),
        }
        return shown | fields.get("lam", {})

    def inputs() -> dict[str, Any]:
        return {
            **of_splits(data.train.cohort, data.valid.cohort),
            "start of α or λ": as_lists(run.outer),
            "loss weights": {} if lam is None else as_lists(lam),
            "architecture": str(getattr(searched, "genotype", "")),
            "settings": {
                "seed": seed,
                "learning_rate": float(settings.learning_rate),
                "omega_learning_rate": float(stage.omega_learning_rate),
                "estimator": stage.hypergradient.name,
            },
        }

    every = stage.stop.eigenvalue_every

    def is_measured(step: int) -> bool:
        return bool(every) and stage.moves(step - 1) % every == 0

    return Task(
        stage.name,
        settings.steps,
        start,
        advance,
        describe,
        show,
        chunk=chunk,
        is_end=is_measured,
        devices=job.devices,
        stop=stop_rule(stage, run.seconds),
        check=checks_of(stage.name, divergence, keep="last", about=_rates(stage)),
        rollback=rollback_of(divergence),
        inputs=inputs,
    )


def _record(
    stage: Stage,
    step: int,
    told: Any,
    measured: Callable[[], Mapping[str, float]],
    pairs: str,
) -> dict[str, Any]:
    """The fields of a record after a step, from 1; all values are on the host.

    Raises:
        NonFiniteError: If one of the numbers is NaN or infinite, or if the stage has
            diverged.
    """
    made, skipped = sifted([told], step, lambda _: pairs)
    if not made:
        outer = told.info.outer
        return skipped | {outer_kind(outer): as_lists(outer)}
    info: StageInfo = made[0][1]
    about = f"{pairs}; {_rates(stage)}"
    more = measured() if info.is_active else {}
    inner = info.inner
    terms = {term: float(v) for term, v in in_order(inner.terms).items()}
    values, nested = {"train_loss": float(inner.train_loss)}, {}
    is_finite = bool(inner.is_finite)
    if info.is_active:
        moved = info.moved._asdict()
        is_finite = is_finite and bool(moved.pop("is_finite"))
        nested = {k: as_lists(v) for k, v in moved.items() if isinstance(v, Mapping)}
        values |= {k: float(v) for k, v in moved.items() if k not in nested}
        values |= more
    is_finite = is_finite and all(map(math.isfinite, values.values()))
    check_finite(stage.name, step, is_finite, terms | values, about)
    check_sane(stage.name, step, terms, keep="last", about=about)
    key, outer = outer_kind(info.outer), as_lists(info.outer)
    check_outer(stage.name, step, key, outer, about)
    return values | nested | {"terms": terms, key: outer}


def _names(data: SearchData, drawn: tuple[Any, Any]) -> str:
    """The training and the validation pairs of a step."""
    train = pair_names(data.train.cohort, drawn[0])
    return f"{train}, validation {pair_names(data.valid.cohort, drawn[1])}"


def _rates(stage: Stage) -> str:
    name, rate = "λ" if stage.is_of_lambda else "α", stage.settings.learning_rate
    return f"learning rates: ω {stage.omega_learning_rate:.3g}, {name} {rate:.3g}"


def _make_eigenvalue(
    stage: Stage, programs: Programs, data: SearchData, valid_pairs: Any, lam: Any
) -> Callable[[Any, int], dict[str, float]]:
    """The curvature in α for the records, measured after every n-th move."""
    every = stage.stop.eigenvalue_every
    if stage.is_of_lambda or not every:
        return lambda state, move: {}
    program = programs.curvature(stage.parts)
    # Always of one pair: from pair to pair it differs more than from move to move.
    batch = data.valid_batch([side[:1] for side in valid_pairs[0]], lam)

    def eigenvalue(state: Any, move: int) -> dict[str, float]:
        if move % every:
            return {}
        return {"eigenvalue": float(program(state.omega, state.outer, batch))}

    return eigenvalue


def as_lists(outer: Any) -> dict[str, Any]:
    """α or λ in the form of JSON, which gives back each float32 exactly."""
    parts = outer._asdict() if outer_kind(outer) == "alpha" else in_order(outer)
    return {part: np.asarray(value).tolist() for part, value in parts.items()}


def _from_record(like: Any, record: Mapping[str, Any]) -> Any:
    """α or λ of a record, NumPy arrays in a tree like `like`."""
    values, (first, *_) = record[outer_kind(like)], jax.tree.leaves(like)
    found = {name: np.asarray(value, first.dtype) for name, value in values.items()}
    return found if isinstance(like, Mapping) else type(like)(**found)
