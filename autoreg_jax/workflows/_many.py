"""Many searches at once, as one program: seeds, starts of λ and genotypes."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from autoreg_jax.config import ExtraTermsConfig, RunConfig
from autoreg_jax.data import Cohort, PairSampler
from autoreg_jax.errors import ConfigError
from autoreg_jax.losses import Weights, in_order
from autoreg_jax.search import STAGES, owned_by
from autoreg_jax.search_space import ArchitectureLogits, Genotype
from autoreg_jax.workflows._build import (
    chosen_genotype,
    make_network,
    make_stage,
    stage_config,
    stage_stop,
)
from autoreg_jax.workflows._decided import decided_logits, embedded
from autoreg_jax.workflows._flat import layout_of
from autoreg_jax.workflows._initial import initial_alpha, initial_vector
from autoreg_jax.workflows._judge import with_judge
from autoreg_jax.workflows._lambda import start_of_lambda
from autoreg_jax.workflows._many_programs import Lane, many_programs
from autoreg_jax.workflows._schedule import Part, schedule
from autoreg_jax.workflows._search import SearchResult
from autoreg_jax.workflows._stage import (
    Given,
    as_lists,
    from_lists,
    make_given,
    sampler_seed,
    search_fields,
)
from autoreg_jax.workflows._stopping import result_step, stop_rule


@dataclass
class _Member:
    """One search as far as it has come."""

    seed: int
    alpha: ArchitectureLogits
    lam: Weights
    start: Weights
    genotype: Genotype
    records: list[dict[str, Any]] = field(default_factory=list)


def search_many(
    train: Cohort,
    validation: Cohort,
    configs: Sequence[RunConfig],
    *,
    genotypes: Sequence[Genotype] | None = None,
    chunk: int | None = None,
) -> list[SearchResult]:
    """Run many searches at once, each stage compiled once and vectorised over them.

    Each result is that of `search` with the same arguments, up to rounding. Where the
    searches come to different genotypes, their stage of λ runs in the mixed network
    with one operation certain on every edge: one program for all, at the cost of the
    mixed network. Nothing is written, so nothing can be resumed. Rules that end a stage
    early choose the same step as in `search`; the steps after it are computed in vain.

    Args:
        train: Subjects from which ω learns.
        validation: Other subjects, which judge α and λ.
        configs: One for each search; they differ in the seed and in the start of λ
            alone.
        genotypes: Architectures that are not to be searched, one for each search.
        chunk: Searches in memory at once; all unless given. The last chunk is filled
            up, so that one program serves every chunk.

    Returns:
        The results in the same order.

    Raises:
        ConfigError: If the configurations differ in more, or limit time or watch the
            eigenvalue, which is done for single searches only.
        DataError: As `search`.
        NonFiniteError: If a number of one of the searches became NaN or infinite.
        ValueError: If there is no search, not one genotype for each, `chunk` is less
            than one, or the mixed network lacks an operation of a genotype.
    """
    if not configs or (chunk is not None and chunk < 1):
        raise ValueError(
            f"needs one search and a chunk of one at least, got {len(configs)} and "
            f"{chunk}."
        )
    if genotypes is not None and len(genotypes) != len(configs):
        raise ValueError(f"{len(genotypes)} genotypes for {len(configs)} searches.")
    config = with_judge(_common(configs), validation)
    small, whole = make_given(train, validation, config)
    members = []
    for place, one in enumerate(configs):
        lam = jax.device_get(start_of_lambda(one))
        seed = (one.seed, len(STAGES) + 1)
        alpha = initial_alpha(config.quirks.alpha_spread, seed)
        chosen = genotypes[place] if genotypes else chosen_genotype(config, alpha)
        members.append(_Member(one.seed, alpha, lam, lam, chosen))
    size = min(chunk or len(members), len(members))
    for *cells, weights in schedule(config):
        for part in cells if genotypes is None else ():
            _search_part(part, config, small, members, size)
        if genotypes is None:
            for member in members:
                member.genotype = chosen_genotype(config, member.alpha)
        _search_part(weights, config, whole, members, size)
    return [
        SearchResult(m.genotype, m.alpha, as_lists(m.lam), as_lists(m.start), m.records)
        for m in members
    ]


def _common(configs: Sequence[RunConfig]) -> RunConfig:
    """The first configuration, if the others are the same but for seed and λ."""

    def rest(config: RunConfig) -> Any:
        objective = replace(
            config.objective,
            full=0.0,
            smooth=0.0,
            half=0.0,
            quarter=0.0,
            extra=ExtraTermsConfig(),
        )
        names = tuple(in_order(start_of_lambda(config)))
        return replace(config, seed=0, objective=objective), names

    first = configs[0]
    if any(rest(config) != rest(first) for config in configs):
        raise ConfigError(
            "searches at once may differ in seed and start of λ alone; search those "
            "with other settings apart."
        )
    stops = [stage_stop(first.search, stage).eigenvalue_every for stage in STAGES]
    if first.search.minutes is not None or any(stops):
        raise ConfigError(
            "search.minutes and stop.eigenvalue_every are for single searches; leave "
            "them out of searches at once."
        )
    return first


def _search_part(
    part: Part, config: RunConfig, given: Given, members: list[_Member], size: int
) -> None:
    """One stage of all searches, chunk by chunk; it is kept in the members."""
    if part.steps == 0:
        return
    is_of_lambda = part.kind == "lam"
    is_decided = is_of_lambda and len({m.genotype for m in members}) > 1
    genotype = members[0].genotype if is_of_lambda and not is_decided else None
    for first in range(0, len(members), size):
        group = members[first : first + size]
        filled = [*group, *[group[-1]] * (size - len(group))]
        histories = _history(part, config, given, filled, genotype, is_decided)
        rule = stop_rule(part.kind, stage_stop(config.search, part.kind), float("inf"))
        for member, records in zip(group, histories, strict=False):
            kept: list[dict[str, Any]] = []
            for record in records:
                kept.append(record)
                stopped = rule(kept)
                record |= stopped
                if stopped:
                    break
            member.records += kept
            step = result_step(kept[-1], part.steps)
            found = next(record for record in kept if record["step"] == step)
            if is_of_lambda:
                member.lam = from_lists(member.lam, found["lam"])
            else:
                member.alpha = from_lists(member.alpha, found["alpha"])


def _history(
    part: Part,
    config: RunConfig,
    given: Given,
    members: list[_Member],
    genotype: Genotype | None,
    is_decided: bool,
) -> list[list[dict[str, Any]]]:
    """The records of every member from a stage in which all of them move at once."""
    kind, ndim = part.kind, given.train.images.ndim - 2
    stage, settings = make_stage(config, kind), stage_config(config.search, kind)
    programs = many_programs(
        config, kind, genotype, ndim, (given.num_structures, given.has_background)
    )
    is_of_lambda = kind == "lam"
    outers = [m.lam if is_of_lambda else m.alpha for m in members]
    owned = owned_by(kind, members[0].lam if is_of_lambda else None)
    lanes = Lane(
        None if is_of_lambda else _stacked([m.lam for m in members]),
        _stacked([decided_logits(m.genotype) for m in members]) if is_decided else None,
    )
    omegas = [
        _first_omega(part, config, m, ndim, genotype, is_decided) for m in members
    ]
    states = programs.init(jnp.stack(omegas), _stacked(outers))
    sides = (
        (given.train, 1, given.train_roles),
        (given.valid, settings.valid_pairs, given.valid_roles),
    )
    samplers = [
        [
            PairSampler(
                len(cohort.images),
                batch_size=batch,
                seed=sampler_seed(m.seed, part.number, number),
                **roles._asdict(),
            )
            for m in members
        ]
        for number, (cohort, batch, roles) in enumerate(sides)
    ]
    histories: list[list[dict[str, Any]]] = [[] for _ in members]
    begin = time.monotonic()
    for step in range(part.steps):
        pairs, valid_pairs = (_stacked([s[step] for s in side]) for side in samplers)
        moved = None
        if stage.is_active(step):
            states, moved = programs.outer_step(
                states, lanes, pairs, valid_pairs, given.train, given.valid, owned
            )
        states, inner = programs.inner_step(states, lanes, pairs, given.train)
        host = jax.device_get((inner, moved, states.outer))
        for place, history in enumerate(histories):
            one, move, outer = jax.tree.map(lambda array, i=place: array[i], host)
            fields = search_fields(part.name, step + 1, one, move, outer, {})
            seconds = time.monotonic() - begin
            record = {"stage": part.name, "step": step + 1, "seconds": seconds}
            history.append(record | fields)
    return histories


def _first_omega(
    part: Part,
    config: RunConfig,
    member: _Member,
    ndim: int,
    genotype: Genotype | None,
    is_decided: bool,
) -> Any:
    """ω with which a single search would begin this stage."""
    discrete = make_network(config, member.genotype if is_decided else genotype)
    omega = initial_vector(
        discrete,
        ndim,
        (member.seed, part.number),
        is_torch=config.quirks.torch_start,
    )
    if not is_decided:
        return omega
    mixed = layout_of(make_network(config, None), ndim)
    return embedded(omega, layout_of(discrete, ndim), mixed)


def _stacked(trees: Sequence[Any]) -> Any:
    """Equal trees as one, with a leading axis."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)
