"""One stage of Algorithm 1 as a task: its state, its pairs and its records."""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from autoreg_jax.config import RunConfig
from autoreg_jax.data import Cohort, PairSampler
from autoreg_jax.losses import in_order
from autoreg_jax.search import InnerInfo, OuterInfo, PairBatch, owned_by
from autoreg_jax.search_space import ArchitectureLogits, Genotype
from autoreg_jax.workflows._build import (
    DeviceCohort,
    make_network,
    make_stage,
    on_device,
    shrunk,
    stage_config,
    stage_stop,
)
from autoreg_jax.workflows._initial import initial_vector
from autoreg_jax.workflows._journal import Journal
from autoreg_jax.workflows._judge import check_judge
from autoreg_jax.workflows._loop import Task, check_finite
from autoreg_jax.workflows._programs import curvature, gather_pair, search_algorithm
from autoreg_jax.workflows._roles import Roles, roles_of
from autoreg_jax.workflows._schedule import Part
from autoreg_jax.workflows._stopping import owned_parts, stop_rule


def sampler_seed(seed: int, stage: int, role: int) -> int:
    """A seed of its own for the pairs of each stage and of each of its roles."""
    return int(np.random.SeedSequence((seed, stage, role)).generate_state(1)[0])


class Given(NamedTuple):
    """What the outer variable of a stage is searched on.

    Attributes:
        train: Training images, without labels.
        valid: Validation images, with labels where they judge λ.
        train_roles: Which of the training images are moving and which fixed.
        valid_roles: The same of the validation images.
        lam: Weights of L_reg in a stage of α.
        genotype: The network of the stage of λ; None for the mixed network.
        num_structures: Foreground classes of the labels.
        has_background: The background is one more class.
    """

    train: DeviceCohort
    valid: DeviceCohort
    train_roles: Roles
    valid_roles: Roles
    lam: Any = None
    genotype: Genotype | None = None
    num_structures: int = 0
    has_background: bool = False

    def train_batch(self, pair: Any) -> PairBatch:
        """A pair, moving and fixed index, each in an array."""
        return gather_pair(self.train, pair)._replace(lam=self.lam)

    def valid_batch(self, pairs: Any) -> Any:
        """A pair, or a tuple of them where there are several."""
        sides = np.stack(pairs)
        batches = [
            gather_pair(
                self.valid,
                tuple(sides[:, [place]]),
                self.num_structures,
                has_background=self.has_background,
            )._replace(lam=self.lam)
            for place in range(sides.shape[1])
        ]
        return batches[0] if len(batches) == 1 else tuple(batches)


def make_given(
    train: Cohort, validation: Cohort, config: RunConfig
) -> tuple[Given, Given]:
    """What α is searched on, smaller images, and what λ is, with what judges it.

    Raises:
        DataError: If what is to judge λ is missing, or no pair is as `config.pairs`
            asks.
    """
    check_judge(config, validation)
    images = on_device(train, with_labels=False)
    judges = on_device(
        validation,
        with_labels=config.search.judge == "dice",
        with_landmarks=config.search.judge == "landmarks",
    )
    roles = roles_of(train, config.pairs), roles_of(validation, config.pairs)
    whole = Given(
        images,
        judges,
        *roles,
        num_structures=len(validation.structures),
        has_background=config.quirks.background_dice,
    )
    shrink = config.search.shrink
    small = Given(shrunk(images, shrink), shrunk(judges, shrink), *roles)
    return small, whole


def search_task(
    part: Part,
    config: RunConfig,
    given: Given,
    outer: Any,
    journal: Journal,
    *,
    seconds: float = math.inf,
) -> Task:
    """Search one outer variable while fresh weights ω learn under it.

    Args:
        part: Which one, in which round.
        config: The run.
        given: Data and network.
        outer: Host values of α, or of λ, before the stage.
        journal: Holds the records of the stage so far.
        seconds: Time of the stage; its warm-up takes no larger part of it than of the
            steps.

    Returns:
        The task; its records hold the outer variable after every step.
    """
    kind, seed = part.kind, (config.seed, part.number)
    stage, settings = make_stage(config, kind), stage_config(config.search, kind)
    ndim = given.train.images.ndim - 2
    algorithm = search_algorithm(config, given.genotype, ndim, kind)
    owned = owned_by(kind, outer if kind == "lam" else None)
    train_pairs, valid_pairs = (
        PairSampler(
            len(cohort.images),
            batch_size=size,
            seed=sampler_seed(*seed, number),
            **roles._asdict(),
        )
        for number, (cohort, size, roles) in enumerate(
            (
                (given.train, 1, given.train_roles),
                (given.valid, settings.valid_pairs, given.valid_roles),
            )
        )
    )
    eigenvalue = _make_eigenvalue(config, kind, given, valid_pairs)
    key = "lam" if kind == "lam" else "alpha"

    def start() -> Any:
        network = make_network(config, given.genotype)
        is_torch = config.quirks.torch_start
        omega = initial_vector(network, ndim, seed, is_torch=is_torch)
        return algorithm.init(omega, jax.tree.map(jnp.array, outer))

    def advance(state: Any, step: int) -> tuple[Any, Any]:
        train_batch, moved = given.train_batch(train_pairs[step]), None
        last = journal.last(part.name)
        passed = 0.0 if last is None else last["seconds"]
        is_warm = passed >= seconds * stage.warm_up / max(1, stage.steps)
        if stage.is_active(step, is_warm=is_warm):
            valid_batch = given.valid_batch(valid_pairs[step])
            state, moved = algorithm.outer_step(state, train_batch, valid_batch, owned)
        state, inner = algorithm.inner_step(state, train_batch)
        return state, (inner, moved)

    def describe(state: Any, infos: list[Any], step: int) -> dict[str, Any]:
        (inner, moved), variable = jax.device_get((infos[-1], state.outer))
        more = {} if moved is None else eigenvalue(state, stage.moves(step - 1))
        return search_fields(part.name, step, inner, moved, variable, more)

    def show(fields: dict[str, Any]) -> dict[str, Any]:
        shown = {"loss": fields["train_loss"], "validation": fields.get("valid_loss")}
        return shown | (fields["lam"] if key == "lam" else {})

    rule = stop_rule(kind, stage_stop(config.search, kind), seconds)
    return Task(part.name, stage.steps, start, advance, describe, show, stop=rule)


def search_fields(
    name: str,
    step: int,
    inner: InnerInfo,
    moved: OuterInfo | None,
    variable: Any,
    more: Mapping[str, float],
) -> dict[str, Any]:
    """The fields of a record of the search.

    Args:
        name: Of the stage, for the message of an error.
        step: The step, from 1.
        inner: What the step of ω says, host values.
        moved: What the step of the outer variable says, if it moved.
        variable: α or λ after both.
        more: Further values.

    Raises:
        NonFiniteError: If one of the numbers is NaN or infinite.
    """
    terms = {term: float(v) for term, v in in_order(inner.terms).items()}
    values = {"train_loss": float(inner.train_loss)}
    is_finite = bool(inner.is_finite)
    if moved is not None:
        values |= {field: float(v) for field, v in moved._asdict().items()}
        is_finite = is_finite and bool(values.pop("is_finite"))
        values |= more
    is_finite = is_finite and all(map(math.isfinite, values.values()))
    check_finite(name, step, is_finite, terms | values)
    key = "alpha" if isinstance(variable, ArchitectureLogits) else "lam"
    return values | {"terms": terms, key: as_lists(variable)}


def _make_eigenvalue(
    config: RunConfig, kind: str, given: Given, valid_pairs: PairSampler
) -> Callable[[Any, int], dict[str, float]]:
    """What a record says of the curvature in α after some moves; mostly nothing."""
    every = stage_stop(config.search, kind).eigenvalue_every
    if kind == "lam" or not every:
        return lambda state, move: {}
    ndim = given.train.images.ndim - 2
    program = curvature(config, ndim, owned_parts(kind))
    # Always of one pair: from pair to pair it differs more than from move to move.
    batch = given.valid_batch([side[:1] for side in valid_pairs[0]])

    def eigenvalue(state: Any, move: int) -> dict[str, float]:
        if move % every:
            return {}
        return {"eigenvalue": float(program(state.omega, state.outer, batch))}

    return eigenvalue


def as_lists(outer: Any) -> dict[str, Any]:
    """α or λ as JSON holds it; every float32 comes back as it was."""
    return {part: np.asarray(v).tolist() for part, v in _parts(outer).items()}


def from_lists(like: Any, values: dict[str, Any]) -> Any:
    """α or λ from `as_lists`, float32 NumPy arrays in a tree like `like`."""
    found = {part: np.asarray(values[part], np.float32) for part in _parts(like)}
    return found if isinstance(like, Mapping) else type(like)(**found)


def _parts(outer: Any) -> dict[str, Any]:
    """α or λ by the names of its parts."""
    is_alpha = isinstance(outer, ArchitectureLogits)
    return outer._asdict() if is_alpha else in_order(outer)
